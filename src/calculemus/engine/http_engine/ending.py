"""Where a completion ends: stop texts, the end of text, the budget. Servers differ in all three."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from calculemus.engine.http_engine.reading import Choice
from calculemus.engine.requests import Sampling


@dataclass(frozen=True, slots=True)
class Ending:
    """A completion cut to size.

    Attributes:
        text: What stands.
        finish: ``stop`` or ``length``.
        stopped_by: The stop text that ended it; None for the end of text or of the budget.
        kept: Tokens that stand in it, from the first on; None where they cannot be told apart.
        written: Tokens of ``kept`` that make up the text; the rest is the end of text.
        needed: Tokens sampled until its end was reached; None where they cannot be told apart.
    """

    text: str
    finish: str
    stopped_by: str | None
    kept: int | None
    written: int | None
    needed: int | None


def first_stop(text: str, stops: Sequence[str]) -> tuple[int, str] | None:
    """Return place and text of the stop that was complete first; of two, the longer one."""
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    return min(found, key=lambda at: (at[0] + len(at[1]), at[0]), default=None)


def end(choice: Choice, sampling: Sampling) -> Ending:
    """Cut a server's completion where it should have ended.

    A stop text may still stand in the text, or be cut off and named, or be cut off and visible only in the
    list of tokens.
    """
    joined = "".join(text for text, _ in choice.tokens or ())
    is_aligned = choice.tokens is not None and joined.startswith(choice.text)
    found = first_stop(choice.text, sampling.stop) or _hidden_stop(choice, joined, sampling.stop)
    if found is None:
        return _uncut(choice, is_aligned)
    start, stop = found
    text = choice.text[:start] + (stop if sampling.keep_stop else "")
    if not is_aligned:
        return Ending(text, "stop", stop, None, None, None)
    kept = _tokens_before(len(text), choice)
    return Ending(text, "stop", stop, kept, kept, _tokens_before(start + len(stop), choice))


def _hidden_stop(choice: Choice, joined: str, stops: Sequence[str]) -> tuple[int, str] | None:
    """Return the stop text that the server has cut off, where it left a trace of it."""
    place = len(choice.text)
    if choice.finish == "length":
        return None
    if choice.stopped_by in stops:
        return place, choice.stopped_by or ""
    if joined.startswith(choice.text):
        behind = [stop for stop in stops if stop and joined.startswith(stop, place)]
        return (place, min(behind, key=len)) if behind else None
    return None


def _uncut(choice: Choice, is_aligned: bool) -> Ending:
    finish = "length" if choice.finish == "length" else "stop"
    given = choice.tokens if choice.tokens is not None else choice.ids
    n_tokens = len(given) if given is not None else None
    written = _tokens_before(len(choice.text), choice) if is_aligned else None
    if choice.tokens is None and finish == "length":
        written = n_tokens  # no end of text among them
    return Ending(choice.text, finish, None, n_tokens, written, n_tokens)


def pieces_of(choice: Choice, ending: Ending) -> tuple[str, ...] | None:
    """Return what each token that is kept writes of the text; None where the tokens do not tell."""
    texts = [text for text, _ in choice.tokens or ()][: ending.kept]
    places = [min(place, len(ending.text)) for place in accumulate(map(len, texts), initial=0)]
    if choice.tokens is None or not "".join(texts).startswith(ending.text):
        return None
    return tuple(ending.text[start:stop] for start, stop in pairwise(places))


def _tokens_before(place: int, choice: Choice) -> int:
    """Count the tokens that begin before a place in the text."""
    starts = accumulate((len(text) for text, _ in choice.tokens or ()), initial=0)
    return sum(start < place for start in list(starts)[:-1])
