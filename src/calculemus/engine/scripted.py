"""An engine that says what it was told to: for tests, and for people who write methods."""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from calculemus.engine.base import Job
from calculemus.engine.requests import (
    Capabilities,
    Completion,
    Embed,
    EngineRequest,
    Prefix,
    Prompt,
    Sample,
    Sampling,
    Score,
    Scored,
    Value,
)
from calculemus.engine.virtual import VirtualEngine, Work, linear_step, plain_text
from calculemus.errors import EngineError
from calculemus.named import suggest
from calculemus.params import digest

Fault = Literal["error", "timeout", "empty", "same"]
Texts = str | Mapping[str, str | Sequence[str]] | Callable[[str, int], str]

SAME = "I always say the same."
"""What an engine with the fault ``same`` says."""

TIMEOUT_STEPS = 1000
"""Steps after which a request with the fault ``timeout`` fails."""

_WORD = re.compile(r"\s*\S+|\s+")


def count_words(text: str) -> int:
    """Return the tokens of a text: words, each with the white space before it."""
    return len(_WORD.findall(text))


def _ids(text: str) -> tuple[int, ...]:
    return tuple(zlib.crc32(word.encode(errors="surrogatepass")) for word in _WORD.findall(text))


def _always(text: str) -> bool:
    return True


class ScriptedEngine(VirtualEngine):
    """Answers prompts with given texts, in virtual time, and counts what it was asked.

    Tokens are words. Time, rows and reused prefixes are counted as in ``VirtualEngine``.

    Args:
        texts: What follows a prompt: one text for every prompt; a text for each prompt; several texts for a
            prompt, of which the rows of a job take one each, in turn; or a function of the prompt's text and
            a row's seed. Where requests may be split over jobs, only a function gives a row the same text
            every time.
        rows: Rows that it works on at once.
        scores: Log-probability of a continuation of a prompt, both as texts; None for no ``Score``.
        values: Value of a prompt's text; None for no ``Value``.
        embeddings: Embedding of a text; None for no ``Embed``.
        fault: What goes wrong: ``error`` and ``timeout`` fail, ``empty`` says nothing, ``same`` says the same
            to every prompt.
        is_faulty: Which prompts, by their text, it goes wrong on.
        step_seconds: Virtual seconds of a step with so many rows.
        parameters: Size of the model that it pretends to be, for FLOPs; 0 leaves them unknown.
        context: Longest prompt and completion together.
        chat_template: Whether it pretends that its model has one.
        name: What people call it. Functions are told apart by their names, not by what they close over:
            where results are stored, engines that say other things need other names.

    Example:
        >>> engine = ScriptedEngine({"1 + 1?": "2"})
        >>> engine.submit([Job(0, Sample("1 + 1?"), (0,))])
        >>> engine.wait()[0].reply[0].text
        '2'
    """

    def __init__(
        self,
        texts: Texts,
        *,
        rows: int = 256,
        scores: Callable[[str, str], float] | None = None,
        values: Callable[[str], float] | None = None,
        embeddings: Callable[[str], Sequence[float]] | None = None,
        fault: Fault | None = None,
        is_faulty: Callable[[str], bool] = _always,
        step_seconds: Callable[[int], float] = linear_step,
        parameters: int = 0,
        context: int | None = None,
        chat_template: bool = False,
        name: str = "scripted",
    ) -> None:
        scripts = {"Sample": texts, "Score": scores, "Value": values, "Embed": embeddings}
        capabilities = Capabilities(
            kinds=frozenset(kind for kind, script in scripts.items() if script is not None),
            logprobs=False,
            token_ids=True,
            deterministic=True,
            context=context,
            rows=rows,
            facts={"parameters": parameters, "chat_template": chat_template},
        )
        content = {kind: _content(script) for kind, script in scripts.items()}
        super().__init__(name, digest([name, content, fault]), capabilities, step_seconds)
        self._texts = texts
        self._scores = scores
        self._values = values
        self._embeddings = embeddings
        self._fault: Fault | None = fault
        self._is_faulty = is_faulty

    def prompt_ids(self, request: EngineRequest) -> Sequence[Sequence[int]]:
        """Return the token ids of each row's prompt."""
        if isinstance(request, Sample):
            return [_prompt_ids(request.prompt)] * request.n
        if isinstance(request, Score):
            start = _prompt_ids(request.prompt)
            return [(*start, *_continuation_ids(c)) for c in request.continuations]
        prompts = request.prompts if isinstance(request, Value) else request.texts
        return [_prompt_ids(prompt) for prompt in prompts]

    def work(self, job: Job) -> Work:
        """Return what a job comes to."""
        request = job.request
        prompts = self.prompt_ids(request)
        fault = self._fault if self._is_faulty(_first_text(request)) else None
        if fault == "error" or fault == "timeout":
            steps = TIMEOUT_STEPS if fault == "timeout" else 1
            return Work(None, prompts, [0] * len(prompts), _failure(request, fault), steps)
        try:
            if isinstance(request, Sample):
                made = [
                    self._complete(request, prompts[row], row, seed, fault)
                    for row, seed in enumerate(job.seeds)
                ]
                return Work(tuple(c for c, _ in made), prompts, [n for _, n in made])
            return Work(self._measure(request), prompts, [0] * len(prompts))
        except EngineError as error:
            return Work(None, prompts, [0] * len(prompts), error)

    def _complete(
        self, request: Sample, ids: Sequence[int], row: int, seed: int, fault: Fault | None
    ) -> tuple[Completion, int]:
        """Return a row's completion and how many tokens it sampled."""
        prompt = plain_text(request.prompt)
        if fault is not None:
            text = SAME if fault == "same" else ""
        else:
            text = _choose(self._texts, prompt, row, seed)
        kept, sampled, finish, stopped_by = _end(text, request.sampling)
        new = _ids(kept)
        prefix = Prefix(prompt + kept, (*ids, *new))
        whole = Completion(kept, new, None, finish, stopped_by, prefix)
        if request.sampling.pieces:
            whole = replace(whole, pieces=tuple(_WORD.findall(kept)), start=Prefix(prompt, tuple(ids)))
        return whole, sampled

    def _measure(self, request: Score | Value | Embed) -> tuple[object, ...]:
        if isinstance(request, Score) and self._scores is not None:
            return tuple(_score(self._scores, request.prompt, c) for c in request.continuations)
        if isinstance(request, Value) and self._values is not None:
            return tuple(self._values(plain_text(prompt)) for prompt in request.prompts)
        assert isinstance(request, Embed), "the scheduler sends only the kinds that there are"
        assert self._embeddings is not None, "the scheduler sends only the kinds that there are"
        return tuple(tuple(self._embeddings(text)) for text in request.texts)


