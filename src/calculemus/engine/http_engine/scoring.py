"""Log-probabilities of given texts: the prompt is echoed, and the part that is scored is cut out of it."""

import math
from collections.abc import Sequence
from itertools import accumulate

from calculemus.engine.http_engine.reading import Choice, Reply


def read_scores(reply: Reply, prompt: str, continuation: str) -> tuple[float, ...]:
    """Return the log-probabilities of the continuation's tokens.

    Args:
        reply: To the request that echoes prompt and continuation and samples one token more.
        prompt: The text before.
        continuation: The text that is scored.

    Raises:
        ValueError: The prompt is not echoed with log-probabilities, or a token holds the end of the prompt
            and the beginning of the continuation, so that neither has a probability of its own.
    """
    choice = reply.choices[0]
    starts = token_starts(choice, prompt + continuation)
    values = [value for _, value in choice.tokens or ()]
    first, last = len(prompt), len(prompt) + len(continuation)
    inside = [place for place, start in enumerate(starts) if first <= start < last]
    if not inside or starts[inside[0]] != first:
        raise ValueError(
            "a token begins in the prompt and ends in the continuation; cut the text where a token begins, "
            "for example before the space in front of a word"
        )
    return _finite([values[place] for place in inside])


def read_scores_by_id(reply: Reply, n_prompt: int, n_scored: int) -> tuple[float, ...]:
    """Return the log-probabilities of the last ``n_scored`` of the token ids that were sent.

    Raises:
        ValueError: The reply does not list as many tokens as were sent, and the one sampled.
    """
    tokens = reply.choices[0].tokens or ()
    if len(tokens) not in (n_prompt + n_scored, n_prompt + n_scored + 1):
        raise ValueError(f"{len(tokens)} log-probabilities for {n_prompt + n_scored} tokens")
    return _finite([value for _, value in tokens[n_prompt : n_prompt + n_scored]])


def token_starts(choice: Choice, text: str) -> Sequence[int]:
    """Return where the tokens of an echoed text begin in it; a mark of the beginning counts as before it.

    Raises:
        ValueError: The listed tokens do not make up the text.
    """
    if not choice.tokens:
        raise ValueError("the prompt is not echoed with log-probabilities")
    pieces = [piece for piece, _ in choice.tokens]
    starts = list(accumulate(map(len, pieces), initial=0))[:-1]
    joined = "".join(pieces)
    # Servers list a mark like <s> before the text, which the echoed text leaves out.
    shift = joined.find(text)
    if shift >= 0 and joined[:shift] == "".join(pieces[: _count_before(starts, shift)]):
        return [start - shift for start in starts]
    if (
        choice.offsets is not None
        and choice.text.startswith(text)
        and list(choice.offsets) == sorted(choice.offsets)
    ):
        return choice.offsets
    raise ValueError("the listed tokens do not make up the text that was sent")


def _count_before(starts: Sequence[int], place: int) -> int:
    return sum(start < place for start in starts)


def _finite(values: list[float]) -> tuple[float, ...]:
    if any(math.isnan(value) for value in values):
        raise ValueError("the first token of a text has no log-probability; put a prompt before it")
    return tuple(values)
