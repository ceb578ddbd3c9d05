r"""String normalisation of the MATH data set's own grader (Hendrycks et al. 2021, ``math_equivalence.py``).

Both PRM800K's and Qwen's graders stand on it. Where the original fails half-way, it leaves the answer as it
was; so does this.
"""

import re

from calculemus.errors import UnreadableError

_WHOLE_TEXT = re.compile(r"^\\text\{(.+?)\}$")
_RATIO = re.compile(r"(0|-?[1-9][0-9]*)/(0|-?[1-9][0-9]*)", re.ASCII)
_DROPPED = ("\n", r"\!")
_REPLACED = (
    (r"\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), (r"\left", ""), (r"\right", ""),
    (r"^{\circ}", ""), (r"^\circ", ""), (r"\$", ""),
)  # fmt: skip


def normalise(answer: str) -> str:
    """Return the answer in the spelling in which equal answers are mostly equal strings."""
    answer = answer.strip()
    whole = _WHOLE_TEXT.search(answer)
    answer = whole[1].strip() if whole else answer
    try:
        return _rewrite(answer)
    except UnreadableError:
        return answer


def _rewrite(answer: str) -> str:
    for piece in _DROPPED:
        answer = answer.replace(piece, "")
    for before, after in _REPLACED:
        answer = answer.replace(before, after)
    answer = _without_unit(answer).replace(r"\%", "")
    answer = answer.replace(" .", " 0.").replace("{.", "{0.")
    if not answer:
        return answer
    answer = "0" + answer if answer[0] == "." else answer
    name, equals, value = answer.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        answer = value
    answer = _brace_roots(answer).replace(" ", "")
    answer = brace_fractions(answer, keeps_bare=False)
    if answer == "0.5":
        return r"\frac{1}{2}"
    ratio = _RATIO.fullmatch(answer)
    return rf"\frac{{{ratio[1]}}}{{{ratio[2]}}}" if ratio else answer


def _without_unit(answer: str) -> str:
    r"""Cut a unit at the end, which in MATH is written ``\text{ cm}`` with a space inside."""
    before, *after = answer.split(r"\text{ ")
    if len(after) > 1:
        raise UnreadableError("a form that the original fails on")
    return before


def _brace_roots(answer: str) -> str:
    r"""Write ``\sqrt3`` as ``\sqrt{3}``."""
    head, *pieces = answer.split(r"\sqrt")
    if not all(pieces):
        raise UnreadableError("a form that the original fails on")
    return head + "".join(
        rf"\sqrt{piece}" if piece[0] == "{" else rf"\sqrt{{{piece[0]}}}{piece[1:]}" for piece in pieces
    )


def brace_fractions(answer: str, keeps_bare: bool) -> str:
    r"""Write ``\frac12`` and ``\frac1{72}``, but not ``\frac{72}1``, with two braced parts.

    Args:
        answer: What to rewrite.
        keeps_bare: Whether a ``\frac`` with nothing behind it leaves the answer as it is, or is a failure.
    """
    head, *pieces = answer.split(r"\frac")
    short = next((piece for piece in pieces if len(piece) < 2 and piece != "{"), None)
    if short == "" and not keeps_bare:
        raise UnreadableError("a form that the original fails on")
    if short is not None:
        return answer
    return head + "".join(r"\frac" + _brace_parts(piece) for piece in pieces)


def _brace_parts(piece: str) -> str:
    if piece[0] == "{":
        return piece
    above, below, rest = piece[0], piece[1], piece[2:]
    return f"{{{above}}}{below}{rest}" if below == "{" else f"{{{above}}}{{{below}}}{rest}"
