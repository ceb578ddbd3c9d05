"""Drafts: solutions that can be cut behind any of their tokens and written on from there.

What a draft is made of are the tokens that were drawn, those of the stop text and the mark of the end too: a
text that begins like another one can then go on where that one ends. No text is encoded again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

from calculemus.engine.requests import Completion, Prefix, Prompt, Sampling
from calculemus.errors import EngineCapabilityError
from calculemus.solving.context import Context


@dataclass(eq=False, slots=True)
class Draft:
    """A solution by its tokens; it is a ``Candidate``.

    Attributes:
        start: The question with its ids.
        prompt: Question and text together.
        ids: The tokens that were drawn behind it.
        pieces: What each of them writes.
        logprobs: Of each of them; None where unknown.
        text: What they write, without the stop text.
        n_drawn: Number of draws: of the tokens, and of the mark of the end where it is not among them.
        is_cut: Whether the limit of tokens ended it.
        answer: The answer that it gives; None where it gives none.
        node: Its index in the trace.
        reward: What it was found to be worth.
    """

    start: Prefix
    prompt: Prompt
    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    logprobs: tuple[float, ...] | None
    text: str
    n_drawn: int
    is_cut: bool
    answer: str | None = None
    node: int = -1
    reward: float = 0.0

    @property
    def n_tokens(self) -> int:
        """How many of its tokens there are, those of a stop text apart."""
        is_stopped = len(self.text) < sum(map(len, self.pieces))
        return _n_whole(self.pieces, self.text) if is_stopped else len(self.ids)

    @property
    def logprob(self) -> float | None:
        """Sum of the log-probabilities of these; None where unknown."""
        return None if self.logprobs is None else sum(self.logprobs[: self.n_tokens])

    def head(self, n_tokens: int) -> Prefix:
        """Return the question with its first tokens, to be written on."""
        return _head(self.start, self.ids, self.pieces, n_tokens)


def drawn_behind(sampling: Sampling, most: int | None = None) -> Callable[[int], Sampling]:
    """Return a function of a number of tokens: how a draft is drawn that has so many already.

    Args:
        sampling: How a whole one is drawn.
        most: Tokens that are drawn at once; None draws the rest.
    """

    @cache
    def behind(n_tokens: int) -> Sampling:
        # An engine that leaves the mark of the end out may have ended at the very last token.
        left = max(1, sampling.max_tokens - n_tokens)
        left = left if most is None else min(left, most)
        return replace(sampling, max_tokens=left, keep_stop=True, pieces=True)

    return behind


def check_tokens(who: str, ctx: Context) -> None:
    """Make sure that the engine can write on from a token, before anything is spent.

    Raises:
        EngineCapabilityError: It cannot.
    """
    if not ctx.capabilities.token_ids:
        raise _cannot_cut(who, "it gives no token ids")


def _cannot_cut(who: str, why: str) -> EngineCapabilityError:
    return EngineCapabilityError(
        f"{who}: solutions are to be cut behind a token and written on, and the engine cannot: {why}; "
        "expected one that continues token ids. A cut by text could be encoded otherwise, so it is not made; "
        "choose a model that runs here, or an endpoint that takes raw prompts and returns token ids"
    )


def make_draft(
    who: str, completion: Completion, stops: Sequence[str], before: Draft | None = None, place: int = 0
) -> Draft:
    """Return the draft that a completion makes of what it continued.

    A stop text may begin before the cut and end behind it, where the engine does not see it: what stands
    behind it is dropped.

    Args:
        who: The method, for errors.
        completion: Drawn with the settings of ``drawn_behind``.
        stops: Texts that end a solution.
        before: The draft that was cut; None for a first one.
        place: Behind how many of its tokens.

    Raises:
        EngineCapabilityError: The completion does not say what its tokens write.
    """
    if completion.pieces is None or completion.ids is None or completion.start is None:
        raise _cannot_cut(who, "its completions do not say which token writes what")
    start, ids, pieces, logprobs = completion.start, completion.ids, completion.pieces, completion.logprobs
    if before is not None:
        start, ids, pieces = before.start, before.ids[:place] + ids, before.pieces[:place] + pieces
        earlier = before.logprobs
        logprobs = None if earlier is None or logprobs is None else earlier[:place] + logprobs
    whole = "".join(pieces)
    found = min(((whole.find(s) + len(s), -len(s)) for s in stops if s in whole), default=None)
    if found is None:
        is_ended = completion.finish == "stop"
        n_drawn = len(ids) + (is_ended and "" not in pieces[-1:])
        return Draft(start, completion.prefix, ids, pieces, logprobs, whole, n_drawn, not is_ended)
    end, minus_length = found
    text = whole[: end + minus_length]
    prompt = _prompt(start, ids, pieces, text)
    n = next(n for n, length in enumerate(accumulate(map(len, pieces)), 1) if length >= end)
    logprobs = None if logprobs is None else logprobs[:n]
    return Draft(start, prompt, ids[:n], pieces[:n], logprobs, text, n, is_cut=False)


def _n_whole(pieces: Sequence[str], text: str) -> int:
    """Return how many tokens write a text, or its beginning, and no more."""
    lengths = list(accumulate(map(len, pieces), initial=0))
    return lengths.index(max(length for length in lengths if length <= len(text)))


def _head(start: Prefix, ids: tuple[int, ...], pieces: Sequence[str], n: int) -> Prefix:
    text = start.text + "".join(pieces[:n])
    return Prefix(text, None if start.ids is None else start.ids + ids[:n])


def _prompt(start: Prefix, ids: tuple[int, ...], pieces: Sequence[str], text: str) -> Prefix:
    """Return question and text; what a token writes of the text and also of the stop text has no ids."""
    prefix = _head(start, ids, pieces, _n_whole(pieces, text))
    return prefix + text[len(prefix.text) - len(start.text) :]
