"""What the page counts over all problems, in memory that does not grow with them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from calculemus.study.comparison import ProblemView, SampleView

MIN_GROUP = 10  # problems: a last group with fewer is drawn together with the one before it
MAX_GROUPS = 12

LETTERS = {"correct": "c", "wrong": "w", "unparsed": "u", "error": "e"}


@dataclass(frozen=True, slots=True)
class Facts:
    """One problem in letters.

    Attributes:
        outcomes: Every sample's outcome as one letter, systems separated by ``|``.
        marks: One letter per system: its samples' common outcome, ``m`` where only some are correct, ``w``
            where they fail in different ways, ``-`` where there are none.
        solved: One bit per system: whether more than half of its samples are correct.
    """

    outcomes: str
    marks: str
    solved: str


@dataclass(frozen=True, slots=True)
class Group:
    """Problems of ``low`` to ``high`` steps; ``high`` is None for the open end."""

    label: str
    low: int
    high: int | None
    n: int


@dataclass(slots=True)
class _Count:
    """Problems with a number of steps: per system those it has samples of, and its sum of accuracies."""

    n: int
    answered: list[int]
    correct: list[float]


@dataclass(slots=True)
class Tally:
    """Counts by number of steps and by who solved what."""

    n_systems: int
    n: int = 0
    n_without_steps: int = 0
    repeated: bool = False
    patterns: Counter[str] = field(default_factory=Counter)
    _by_steps: dict[int, _Count] = field(default_factory=dict)

    def add(self, view: ProblemView) -> Facts:
        """Count one problem and say what is to be known of it at a glance."""
        facts = facts_of(view.samples)
        self.n += 1
        self.patterns[facts.solved] += 1
        self.repeated = self.repeated or any(len(samples) > 1 for samples in view.samples)
        if view.steps is None:
            self.n_without_steps += 1
        else:
            self._count_steps(view.steps, view.samples)
        return facts

    def _count_steps(self, steps: int, samples: Sequence[Sequence[SampleView]]) -> None:
        count = self._by_steps.setdefault(steps, _Count(0, [0] * self.n_systems, [0.0] * self.n_systems))
        count.n += 1
        for index, graded in enumerate(samples):
            if graded:
                count.answered[index] += 1
                count.correct[index] += sum(s.outcome == "correct" for s in graded) / len(graded)

    def groups(self) -> list[Group]:
        """Return the numbers of steps in order, the thin end of them as one open group."""
        steps = sorted(self._by_steps)
        sizes = [self._by_steps[s].n for s in steps]
        last = len(steps) - 1
        while last > 0 and (sum(sizes[last:]) < MIN_GROUP or last >= MAX_GROUPS):
            last -= 1
        groups = [Group(str(s), s, s, n) for s, n in zip(steps[:last], sizes[:last], strict=True)]
        if steps:
            is_open = last < len(steps) - 1
            label = f"{steps[last]}+" if is_open else str(steps[last])
            groups.append(Group(label, steps[last], None if is_open else steps[last], sum(sizes[last:])))
        return groups

    def accuracy(self, group: Group, system: int) -> tuple[float, int]:
        """Return one system's accuracy within a group, as a sum over problems, and their number."""
        counts = [
            count
            for steps, count in self._by_steps.items()
            if steps >= group.low and (group.high is None or steps <= group.high)
        ]
        return sum(c.correct[system] for c in counts), sum(c.answered[system] for c in counts)


def facts_of(samples: Sequence[Sequence[SampleView]]) -> Facts:
    """Write one problem's outcomes in letters."""
    letters = ["".join(LETTERS[sample.outcome] for sample in graded) for graded in samples]
    return Facts(
        outcomes="|".join(letters),
        marks="".join(map(_mark, letters)),
        solved="".join("1" if 2 * text.count("c") > len(text) else "0" for text in letters),
    )


def _mark(letters: str) -> str:
    if not letters:
        return "-"
    if letters.count(letters[0]) == len(letters):
        return letters[0]
    return "m" if "c" in letters else "w"
