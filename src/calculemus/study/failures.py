"""What kept a system from answering, said in one line."""

from collections import Counter

from calculemus.store import Run, Store
from calculemus.store.browsing import Browser

_SHOWN = 160  # characters of the first failure
_KINDS = 3


def failure_note(store: Store, run: Run, name: str) -> str | None:
    """Say how many answers of a run failed, of what, and how the first one did; None where none did.

    A failure is a line that begins with its kind: ``NameError: name 'x' is not defined``.
    """
    kinds: Counter[str] = Counter()
    first = ""
    for problem_id, failure in Browser(store).failures(run):
        kinds[failure.partition(":")[0]] += 1
        first = first or f"{problem_id}: {failure}"
    if not kinds:
        return None
    listed = ", ".join(f"{n:,} x {kind}" for kind, n in kinds.most_common(_KINDS))
    more = f" and {len(kinds) - _KINDS} more kinds" if len(kinds) > _KINDS else ""
    shown = first if len(first) <= _SHOWN else f"{first[: _SHOWN - 1]}…"
    counted = f"{kinds.total():,} of {run.n_answers:,} answers"
    return f"{name} failed on {counted}: {listed}{more}; the first: {shown}"
