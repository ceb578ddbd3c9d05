"""The moves that a story is made of: what each computes, from which kind of thing to which.

A story follows one quantity. A move takes it, with a number that the sentence gives, to the next quantity:
``gain`` adds things, ``sell`` turns things into dollars. Kinds are things, packs (boxes of things), money and
time. Sentences are in ``languages/*.toml``, under the names of the moves.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["thing", "pack", "money", "time"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Sums = Literal["add", "sub", "mul", "div", "percent", "ratio", "remainder", "ceil", "join", "minus"]

# Each sum as the solution writes it ({x} before, {y} after, {b} and {c} given) and as Python does it.
EXPRESSIONS = {
    "add": ("{x} + {b}", "{v} + {b}"),
    "sub": ("{x} - {b}", "{v} - {b}"),
    "mul": ("{x} * {b}", "{v} * {b}"),
    "div": ("{x} / {b}", "{v} // {b}"),
    "percent": ("{x} * {b} / 100", "{v} * {b} // 100"),
    "ratio": ("{x} / {b} * {c}", "{v} // {b} * {c}"),
    "remainder": ("{x} - {c} * {b}", "{v} % {b}"),
    "ceil": ("({x} - {c}) / {b} + 1", "-(-{v} // {b})"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a story.

    Attributes:
        id: Its name in the tables of sentences.
        op: The operation it counts as on the axis ``ops``.
        sum: What it computes.
        before: The kind of thing it starts from.
        after: The kind of thing it ends in.
        cap: The largest plausible factor, for example the number of friends who share.
        owner: Whose quantity it ends in: the same person's, a new person's, or each friend's.
        number: Its number in structure hashes; never changed, as splits depend on it.
    """

    id: str
    op: str
    sum: Sums
    before: Kind
    after: Kind
    number: int
    cap: int = 99
    owner: Literal["same", "new", "friend"] = "same"


MOVES = (
    Move("gain", "add", "add", "thing", "thing", 1),
    Move("gain", "add", "add", "pack", "pack", 1),
    Move("lose", "sub", "sub", "thing", "thing", 2),
    Move("lose", "sub", "sub", "pack", "pack", 2),
    Move("earn", "add", "add", "money", "money", 3),
    Move("spend", "sub", "sub", "money", "money", 4),
    Move("longer", "add", "add", "time", "time", 5),
    Move("shorter", "sub", "sub", "time", "time", 6),
    Move("unpack", "mul", "mul", "pack", "thing", 7, cap=60),
    Move("sell", "mul", "mul", "thing", "money", 8),
    Move("sell", "mul", "mul", "pack", "money", 8),
    Move("pack", "div", "div", "thing", "pack", 9, cap=60),
    Move("buy", "div", "div", "money", "thing", 10),
    Move("more", "compare", "add", "thing", "thing", 11, owner="new"),
    Move("more", "compare", "add", "pack", "pack", 11, owner="new"),
    Move("more", "compare", "add", "money", "money", 11, owner="new"),
    Move("fewer", "compare", "sub", "thing", "thing", 12, owner="new"),
    Move("fewer", "compare", "sub", "pack", "pack", 12, owner="new"),
    Move("fewer", "compare", "sub", "money", "money", 12, owner="new"),
    Move("times", "compare", "mul", "thing", "thing", 13, cap=20, owner="new"),
    Move("times", "compare", "mul", "money", "money", 13, cap=20, owner="new"),
    Move("part", "compare", "div", "thing", "thing", 14, cap=20, owner="new"),
    Move("part", "compare", "div", "money", "money", 14, cap=20, owner="new"),
    Move("share", "share", "div", "thing", "thing", 15, cap=30, owner="friend"),
    Move("share", "share", "div", "money", "money", 15, cap=30, owner="friend"),
    Move("rate", "rate", "mul", "time", "thing", 16),
    Move("wage", "rate", "mul", "time", "money", 17),
    Move("check", "rate", "mul", "thing", "time", 18, cap=60),
    Move("convert", "convert", "mul", "time", "time", 19),
    Move("ratio", "ratio", "ratio", "thing", "thing", 20, cap=9, owner="new"),
    Move("keep", "percent", "percent", "thing", "thing", 21),
    Move("save", "percent", "percent", "money", "money", 22),
    Move("left", "remainder", "remainder", "thing", "thing", 23, cap=60),
    Move("bags", "ceil", "ceil", "thing", "pack", 24, cap=60),
)
