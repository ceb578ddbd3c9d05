"""``calculemus data make``: write generated problems."""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from calculemus.problem import Problem

Axis = Annotated[str | None, Parameter(help="Instead of the level's.")]


def make(
    *,
    level: int = 2,
    n: int = 200,
    split: str = "iid",
    seed: int = 0,
    out: Path | None = None,
    variant: str | None = None,
    steps: Axis = None,
    digits: Axis = None,
    ops: Axis = None,
    fan_in: Axis = None,
    distractors: Axis = None,
    order: Axis = None,
    reference: Axis = None,
    wording: Axis = None,
    language: Axis = None,
) -> None:
    """Generate word problems with worked solutions and programs, one JSON object a line.

    Args:
        level: The point of the path from easy (1) to hard (8).
        n: How many problems.
        split: One of train, iid, numbers, templates, depth, names; no two share a problem.
        seed: Another seed gives other problems.
        out: The file to write; without it they are printed.
        variant: Of each problem instead of itself, for example noop, reversal or removed_premise.
        steps: Lines of the solution, 1 to 8.
        digits: Of the largest number, 1 to 6.
        ops: additive, basic, mixed or all, or operations joined by +.
        fan_in: Computed quantities that one step takes at most, 1 to 3.
        distractors: Sentences that nothing depends on, 0 to 3.
        order: story, question_first or shuffled.
        reference: explicit, pronoun or rest.
        wording: plain or rich.
        language: en, de or calculese.
    """
    from calculemus.events import track  # here, so that --help stays fast
    from calculemus.problems.generated.named import parse

    axes = {
        "steps": steps,
        "digits": digits,
        "ops": ops,
        "fan_in": fan_in,
        "distractors": distractors,
        "order": order,
        "reference": reference,
        "wording": wording,
        "language": language,
    }
    given = {"level": level, "n": n, "split": split, "seed": seed} | axes
    name = "generated:" + ",".join(f"{key}={value}" for key, value in given.items() if value is not None)
    source, count = parse(name)
    _write(track(islice(_problems(source, variant), count), f"generating {name}", total=count), out)


def _problems(source: Any, variant: str | None) -> "Iterator[Problem]":
    """Yield the problems of a sequence, or that variant of each that has one."""
    from calculemus.problems.generated.variants import vary

    for item in source:
        made = vary(item, variant) if variant else item
        if made is not None:
            yield made.to_problem()


def _write(problems: "Iterable[Problem]", out: Path | None) -> None:
    """Write one JSON object a line, into a file that is there only when it is whole."""
    from dataclasses import asdict

    from calculemus.files import replacing

    lines = (json.dumps(asdict(problem), ensure_ascii=False) + "\n" for problem in problems)
    if out is None:
        sys.stdout.writelines(lines)
        return
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)
