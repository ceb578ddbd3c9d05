"""The tables say what the comparison says."""

from collections import Counter
from dataclasses import replace

from calculemus.report import tables
from calculemus.report.tally import Tally
from calculemus.report.words import points
from calculemus.study.comparison import Comparison, ProblemView


def counted(patterns: dict[str, int], n_systems: int) -> Tally:
    return Tally(n_systems, n=sum(patterns.values()), patterns=Counter(patterns))


def separated(comparison: Comparison, low: float, high: float) -> Comparison:
    pairs = tuple(replace(p, ci_low=p.delta + low, ci_high=p.delta + high) for p in comparison.pairs)
    return replace(comparison, pairs=pairs)


def test_the_matrix_is_antisymmetric_and_empty_on_its_diagonal(comparison: Comparison):
    cells = tables.matrix(comparison)
    for r, line in enumerate(cells):
        for c, cell in enumerate(line):
            mirror = cells[c][r]
            if r == c:
                assert cell is None
                continue
            assert cell is not None
            assert mirror is not None
            assert (cell.delta, cell.ci_low, cell.ci_high) == (-mirror.delta, -mirror.ci_high, -mirror.ci_low)


def test_a_cell_is_accuracy_of_its_row_minus_accuracy_of_its_column(comparison: Comparison):
    accuracy = [system.accuracy for system in comparison.systems]
    for line in tables.matrix(comparison):
        for cell in filter(None, line):
            assert abs(cell.delta - (accuracy[cell.row] - accuracy[cell.column])) < 1e-12


def test_a_pair_that_was_not_compared_leaves_its_cells_empty(comparison: Comparison):
    cells = tables.matrix(replace(comparison, pairs=comparison.pairs[:1]))
    assert sum(cell is not None for line in cells for cell in line) == 2


def test_a_cell_is_toned_by_sign_and_strength_only_where_separable(comparison: Comparison):
    pair = comparison.pairs[0]
    cell = tables.Cell(1, 0, 0.12, 0.01, 0.2, pair)
    assert cell.tone == "plus s3"
    assert replace(cell, delta=-0.01, ci_low=-0.02, ci_high=-0.001).tone == "minus s0"
    assert replace(cell, ci_low=0.0).tone == "open"


def test_the_description_counts_for_the_row_first(comparison: Comparison):
    names = [system.name for system in comparison.systems]
    pair = comparison.pairs[0]
    cells = tables.matrix(comparison)
    ahead, behind = cells[1][0], cells[0][1]
    assert ahead is not None
    assert behind is not None
    told = tables.describe(ahead, names)
    assert f"Solved only by {pair.b}: {pair.only_b}. Solved only by {pair.a}: {pair.only_a}." in told
    assert f"{pair.b} minus {pair.a}: {points(pair.delta)} points" in told
    assert "Holm-corrected 0.025" in told
    assert tables.describe(behind, names).startswith(f"{pair.a} minus {pair.b}: {points(-pair.delta)} points")


def test_several_samples_are_described_without_counts_of_solved_problems(comparison: Comparison):
    pair = replace(comparison.pairs[0], only_a=None, only_b=None, p_holm=None)
    told = tables.describe(tables.Cell(1, 0, 0.1, 0.0, 0.2, pair), ["a", "b"])
    assert "Solved only" not in told
    assert "Holm" not in told


def test_the_finding_names_the_best_and_what_cannot_be_told_apart(comparison: Comparison):
    clear = tables.finding(separated(comparison, -0.001, 0.001))
    best = max(comparison.systems, key=lambda s: s.accuracy)
    assert clear.startswith(f"{best.name} solves the most")
    assert clear.endswith("separably ahead of every other system.")
    open_ended = tables.finding(separated(comparison, -0.9, 0.9))
    others = [system.name for system in comparison.systems if system is not best]
    assert open_ended.endswith(f"not separable from {others[0]} and {others[1]}.")


def test_the_finding_of_one_system_compares_nothing(comparison: Comparison):
    alone = replace(comparison, systems=comparison.systems[:1], pairs=())
    assert "most" not in tables.finding(alone)


def test_clear_patterns_come_first_and_are_there_even_when_empty():
    rows, elsewhere = tables.patterns(counted({"101": 5, "000": 2, "010": 9}, 3), 3)
    assert [(row.bits, row.n) for row in rows] == [
        ("111", 0),
        ("000", 2),
        ("100", 0),
        ("010", 9),
        ("001", 0),
        ("101", 5),
    ]
    assert [row.label for row in rows][:3] == ["solved by all", "solved by none", "only A"]
    assert rows[-1].label == "only A and C"
    assert rows[3].share == 1.0
    assert elsewhere == 0


def test_rare_patterns_are_counted_not_listed():
    patterns = {f"{number:08b}": number for number in range(1, 256)}
    rows, elsewhere = tables.patterns(counted(patterns, 8), 8)
    assert sum(row.n for row in rows) + elsewhere == sum(patterns.values())
    assert elsewhere > 0


def test_many_systems_have_lines_of_their_own_only_where_they_solved_one_alone():
    rows, _ = tables.patterns(counted({"00000100": 2, "11000000": 1}, 8), 8)
    assert [(row.bits, row.n) for row in rows] == [
        ("11111111", 0),
        ("00000000", 0),
        ("00000100", 2),
        ("11000000", 1),
    ]


def test_one_system_solves_a_problem_or_does_not():
    rows, _ = tables.patterns(counted({"1": 3, "0": 4}, 1), 1)
    assert [(row.label, row.n) for row in rows] == [("solved", 3), ("not solved", 4)]


def test_a_cost_on_the_front_is_marked_for_that_cost_alone(comparison: Comparison):
    costs = ({"flops": 1e6, "tokens_out": 9.0}, {"flops": 2e6, "tokens_out": 1.0})
    cheap, good = (
        replace(system, cost=cost, accuracy=accuracy)
        for system, cost, accuracy in zip(comparison.systems, costs, (0.1, 0.9), strict=False)
    )
    pair = replace(comparison.pairs[0], delta=0.8, ci_low=0.7, ci_high=0.9)
    two = replace(comparison, systems=(cheap, good), pairs=(pair,))
    rows = [row.costs for row in tables.system_rows(two, ["tokens_out", "flops"])]
    assert [[cell.on_front for cell in row] for row in rows] == [[False, True], [True, True]]
    assert [cell.text for cell in rows[0]] == ["9", "1\u202fM"]


def test_the_baselines_row_has_no_pair(comparison: Comparison, views: list[ProblemView]):
    rows = tables.system_rows(comparison, ["flops"])
    assert [row.is_baseline for row in rows] == [True, False, False]
    assert [row.pair.b if row.pair else None for row in rows] == [
        None,
        *[s.name for s in comparison.systems[1:]],
    ]
    assert {row.costs for row in rows} == {(tables.CostCell("–", False),)}
    assert rows[0].notes == "baseline"
