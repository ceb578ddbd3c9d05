"""Comparing systems: every figure against a count by hand or an independent library."""

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from calculemus import Cost, Problem, Rng, Solution, Verdict, stats
from calculemus.errors import InvalidParameterError, RecordError, StatisticsError
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store
from calculemus.study.compare import compare, unique_names
from calculemus.study.comparison import Comparison
from calculemus.study.pairs import MAX_ALL_PAIRS
from calculemus.study.recorded import open_recorded
from calculemus.study.system import Answer

N = 60
SUMS = ProblemSet(
    "sums", tuple(Problem(f"sums/{i}", f"How much is {i} + {i}?", str(2 * i)) for i in range(N))
)


class Exact:
    """Right is what equals the answer; '?' is unparsed."""

    name = "exact"
    version = 3

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        outcome = "error" if response is None else "unparsed" if response == "?" else "wrong"
        return Verdict("correct" if response == problem.answer else outcome, response, "text", "exact@3")


@dataclass
class Table:
    """A system whose answers are listed: for each problem its tries."""

    name: str
    tries: Mapping[str, list[str | None]]
    costs: Mapping[str, Cost] = field(default_factory=dict)
    asked: int = 0

    def spec(self) -> Mapping[str, Any]:
        return {"name": self.name, "tries": dict(self.tries)}

    def answers(self, problems: ProblemSet, done: Container[tuple[str, int]]) -> Iterator[Answer]:
        self.asked += 1
        for problem in problems:
            for sample, text in enumerate(self.tries.get(problem.id, [])):
                cost = self.costs.get(problem.id, Cost())
                yield Answer(problem.id, sample, Solution(text, cost=cost))


def solving(name: str, solved: Container[int], of: range = range(N), **more: Any) -> Table:
    """A system that answers the problems ``of`` and solves those in ``solved``."""
    return Table(name, {f"sums/{i}": [str(2 * i) if i in solved else "no"] for i in of}, **more)


def random_solving(name: str, share: float) -> Table:
    draws = Rng(1, (name,)).generator().random(N)
    return solving(name, [i for i in range(N) if draws[i] < share])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def test_accuracies_count_problems_and_have_wilson_intervals(store: Store) -> None:
    found = compare(store, [solving("a", range(20)), solving("b", range(45))], SUMS, Exact())
    assert (found.problems, found.n, found.grader, found.baseline) == ("sums", N, "exact@3", "a")
    for system, correct in zip(found.systems, (20, 45), strict=True):
        low, high = proportion_confint(correct, N, method="wilson")
        assert (system.n, system.n_samples, system.correct) == (N, N, correct)
        assert (system.accuracy, system.ci_low, system.ci_high) == pytest.approx((correct / N, low, high))
        assert (system.unparsed, system.errors, system.cost, system.on_front) == (0, 0, {}, None)


def test_a_pair_says_how_much_better_the_second_is_with_the_exact_p_value(store: Store) -> None:
    found = compare(store, [solving("a", range(20)), solving("b", range(12, 45))], SUMS, Exact())
    (pair,) = found.pairs
    table = [[8, 12], [25, 15]]  # both, only a; only b, neither
    assert (pair.a, pair.b, pair.n, pair.only_a, pair.only_b) == ("a", "b", N, 12, 25)
    assert pair.delta == pytest.approx(13 / N)
    assert pair.ci_low < pair.delta < pair.ci_high
    assert pair.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert pair.p_holm == pytest.approx(pair.p_value)
    assert pair.visible == stats.visible_gain(N, 37 / N)


def test_every_pair_is_there_those_with_the_baseline_first_and_corrected(store: Store) -> None:
    systems = [
        random_solving(name, share) for name, share in (("a", 0.2), ("b", 0.5), ("c", 0.6), ("d", 0.9))
    ]
    found = compare(store, systems, SUMS, Exact(), baseline="c")
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        ("c", "a"), ("c", "b"), ("c", "d"), ("a", "b"), ("a", "d"), ("b", "d"),
    ]  # fmt: skip
    expected = multipletests([pair.p_value for pair in found.pairs[:3]], method="holm")[1]
    assert [pair.p_holm for pair in found.pairs[:3]] == pytest.approx(list(expected))
    assert [pair.p_holm for pair in found.pairs[3:]] == [None] * 3
    accuracy = {system.name: system.accuracy for system in found.systems}
    for pair in found.pairs:
        assert pair.delta == pytest.approx(accuracy[pair.b] - accuracy[pair.a])


