"""How the verdicts stand to what a file of recorded solutions says of them itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from calculemus.study.joining import Key

_EXAMPLES = 3


@dataclass
class _Tally:
    n: int = 0
    differing: list[str] = field(default_factory=list)


class Agreement:
    """Counts, system by system, how many verdicts equal the flags that came with the answers."""

    def __init__(self) -> None:
        self._tallies: dict[str, dict[str, _Tally]] = defaultdict(lambda: defaultdict(_Tally))

    def add(
        self,
        name: str,
        flags: Mapping[str, Mapping[Key, bool]],
        outcomes: Iterable[tuple[str, int, str]],
    ) -> None:
        """Compare one system's outcomes with its file's flags, by what the file calls them."""
        for problem_id, sample, outcome in outcomes:
            for label, column in flags.items():
                flag = column.get((problem_id, sample))
                if flag is not None:
                    tally = self._tallies[label][name]
                    tally.n += 1
                    if flag != (outcome == "correct"):
                        tally.differing.append(problem_id)

    def notes(self) -> list[str]:
        """Say for each kind of flag that all verdicts agree, or which systems' do not."""
        notes = []
        for label, tallies in self._tallies.items():
            total = sum(tally.n for tally in tallies.values())
            if not any(tally.differing for tally in tallies.values()):
                notes.append(f"all {total:,} verdicts agree with the file's own flags ({label})")
            else:
                notes += [_describe(name, label, tally) for name, tally in tallies.items()]
        return notes


def _describe(name: str, label: str, tally: _Tally) -> str:
    agreeing = tally.n - len(tally.differing)
    note = f"{name}: {agreeing:,} of {tally.n:,} verdicts agree with the file's own flags ({label})"
    return note + (f"; not on {_listing(tally.differing)}" if tally.differing else "")


def _listing(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_EXAMPLES]) + (", ..." if len(ids) > _EXAMPLES else "")
