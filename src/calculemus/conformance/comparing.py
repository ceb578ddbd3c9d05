"""What trials came to, held against what was expected."""

import json
from collections.abc import Mapping
from typing import Any

from calculemus.conformance.subject import Subject
from calculemus.conformance.trial import Trial
from calculemus.errors import CalculemusError, NotConformingError


def require_ours(subject: Subject, trial: Trial, when: str) -> None:
    """Check that a method raised nothing but errors that callers know.

    Raises:
        NotConformingError: It raised something else.
    """
    for problem_id, error in trial.raised.items():
        if not isinstance(error, CalculemusError):
            raise NotConformingError(
                f"{subject.name} on {problem_id} {when}: it raised {type(error).__name__}: {error!s:.200}"
                f"{_place(error)}; expected a solution, or an error of calculemus.errors. Look at what the "
                "engine said before using it"
            ) from error


def _place(error: BaseException) -> str:
    """Return the last line of the method's that an error passed."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f" ({place.tb_frame.f_code.co_filename}, line {place.tb_lineno})" if place is not None else ""


def require_same(doing: str, one: Mapping[str, Any], other: Mapping[str, Any], advice: str) -> None:
    """Check that two trials came to the same.

    Raises:
        NotConformingError: They did not; names the first problem and field in which they differ.
    """
    for problem_id in sorted({*one, *other}):
        facts, others = one.get(problem_id, {}), other.get(problem_id, {})
        for name in {**facts, **others}:
            a, b = facts.get(name), others.get(name)
            if a != b:
                raise NotConformingError(
                    f"{doing}: on {problem_id} found another '{name}', {_difference(a, b)}; expected the "
                    f"same. {advice}"
                )


def _difference(a: Any, b: Any) -> str:
    """Show two values from shortly before where they begin to differ."""
    one, two = json.dumps(a, ensure_ascii=False), json.dumps(b, ensure_ascii=False)
    start = next((i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y), 0)
    window = slice(max(0, start - 15), start + 30)
    return f"...{one[window]}... and then ...{two[window]}..."
