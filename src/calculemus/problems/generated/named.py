"""Generated problem sets by name: ``generated:level=2,n=200,split=iid,seed=0`` and any axis of the spec."""

import dataclasses
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from calculemus.errors import InvalidParameterError
from calculemus.events import track
from calculemus.named import build, parse_named
from calculemus.params import AtLeast, Between, Configured
from calculemus.problems.generated.source import Generated, Split
from calculemus.problems.generated.spec import LEVELS, Spec
from calculemus.problems.problemset import ProblemSet

PREFIX = "generated"


@dataclass(frozen=True)
class Order(Configured):
    """What a name may say beside the axes, which then differ from the level's.

    Attributes:
        level: The point of the path from easy to hard.
        n: How many problems.
        split: Which problems.
        seed: Another seed gives other problems.
    """

    level: Annotated[int, Between(1, LEVELS)] = 2
    n: Annotated[int, AtLeast(1)] = 200
    split: Split = "iid"
    seed: Annotated[int, AtLeast(0)] = 0


_AXES = [field.name for field in dataclasses.fields(Spec)]
_OWN = [field.name for field in dataclasses.fields(Order)]


def load_generated(name: str, limit: int | None = None) -> ProblemSet:
    """Generate the set that a name stands for.

    Args:
        name: ``generated:`` and settings, each with a default: ``level=2``, ``n=200``, ``split=iid``,
            ``seed=0``, and the axes of ``Spec``.
        limit: Generate only this many, from the start.

    Raises:
        InvalidParameterError: A setting that there is not, or a value out of range.
    """
    problems, count = parse(name)
    count = min(count, limit or count)
    items = (item.to_problem() for item in islice(problems, count))
    source = f"generated, {problems.spec}"
    return ProblemSet(name, tuple(track(items, f"generating {name}", total=count)), source)


def parse(name: str) -> tuple[Generated, int]:
    """Return the sequence that a name stands for, and how many problems it asks for.

    Raises:
        InvalidParameterError: A setting that there is not, or a value out of range.

    Example:
        >>> problems, count = parse("generated:level=3,n=50,split=train,digits=4")
        >>> problems.spec.steps, problems.spec.digits, problems.split, count
        (3, 4, 'train', 50)
    """
    _, given = parse_named(name)
    for key in given:
        if key not in _AXES and key not in _OWN:
            raise InvalidParameterError(
                f"reading '{name}': there is no setting '{key}'; "
                f"expected some of {', '.join([*_OWN, *_AXES])}. "
                f"Write it as in {PREFIX}:level=2,n=200,split=iid"
            )
    order = build(Order, {key: value for key, value in given.items() if key in _OWN})
    level = {key: str(value) for key, value in Spec.level(order.level).params().items()}
    spec = build(Spec, level | {key: value for key, value in given.items() if key in _AXES})
    return Generated(spec, order.split, order.seed), order.n
