"""A language model so small that every text it can write is listed with its probability.

``ToyLM`` is a Markov chain over a few symbols with an end of text. What a method does with it can be compared
with sums over all its texts: see ``calculemus.engine.exact``.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from calculemus.engine.base import Job
from calculemus.engine.draws import Choice, number_of, shape
from calculemus.engine.requests import (
    Capabilities,
    Completion,
    EngineRequest,
    Prefix,
    Prompt,
    Sample,
    Sampling,
    Score,
    Scored,
    Value,
)
from calculemus.engine.virtual import VirtualEngine, Work, plain_text
from calculemus.errors import EngineError, InvalidParameterError
from calculemus.params import digest
from calculemus.rng import Rng

Tokens = tuple[int, ...]
Rewards = Mapping[str, float] | Callable[[str], float]

PROMPT = 0
"""The token that stands for the question, whatever it is. Symbols count from 1; the end of text is last."""


@dataclass(frozen=True, slots=True)
class _End:
    """How a completion ends; the fields are those of ``Completion``, and the tokens drawn for it."""

    text: str
    ids: Tokens
    logprobs: tuple[float, ...]
    finish: str
    stopped_by: str | None
    n_drawn: int


class ToyLM(VirtualEngine):
    """An engine on a Markov chain of symbols.

    A prompt is read from its last line or colon on: if only symbols stand there they are what was written so
    far, else nothing was. Completions carry the end of text as their last token, so that the probability of a
    text is that of its tokens.

    Args:
        symbols: Its alphabet, single characters.
        start: Probabilities of the first symbol, that of the empty text last.
        follow: For each symbol the probabilities of what follows it, that of the end last.
        max_length: Symbols of the longest text; there it ends.
        rewards: Reward of a whole text; with them it answers ``Value`` by the expected reward.
        noise: Standard deviation of an error that is added to each value, always the same for the same text.
        noise_seed: Which errors.
        rows: Rows that it works on at once.

    Example:
        >>> lm = ToyLM("ab", start=[0.5, 0.5, 0], follow=[[0, 0, 1], [0, 0.5, 0.5]], max_length=3)
        >>> lm.texts()
        {'a': 0.5, 'bbb': 0.125, 'bb': 0.125, 'b': 0.25}
    """

    def __init__(
        self,
        symbols: str,
        start: Sequence[float],
        follow: Sequence[Sequence[float]],
        max_length: int,
        *,
        rewards: Rewards | None = None,
        noise: float = 0.0,
        noise_seed: int = 0,
        rows: int = 256,
    ) -> None:
        _check_tables(symbols, start, follow)
        self.symbols = symbols
        self.max_length = max_length
        self._start = list(start)
        self._follow = [list(row) for row in follow]
        self._rewards = rewards
        self._noise = noise
        self._noise_seed = noise_seed
        self._end = len(symbols) + 1
        self._nodes: dict[Sampling, dict[tuple[Tokens, Tokens], _End | Choice]] = {}
        kinds = {"Sample", "Score"} | ({"Value"} if rewards is not None else set())
        tables = [symbols, self._start, self._follow, max_length, noise, noise_seed]
        if rewards is not None:
            tables.append({text: self._reward(text) for text in self.texts()})
        super().__init__(
            "toy",
            digest(tables),
            Capabilities(
                kinds=frozenset(kinds),
                logprobs=True,
                token_ids=True,
                deterministic=True,
                context=None,
                rows=rows,
            ),
        )

    @classmethod
    def random(
        cls,
        rng: Rng,
        symbols: str = "abc",
        max_length: int = 4,
        *,
        rewards: Rewards | None = None,
        noise: float = 0.0,
        rows: int = 256,
    ) -> Self:
        """Return a model with tables drawn evenly from all there are; no text is empty."""
        generator = rng.generator()
        first = [*generator.dirichlet([1.0] * len(symbols)).tolist(), 0.0]
        follow = generator.dirichlet([1.0] * (len(symbols) + 1), size=len(symbols)).tolist()
        return cls(symbols, first, follow, max_length, rewards=rewards, noise=noise, rows=rows)

    def texts(self) -> dict[str, float]:
        """Return every text that the model writes, with its probability."""
        completions = self.outcomes("", Sampling(temperature=1.0, max_tokens=self.max_length + 1))
        return {completion.text: probability for completion, probability in completions}

    def outcomes(self, prompt: Prompt, sampling: Sampling) -> Iterator[tuple[Completion, float]]:
        """Yield every completion of a prompt with its probability under the sampling's settings."""
        yield from self._grow(prompt, sampling, self._state(prompt), (), 1.0)

    def _grow(
        self, prompt: Prompt, sampling: Sampling, state: Tokens, new: Tokens, reached: float
    ) -> Iterator[tuple[Completion, float]]:
        node = self._node(sampling, state, new)
        if isinstance(node, _End):
            yield self._completion(prompt, state, node, sampling.pieces), reached
            return
        for token, probability in zip(node.tokens, node.probabilities, strict=True):
            yield from self._grow(prompt, sampling, state, (*new, token), reached * probability)

    def _node(self, sampling: Sampling, state: Tokens, new: Tokens) -> "_End | Choice":
        """Return how a completion ends with these tokens or, if it goes on, what is drawn from."""
        nodes = self._nodes.setdefault(sampling, {})
        node = nodes.get((state, new))
        if node is None:
            node = self._end_at(sampling, state, new)
            if node is None:
                node = Choice(shape(self._next(state + new), sampling))
            nodes[state, new] = node
        return node

    def _end_at(self, sampling: Sampling, state: Tokens, new: Tokens) -> "_End | None":
        ended = (state + new)[-1:] == (self._end,)
        text = self._text(new)
        stops = [(text.find(stop), stop) for stop in sampling.stop if stop in text]
        if not (ended or stops or len(new) >= sampling.max_tokens):
            return None
        n_drawn = len(new)
        place, stopped_by = min(stops, default=(len(text), None))
        if stops and not sampling.keep_stop:
            text, new = text[:place], new[:place]  # a symbol is a token
        finish = "stop" if ended or stops else "length"
        return _End(text, new, self._logprobs(state, new), finish, stopped_by, n_drawn)

    def _completion(self, prompt: Prompt, state: Tokens, end: "_End", with_pieces: bool) -> Completion:
        text, ids = plain_text(prompt), (PROMPT, *state)
        prefix = Prefix(text + end.text, ids + end.ids)
        whole = Completion(end.text, end.ids, end.logprobs, end.finish, end.stopped_by, prefix)
        if not with_pieces:
            return whole
        return replace(whole, pieces=tuple(self._text([i]) for i in end.ids), start=Prefix(text, ids))

    def _state(self, prompt: Prompt) -> Tokens:
        """Return the tokens behind the question."""
        if isinstance(prompt, Prefix) and prompt.ids is not None:
            return (*prompt.ids[1:], *self._tokens(prompt.added))
        text = plain_text(prompt)
        written = text[max(text.rfind("\n"), text.rfind(":")) + 1 :].strip()
        return self._tokens(written) if set(written) <= set(self.symbols) else ()

    def _tokens(self, text: str) -> Tokens:
        return tuple(self.symbols.index(symbol) + 1 for symbol in text)

    def _text(self, tokens: Sequence[int]) -> str:
        return "".join(self.symbols[token - 1] for token in tokens if token != self._end)

    def _next(self, state: Tokens) -> list[float]:
        """Return the probabilities of the tokens from 1 on."""
        if len(state) >= self.max_length:
            return [0.0] * len(self.symbols) + [1.0]
        return self._follow[state[-1] - 1] if state else self._start

    def _logprobs(self, state: Tokens, new: Tokens) -> tuple[float, ...]:
        before = [state + new[:place] for place in range(len(new))]
        return tuple(self._logprob(path, token) for path, token in zip(before, new, strict=True))

    def _logprob(self, state: Tokens, token: int) -> float:
        if state[-1:] == (self._end,):
            return -math.inf  # nothing follows the end
        probability = self._next(state)[token - 1]
        return math.log(probability) if probability > 0 else -math.inf

    def draw(self, prompt: Prompt, sampling: Sampling, seed: int) -> tuple[Completion, int]:
        """Return the completion that a seed stands for, and how many tokens were drawn for it."""
        state = self._state(prompt)
        new: Tokens = ()
        while True:
            node = self._node(sampling, state, new)
            if isinstance(node, _End):
                return self._completion(prompt, state, node, sampling.pieces), node.n_drawn
            new = (*new, node.draw(number_of(seed, len(new))))

    def value(self, prompt: Prompt) -> float:
        """Return the expected reward of what a prompt will become, without noise."""
        state = self._state(prompt)
        return self._expected(state)

    def _expected(self, state: Tokens) -> float:
        if state[-1:] == (self._end,):
            return self._reward(self._text(state))
        return sum(
            probability * self._expected((*state, token))
            for token, probability in enumerate(self._next(state), 1)
            if probability > 0
        )

    def _reward(self, text: str) -> float:
        if self._rewards is None:
            raise InvalidParameterError("toy: it has no rewards, so nothing has a value; give it 'rewards'")
        return float(
            self._rewards.get(text, 0.0) if isinstance(self._rewards, Mapping) else self._rewards(text)
        )

    def _noisy_value(self, prompt: Prompt, head: str) -> float:
        state = self._state(prompt)
        if not self._noise:
            return self._expected(state)
        rng = Rng(self._noise_seed, ("value", head, *state))
        return self._expected(state) + self._noise * float(rng.generator().standard_normal())

    def _score(self, prompt: Prompt, continuation: str | Tokens) -> Scored:
        if isinstance(continuation, str):
            if not set(continuation) <= set(self.symbols):
                raise EngineError(
                    f"toy: scoring {continuation!r}: expected the symbols '{self.symbols}' alone; score those"
                )
            continuation = self._tokens(continuation)
        return Scored(continuation, self._logprobs(self._state(prompt), continuation))

    def measure(self, request: EngineRequest) -> tuple[object, ...]:
        """Return the reply to a request that draws nothing."""
        if isinstance(request, Score):
            return tuple(self._score(request.prompt, c) for c in request.continuations)
        assert isinstance(request, Value), "the scheduler sends only the kinds that there are"
        return tuple(self._noisy_value(prompt, request.head) for prompt in request.prompts)

    def prompt_ids(self, request: EngineRequest) -> Sequence[Sequence[int]]:
        """Return the token ids of each row's prompt."""
        if isinstance(request, Sample):
            return [(PROMPT, *self._state(request.prompt))] * request.n
        if isinstance(request, Score):
            return [(PROMPT, *self._state(request.prompt))] * len(request.continuations)
        prompts = request.prompts if isinstance(request, Value) else request.texts
        return [(PROMPT, *self._state(prompt)) for prompt in prompts]

    def work(self, job: Job) -> Work:
        """Return what a job comes to."""
        request = job.request
        prompts = self.prompt_ids(request)
        if isinstance(request, Sample):
            drawn = [self.draw(request.prompt, request.sampling, seed) for seed in job.seeds]
            return Work(tuple(c for c, _ in drawn), prompts, [n for _, n in drawn])
        try:
            return Work(self.measure(request), prompts, [0] * len(prompts))
        except EngineError as error:
            return Work(None, prompts, [0] * len(prompts), error)


def _check_tables(symbols: str, start: Sequence[float], follow: Sequence[Sequence[float]]) -> None:
    """Check that the tables are probabilities of the right number of tokens."""
    width = len(symbols) + 1
    if len(set(symbols)) != len(symbols) or len(follow) != len(symbols):
        raise InvalidParameterError(
            f"toy: it has the symbols '{symbols}' and {len(follow)} rows of what follows them; expected "
            "different symbols and a row for each"
        )
    for row in (start, *follow):
        if len(row) != width or min(row) < 0 or not math.isclose(sum(row), 1.0, abs_tol=1e-9):
            raise InvalidParameterError(
                f"toy: a row of its tables is {list(row)}; expected {width} probabilities that add up to 1: "
                "one for each symbol, and the end's"
            )