def test_very_many_systems_are_compared_with_the_baseline_only(store: Store) -> None:
    few = ProblemSet("few", SUMS.problems[:4])
    systems = [solving(f"s{i}", range(i % 5), range(4)) for i in range(MAX_ALL_PAIRS + 1)]
    found = compare(store, systems, few, Exact(), baseline="s7")
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        ("s7", system.name) for system in systems if system.name != "s7"
    ]
    assert f"of {MAX_ALL_PAIRS + 1} systems, only the pairs with the baseline were compared" in found.notes


def test_one_system_alone_has_no_pairs(store: Store) -> None:
    found = compare(store, [solving("a", range(20))], SUMS, Exact())
    assert (found.pairs, found.baseline, found.notes) == ((), "a", ())


def test_unparsed_answers_and_failures_are_counted_apart_and_do_not_score(store: Store) -> None:
    tries: dict[str, list[str | None]] = {f"sums/{i}": [str(2 * i)] for i in range(N)}
    tries |= {"sums/0": ["?"], "sums/1": ["?"], "sums/2": [None], "sums/3": ["no"]}
    (system,) = compare(store, [Table("a", tries)], SUMS, Exact()).systems
    assert (system.correct, system.unparsed, system.errors) == (N - 4, 2, 1)


def test_systems_with_gaps_are_compared_on_what_all_answered(store: Store) -> None:
    systems = [solving("a", range(30), range(50)), solving("b", range(40), range(10, N)), solving("c", [])]
    found = compare(store, systems, SUMS, Exact())
    assert found.n == 40
    assert [system.correct for system in found.systems] == [20, 30, 0]
    assert [system.n_samples for system in found.systems] == [40, 40, 40]
    assert found.notes == (
        "compared on the 40 of 60 problems that all systems answered: a lacks 10, b lacks 10",
    )


def test_missing_answers_can_count_as_wrong(store: Store) -> None:
    systems = [solving("a", range(30), range(50)), solving("b", range(40), range(10, N))]
    found = compare(store, systems, SUMS, Exact(), missing="wrong")
    assert found.n == N
    assert [system.accuracy for system in found.systems] == [30 / N, 30 / N]
    assert [system.n_samples for system in found.systems] == [50, 50]
    assert (found.pairs[0].only_a, found.pairs[0].only_b) == (10, 10)
    assert found.notes == ("missing answers count as wrong: a lacks 10, b lacks 10 of 60",)


def test_systems_without_a_common_problem_are_refused(store: Store) -> None:
    systems = [solving("a", [], range(30)), solving("b", [], range(30, N))]
    with pytest.raises(
        StatisticsError, match=r"0 of 60 problems were answered by all .* \(--missing wrong\)"
    ):
        compare(store, systems, SUMS, Exact())


def test_several_samples_count_by_problem(store: Store) -> None:
    tries = {f"sums/{i}": [str(2 * i)] * (i % 5) + ["no"] * (4 - i % 5) for i in range(N)}
    other = {f"sums/{i}": ["no", str(2 * i)] for i in range(N)}
    found = compare(store, [Table("a", tries), Table("b", other)], SUMS, Exact())
    a, b = found.systems
    assert a.accuracy == pytest.approx(np.mean([(i % 5) / 4 for i in range(N)]))
    assert (a.n, a.n_samples, a.correct, b.n_samples) == (N, 4 * N, sum(i % 5 for i in range(N)), 2 * N)
    (pair,) = found.pairs
    assert (pair.only_a, pair.only_b) == (None, None)
    differences = np.array([0.5 - (i % 5) / 4 for i in range(N)])
    assert pair.delta == pytest.approx(differences.mean(), abs=1e-12)
    assert pair.visible == stats.visible_gain(N, float(np.mean(differences**2)))