def _content(script: object) -> object:
    """Return what names a script in the engine's digest; a function is known by its name alone."""
    if isinstance(script, Mapping):
        return {key: list(value) if not isinstance(value, str) else value for key, value in script.items()}
    if script is None or isinstance(script, str):
        return script
    return f"{getattr(script, '__module__', '')}.{getattr(script, '__qualname__', type(script).__name__)}"


def _prompt_ids(prompt: Prompt) -> tuple[int, ...]:
    if isinstance(prompt, Prefix) and prompt.ids is not None:
        return (*prompt.ids, *_ids(prompt.added))
    return _ids(plain_text(prompt))


def _continuation_ids(continuation: str | tuple[int, ...]) -> tuple[int, ...]:
    return _ids(continuation) if isinstance(continuation, str) else continuation


def _first_text(request: EngineRequest) -> str:
    """Return the text by which a request is known to be faulty."""
    if isinstance(request, (Sample, Score)):
        return plain_text(request.prompt)
    prompts = request.prompts if isinstance(request, Value) else request.texts
    return plain_text(prompts[0])


def _failure(request: EngineRequest, fault: str) -> EngineError:
    what = "timed out" if fault == "timeout" else "failed, as it was told to"
    return EngineError(f"scripted: {type(request).__name__} on {_first_text(request)[:60]!r} {what}")


def _choose(texts: Texts, prompt: str, row: int, seed: int) -> str:
    """Return the text that follows a prompt."""
    if isinstance(texts, str):
        return texts
    if not isinstance(texts, Mapping):
        return texts(prompt, seed)
    found = texts.get(prompt)
    if found is None:
        raise EngineError(
            f"scripted: there is no text for the prompt {prompt!r}; {suggest(prompt, texts)}give it one"
        )
    return found if isinstance(found, str) else found[row % len(found)]


def _end(text: str, sampling: Sampling) -> tuple[str, int, str, str | None]:
    """Return the text up to its end, the tokens up to there, why it ends and the stop text that ended it."""
    found = [(text.find(stop), stop) for stop in sampling.stop if stop in text]
    place, stopped_by = min(found, default=(len(text), None))
    whole = text[: place + len(stopped_by or "")]
    words = _WORD.findall(whole)
    if len(words) > sampling.max_tokens:
        return "".join(words[: sampling.max_tokens]), sampling.max_tokens, "length", None
    return (whole if sampling.keep_stop else text[:place]), len(words), "stop", stopped_by


def _score(
    scores: Callable[[str, str], float], prompt: Prompt, continuation: str | tuple[int, ...]
) -> Scored:
    """Return a scored continuation; its tokens share the log-probability evenly."""
    if not isinstance(continuation, str):
        raise EngineError(
            "scripted: a continuation to score is given by token ids; expected text. Score the text"
        )
    ids = _ids(continuation)
    total = scores(plain_text(prompt), continuation)
    return Scored(ids, (total / len(ids),) * len(ids) if ids else ())
