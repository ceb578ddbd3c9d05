"""What the page's tables say: figures of the comparison, put into rows and words."""

from collections.abc import Sequence
from dataclasses import dataclass

from calculemus.report.plots import front
from calculemus.report.tally import Tally
from calculemus.report.words import letter, p_value, percent, points, quantity, short
from calculemus.study.comparison import Comparison, PairResult, SystemResult

OTHER_PATTERNS = 12  # shown beyond the clear cases
FEW_SYSTEMS = 6  # with so many, each has its line of problems that it alone solved, even an empty one
STRENGTHS = (0.02, 0.05, 0.1, 0.2)  # differences at which the matrix's colour gets stronger


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One line of the table of systems; ``pair`` compares it with the baseline, which has none."""

    letter: str
    result: SystemResult
    is_baseline: bool
    pair: PairResult | None
    costs: tuple["CostCell", ...]

    @property
    def notes(self) -> str:
        """What is to be said beside the name."""
        front = "Pareto front" if self.result.on_front else ""
        return " · ".join(filter(None, ["baseline" if self.is_baseline else "", front]))


@dataclass(frozen=True, slots=True)
class CostCell:
    """What a system costs, in words, and whether it is on the front of accuracy against this cost."""

    text: str
    on_front: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix: accuracy of ``row`` minus accuracy of ``column``, both places of systems."""

    row: int
    column: int
    delta: float
    ci_low: float
    ci_high: float
    pair: PairResult

    @property
    def is_separable(self) -> bool:
        """Whether the interval of the difference leaves zero out."""
        return self.ci_low > 0 or self.ci_high < 0

    @property
    def tone(self) -> str:
        """The style of the cell: sign and strength of the difference."""
        if not self.is_separable:
            return "open"
        strength = sum(abs(self.delta) >= bound for bound in STRENGTHS)
        return f"{'plus' if self.delta > 0 else 'minus'} s{strength}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Problems solved by exactly the systems whose bit is set."""

    bits: str
    label: str
    n: int
    share: float


def system_rows(comparison: Comparison, costs: Sequence[str]) -> list[SystemRow]:
    """Return the lines of the table of systems, in the comparison's order."""
    pairs = {pair.b: pair for pair in comparison.pairs if pair.a == comparison.baseline}
    fronts = {cost: {system.name for system in front(comparison, cost)} for cost in costs}
    return [
        SystemRow(
            letter=letter(index),
            result=system,
            is_baseline=system.name == comparison.baseline,
            pair=pairs.get(system.name),
            costs=tuple(
                CostCell(quantity(system.cost[c]) if c in system.cost else "–", system.name in fronts[c])
                for c in costs
            ),
        )
        for index, system in enumerate(comparison.systems)
    ]


def matrix(comparison: Comparison) -> list[list[Cell | None]]:
    """Return every system against every other; None on the diagonal and where no pair was compared."""
    place = {system.name: index for index, system in enumerate(comparison.systems)}
    cells: list[list[Cell | None]] = [[None] * len(place) for _ in place]
    for pair in comparison.pairs:
        a, b = place[pair.a], place[pair.b]
        cells[b][a] = Cell(b, a, pair.delta, pair.ci_low, pair.ci_high, pair)
        cells[a][b] = Cell(a, b, -pair.delta, -pair.ci_high, -pair.ci_low, pair)
    return cells


def finding(comparison: Comparison) -> str:
    """Say which system solves the most, and from which it cannot be told apart."""
    best = max(comparison.systems, key=lambda system: system.accuracy)
    name, interval = short(best.name), f"95\u202f% interval {percent(best.ci_low)} to {percent(best.ci_high)}"
    if len(comparison.systems) == 1:
        return f"{name} solves {percent(best.accuracy)} of the problems ({interval})."
    lead = f"{name} solves the most: {percent(best.accuracy)} of the problems ({interval})."
    row = [system.name for system in comparison.systems].index(best.name)
    cells = [cell for cell in matrix(comparison)[row] if cell is not None]
    close = [short(comparison.systems[cell.column].name) for cell in cells if not cell.is_separable]
    if close:
        return f"{lead} On these problems it is not separable from {listing(close)}."
    return (
        f"{lead} It is separably ahead of {'every other system' if len(cells) > 1 else 'the other system'}."
    )


def listing(names: Sequence[str]) -> str:
    """Join names with commas and an and."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def patterns(tally: Tally, n_systems: int) -> tuple[list[Pattern], int]:
    """Return who solved what, the clear cases first, and the number of problems in patterns left out.

    Solved by all, by none and, with few systems, by one alone are there even with no problem; the rest follow
    by size.
    """
    every, none = "1" * n_systems, "0" * n_systems
    alone = ["0" * i + "1" + "0" * (n_systems - i - 1) for i in range(n_systems)]
    alone = [bits for bits in alone if n_systems <= FEW_SYSTEMS or tally.patterns[bits]]
    fixed = list(dict.fromkeys([every, none, *alone]))
    others = [bits for bits, _ in tally.patterns.most_common() if bits not in fixed]
    shown = fixed + others[:OTHER_PATTERNS]
    largest = max([tally.patterns[bits] for bits in shown], default=0) or 1
    rows = [
        Pattern(bits, _pattern_label(bits), tally.patterns[bits], tally.patterns[bits] / largest)
        for bits in shown
    ]
    return rows, tally.n - sum(row.n for row in rows)


def _pattern_label(bits: str) -> str:
    if "0" not in bits:
        return "solved by all" if len(bits) > 1 else "solved"
    if "1" not in bits:
        return "solved by none" if len(bits) > 1 else "not solved"
    return "only " + listing([letter(i) for i, bit in enumerate(bits) if bit == "1"])


def describe(cell: Cell, names: Sequence[str]) -> str:
    """Say one paired difference in full."""
    pair, row, column = cell.pair, names[cell.row], names[cell.column]
    sentences = [
        f"{row} minus {column}: {points(cell.delta)} points, 95\u202f% interval {points(cell.ci_low)} to "
        f"{points(cell.ci_high)} ({pair.ci_method})",
        f"p = {p_value(pair.p_value)} ({pair.p_method})"
        + (f", Holm-corrected {p_value(pair.p_holm)}" if pair.p_holm is not None else ""),
    ]
    if pair.only_a is not None and pair.only_b is not None:
        only = {pair.a: pair.only_a, pair.b: pair.only_b}
        sentences.append(f"Solved only by {row}: {only[row]:,}. Solved only by {column}: {only[column]:,}")
    sentences.append(
        f"At this rate of disagreement {pair.n:,} problems show a true difference of "
        f"{100 * pair.visible:.1f} points with 80\u202f% power"
    )
    return ". ".join(sentences) + "."