def test_problems_of_a_group_are_one_cluster(store: Store) -> None:
    grouped = ProblemSet(
        "grouped",
        tuple(Problem(p.id, p.question, p.answer, meta={"group": i // 2}) for i, p in enumerate(SUMS)),
    )
    systems = [random_solving("a", 0.4), random_solving("b", 0.6)]
    found = compare(store, systems, grouped, Exact())
    assert found.systems[0].ci_method == f"clustered t on log-odds, {N // 2 - 1} df"
    assert found.pairs[0].p_method == "sign-swap permutation"


def test_costs_are_means_and_the_front_leaves_out_who_is_dearer_and_worse(store: Store) -> None:
    def cost(tokens: int) -> dict[str, Cost]:
        return {
            f"sums/{i}": Cost(tokens_out=tokens + i % 2, tokens_in=None if i == 7 else 5) for i in range(N)
        }

    systems = [
        solving("cheap", range(30), costs=cost(10)),
        solving("dear", range(55), costs=cost(90)),
        solving("waste", range(29), costs=cost(100)),
    ]
    found = compare(store, systems, SUMS, Exact())
    assert [dict(system.cost) for system in found.systems] == [{"tokens_out": t} for t in (10.5, 90.5, 100.5)]
    assert [system.on_front for system in found.systems] == [True, True, False]


def test_costs_count_only_the_problems_compared_on(store: Store) -> None:
    costs = {f"sums/{i}": Cost(tokens_out=i) for i in range(N)}
    found = compare(store, [solving("a", [], costs=costs), solving("b", [], range(10, 20))], SUMS, Exact())
    assert [dict(system.cost) for system in found.systems] == [{"tokens_out": 14.5}, {}]
    assert [system.on_front for system in found.systems] == [None, None]


def test_what_is_stored_is_not_answered_again(store: Store) -> None:
    system = solving("a", range(20))
    first = compare(store, [system], SUMS, Exact())
    assert compare(store, [system], SUMS, Exact()) == first
    assert system.asked == 1


def test_a_comparison_survives_json(store: Store) -> None:
    found = compare(store, [random_solving("a", 0.4), random_solving("b", 0.6)], SUMS, Exact())
    assert Comparison.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_an_unknown_baseline_is_refused_with_the_near_name(store: Store) -> None:
    with pytest.raises(InvalidParameterError, match=r"'qwem' is none of them; .* Did you mean 'qwen'\?"):
        compare(store, [solving("qwen", []), solving("llama", [])], SUMS, Exact(), baseline="qwem")
    with pytest.raises(InvalidParameterError, match="there are none"):
        compare(store, [], SUMS, Exact())


@given(st.lists(st.sampled_from(["a", "b", "a-2", "a-2-2", "b-2"]), min_size=1, max_size=8))
def test_names_become_unique_and_the_first_keeps_its_own(names: list[str]) -> None:
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    assert all(own.startswith(name) for own, name in zip(unique, names, strict=True))
    assert all(unique[names.index(name)] == name for name in names)


def recorded(path: Path, solved: dict[str, Container[int]], flags: Container[int] | None = None) -> str:
    rows = [
        {
            "question": problem.question,
            **{
                name: {"solution": problem.answer if i in mine else "no"}
                | ({} if flags is None else {"is_correct": i in flags})
                for name, mine in solved.items()
            },
        }
        for i, problem in enumerate(SUMS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"recorded:{path}"


def test_agreement_with_the_flags_of_the_file_is_one_sentence(store: Store, tmp_path: Path) -> None:
    spec = recorded(tmp_path / "a.jsonl", {"x": range(30), "y": range(30)}, flags=range(30))
    found = compare(store, open_recorded(spec), SUMS, Exact())
    assert found.notes == (f"all {2 * N} verdicts agree with the file's own flags (is_correct)",)


def test_disagreement_with_the_flags_names_system_and_problems(store: Store, tmp_path: Path) -> None:
    spec = recorded(tmp_path / "a.jsonl", {"x": range(30), "y": range(34)}, flags=range(30))
    found = compare(store, open_recorded(spec), SUMS, Exact())
    assert found.notes == (
        "x: 60 of 60 verdicts agree with the file's own flags (is_correct)",
        "y: 56 of 60 verdicts agree with the file's own flags (is_correct); "
        "not on sums/30, sums/31, sums/32, ...",
    )


def test_a_bad_file_is_refused_before_any_system_runs(store: Store, tmp_path: Path) -> None:
    good = recorded(tmp_path / "a.jsonl", {"x": range(30)})
    bad = tmp_path / "b.jsonl"
    bad.write_text('{"id": "sums/0", "pred": "0"}\n' * 2)
    systems = [*open_recorded(good), *open_recorded(f"recorded:{bad}")]
    with pytest.raises(RecordError, match="line 2: problem 'sums/0' is answered again"):
        compare(store, systems, SUMS, Exact())
    assert store.runs() == []


def test_a_remark_on_a_file_is_made_once_for_all_its_systems(store: Store, tmp_path: Path) -> None:
    spec = recorded(tmp_path / "a.jsonl", {"x": range(30), "y": range(40)})
    part = ProblemSet("part", SUMS.problems[:50])
    found = compare(store, open_recorded(spec, unknown="skip"), part, Exact())
    (note,) = found.notes
    assert note.startswith("a.jsonl: 10 of 60 records name no problem of part and were left out")
