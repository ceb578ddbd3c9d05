"""Between texts and token ids: prompts in, completions out, and where a stop text may end."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calculemus.engine.requests import Chat, Prefix, Prompt
from calculemus.errors import EngineError
from calculemus.params import digest

ANCHOR = 6
"""How many tokens before a completion are decoded with it: they settle spaces and unfinished characters."""
BROKEN = "\ufffd"
"""Stands in decoded text for bytes that are no whole character yet."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt as text and as token ids."""

    text: str
    ids: tuple[int, ...]


class Texts:
    """A model's tokenizer, seen from the engine.

    Attributes:
        has_template: Whether conversations have a form of the model's own.
        takes_system: Whether that form shows what a system message says.
        ends: Ids of tokens that end a text.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._n_ids = int(model.get_input_embeddings().weight.shape[0])
        self.has_template = bool(getattr(tokenizer, "chat_template", None))
        self.takes_system = not self.has_template or self._shows_system()
        self.ends = _end_ids(tokenizer, model)
        self._encode_text = lru_cache(4096)(self._encode_uncached)
        self._pieces: list[str] | None = None

    @property
    def digest(self) -> str:
        """Names by content which text each id stands for; see ``tokenizer_digest``."""
        return tokenizer_digest(self._tokenizer)

    def encode(self, prompt: Prompt) -> Encoded:
        """Turn a prompt into token ids; a prefix that has ids keeps them.

        Raises:
            EngineError: A prefix with ids that the model does not have, a prompt without any token, or one
                that the tokenizer or its template does not take.
        """
        if isinstance(prompt, Chat):
            text = self.render(prompt)
            ids = self._encode_text(text, not self.has_template)
        elif isinstance(prompt, Prefix):
            text = prompt.text
            ids = self._encode_text(text, True) if prompt.ids is None else prompt.ids
            if prompt.ids is not None and prompt.added:
                ids += self.encode_rest(prompt.added)
        else:
            text, ids = prompt, self._encode_text(prompt, True)
        if not ids:
            raise EngineError(f"encoding the prompt {text!r}: it has no tokens; expected one at least")
        self._check(ids, f"encoding the prompt {text[:40]!r}", "a prefix that this model wrote")
        return Encoded(text, ids)

    def _check(self, ids: Sequence[int], doing: str, expected: str) -> None:
        """See that the model has all of these ids: one that it lacks would bring down the whole batch."""
        if ids and (min(ids) < 0 or max(ids) >= self._n_ids):
            raise EngineError(
                f"{doing}: it has ids from {min(ids)} to {max(ids)}, the model from 0 to {self._n_ids - 1}; "
                f"expected {expected}. Give the text without ids"
            )

    def continuation(self, prompt: Encoded, continuation: str | tuple[int, ...]) -> tuple[int, ...]:
        """Return the ids of a text behind a prompt, in the prompt's tokens where they go on alike.

        Raises:
            EngineError: Ids that the model does not have, or a text that the tokenizer does not take.
        """
        if not isinstance(continuation, str):
            self._check(continuation, "encoding a continuation", "ids of this model")
            return continuation
        whole = self._encode_text(prompt.text + continuation, True)
        n = len(prompt.ids)
        if len(whole) > n and whole[:n] == prompt.ids:
            return whole[n:]
        return self.encode_rest(continuation)

    def encode_rest(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text that goes on behind other tokens."""
        return self._encode_text(text, False)

    def _encode_uncached(self, text: str, with_marks: bool) -> tuple[int, ...]:
        try:
            return tuple(self._tokenizer(text, add_special_tokens=with_marks, verbose=False)["input_ids"])
        except (TypeError, ValueError) as error:
            raise EngineError(
                f"encoding {text[:40]!r}: the tokenizer does not take it ({error}); expected text that UTF-8 "
                "can write. Look for lone surrogates in it"
            ) from error

    def render(self, chat: Chat) -> str:
        """Write a conversation as text; an assistant's text at the end is left open.

        Raises:
            EngineError: The model's template does not take it.
        """
        is_open = bool(chat.messages) and chat.messages[-1][0] == "assistant"
        if not self.has_template:
            turns = [f"{role.capitalize()}: {text}" for role, text in chat.messages]
            return "\n\n".join(turns if is_open else [*turns, "Assistant:"])
        messages = [{"role": role, "content": text} for role, text in chat.messages]
        try:
            return self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=not is_open,
                continue_final_message=is_open,
            )
        except Exception as error:  # a template is a program of the model's maker and raises what it likes
            roles = ", ".join(message["role"] for message in messages) or "none"
            raise EngineError(
                f"rendering a conversation with the turns {roles}: the model's chat template does not take "
                f"it ({error}); expected turns as it wants them. Use other roles, or a prompt of plain text"
            ) from error

    def _shows_system(self) -> bool:
        """Say whether the template shows a system message: some refuse it, some leave it out."""
        try:
            return "sys-7" in self.render(Chat((("system", "sys-7"), ("user", "hello"))))
        except EngineError:
            return False

    def decode(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> str:
        """Return the text that ``ids`` add behind a prompt."""
        anchor = list(prompt_ids[-ANCHOR:])
        before, whole = self._decode(anchor), self._decode([*anchor, *ids])
        if whole.startswith(before):
            return whole[len(before) :]
        # The prompt ends inside a character, which the first new token completes.
        return whole[len(before.rstrip(BROKEN)) :]

    def pieces(self, prompt_ids: Sequence[int], ids: Sequence[int], text: str) -> tuple[str, ...]:
        """Return what each of a completion's tokens writes; see ``Completion``.

        Args:
            prompt_ids: The prompt's tokens.
            ids: The completion's.
            text: What stands of it; where it ends, the pieces do.
        """
        whole, n_prompt, at = [*prompt_ids, *ids], len(prompt_ids), 0
        found: list[str] = []
        for place in range(n_prompt, len(whole) - 1):
            written = self.decode(whole[max(0, place - ANCHOR) : place], whole[place : place + 1])
            # What a token begins of a character is not written yet.
            piece = next(p for p in (written, written.rstrip(BROKEN), "") if text.startswith(p, at))
            found.append(piece)
            at += len(piece)
        if ids:
            found.append(text[at:])
        return tuple(found)

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def triggers(self, stops: Sequence[str]) -> NDArray[np.bool_]:
        """Say for each token id whether a stop text may end in it: if it has the last character of one."""
        last = {stop[-1] for stop in stops}
        if self._pieces is None:
            anchor = self._anchor()
            n_before = len(self._decode([anchor]))
            self._pieces = [self._decode([anchor, i])[n_before:] for i in range(self._n_ids)]
        # A token of unfinished bytes may complete any character.
        return np.array([BROKEN in piece or not last.isdisjoint(piece) for piece in self._pieces])

    def _anchor(self) -> int:
        """Return a token of plain text, before which other tokens look as they do in a running text."""
        for token in self._encode_text("a 1", False):
            if BROKEN not in self._decode([token]):
                return token
        return 0


def tokenizer_digest(tokenizer: Any) -> str:
    """Name a Hugging Face tokenizer by vocabulary, merges and the rules by which it cuts texts.

    How it pads, what it puts around a text and how it renders conversations does not count: models whose
    tokenizers differ in that alone can still go on from each other's ids.
    """
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None:  # written in Python: its rules are its class
        return digest([type(tokenizer).__name__, tokenizer.get_vocab()])
    whole = json.loads(fast.to_str())
    parts = ("model", "added_tokens", "normalizer", "pre_tokenizer", "decoder")
    return digest([whole.get(part) for part in parts])


def _end_ids(tokenizer: Any, model: Any) -> tuple[int, ...]:
    """Collect the ids that end a text from all three places where models name them."""
    found: set[int] = set()
    generation = getattr(model, "generation_config", None)
    for owner in (tokenizer, model.config, generation):
        ids = getattr(owner, "eos_token_id", None)
        found.update([] if ids is None else [ids] if isinstance(ids, int) else ids)
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a completion ends.

    Attributes:
        text: What stands of it.
        n_ids: How many of its tokens it takes to write that; the last may write more.
        n_whole: How many of these tokens write what stands and no more ...
        rest: ... and what stands behind them; empty where the last one writes no more either.
        stopped_by: The stop text that was found; None at the end of text or of the budget.
    """

    text: str
    n_ids: int
    n_whole: int
    rest: str = ""
    stopped_by: str | None = None


def find_stop(
    texts: Texts, prompt_ids: Sequence[int], ids: Sequence[int], stops: Sequence[str], keep: bool
) -> Cut | None:
    """Find the stop text in a completion that was complete first; of two, the longer one.

    Args:
        texts: Decodes.
        prompt_ids: The prompt's tokens.
        ids: The completion's.
        stops: Stop texts.
        keep: Whether the stop text stands.
    """
    text = texts.decode(prompt_ids, ids)
    found = [(at, stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        return None
    at, stop = min(found, key=lambda entry: (entry[0] + len(entry[1]), entry[0]))
    standing = text[: at + len(stop)] if keep else text[:at]
    n_ids, written = len(ids), text
    while n_ids and (before := texts.decode(prompt_ids, ids[: n_ids - 1])).startswith(standing):
        n_ids, written = n_ids - 1, before
    if written == standing:
        return Cut(standing, n_ids, n_ids, stopped_by=stop)
    n_whole = n_ids - 1
    # The last token may also complete a character, which the tokens before it then write as a broken one.
    while not standing.startswith(before := texts.decode(prompt_ids, ids[:n_whole])):
        n_whole -= 1
    return Cut(standing, n_ids, n_whole, standing[len(before) :], stop)
