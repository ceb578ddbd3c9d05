"""Fitness of candidates on the rows to choose by, cut short for those that are clearly worse."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from calculemus.errors import InvalidParameterError
from calculemus.stats import mcnemar
from calculemus.tuning.tasks import Score, Task, mean_accuracy, measure

if TYPE_CHECKING:
    from torch import nn

FEWEST = 50
"""Rows that there must be to choose by, over all tasks: of fewer, chance chooses."""

Outcomes = Mapping[str, Mapping[str, float]]
"""By task, 1 or 0 for each row."""


@dataclass
class Race:
    """Measures candidates in heats, each on more rows of every task, against the best one so far.

    Where a task does not hold its rows as ``dev``, all is measured in one heat.

    Attributes:
        tasks: What the candidates are to be good at.
        n_heats: How many; 1 measures all of them on everything.
        level: A candidate is out when it is worse by a paired test (exact McNemar) with a p-value below this.
        n_stopped: How many were out before the end.
    """

    tasks: Sequence[Task]
    n_heats: int = 4
    level: float = 0.01
    n_stopped: int = 0
    _best: Outcomes = field(default_factory=dict)
    _fitness: float = -1.0

    def run(self, model: "nn.Module") -> float:
        """Return the mean accuracy over tasks; of one that is out, of the rows so far, less 1.

        Raises:
            InvalidParameterError: There are fewer than 50 rows to choose by.
        """
        found: defaultdict[str, dict[str, float]] = defaultdict(dict)
        heats = _heats(self.tasks, self.n_heats)
        for heat, tasks in enumerate(heats, 1):
            for name, score in measure(model, tasks, "dev").items():
                found[name] |= {f"{heat}/{row}": figure for row, figure in score.outcomes.items()}
            if heat < len(heats) and _is_worse(found, self._best, self.level):
                self.n_stopped += 1
                return _mean(found) - 1
        _check(found)
        fitness = _mean(found)
        if fitness > self._fitness:
            self._best, self._fitness = found, fitness
        return fitness


def _mean(found: Outcomes) -> float:
    return mean_accuracy({name: Score(outcomes) for name, outcomes in found.items()})


def _check(found: Outcomes) -> None:
    n = sum(map(len, found.values()))
    if n < FEWEST:
        raise InvalidParameterError(
            f"choosing among merges: the tasks have {n} rows to choose by; expected {FEWEST} or more, since "
            "fewer tell candidates apart by chance. Give tasks with more rows"
        )


def _is_worse(found: Outcomes, best: Outcomes, level: float) -> bool:
    """Say whether a candidate is clearly worse on the rows that it has run on."""
    pairs = [
        (figure, best[name][row])
        for name, rows in found.items()
        if name in best
        for row, figure in rows.items()
    ]
    lost = sum(theirs > mine for mine, theirs in pairs)
    won = sum(theirs < mine for mine, theirs in pairs)
    return lost > won and mcnemar(lost, won) < level


def _heats(tasks: Sequence[Task], n: int) -> list[list[Task]]:
    """Return for each heat its tasks, every one with its share of rows."""
    parts: list[list[Task]] = []
    for task in tasks:
        rows: Any = getattr(task, "dev", None)
        if not (is_dataclass(task) and isinstance(rows, Sequence) and len(rows) >= n):
            return [list(tasks)]
        parts.append([replace(task, dev=rows[heat::n]) for heat in range(n)])
    return [list(heat) for heat in zip(*parts, strict=True)]
