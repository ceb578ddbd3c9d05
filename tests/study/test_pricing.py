"""A comparison is priced before it is run, and never costs more than its upper bounds."""

from pathlib import Path
from typing import Any

import pytest

from calculemus import Budget, Problem
from calculemus.cost import forward_flops
from calculemus.engine.scripted import ScriptedEngine, count_words
from calculemus.errors import EngineCapabilityError
from calculemus.grading import get_grader
from calculemus.problems.problemset import ProblemSet
from calculemus.solving import get_solver
from calculemus.store import Store, StoredAnswer
from calculemus.study.compare import compare
from calculemus.study.live import LiveSystem
from calculemus.study.pricing import price_systems
from calculemus.study.recorded import open_recorded

N = 9
PROBLEMS = ProblemSet("sums", tuple(Problem(f"sums/{i}", f"{i} + {i}?", str(2 * i)) for i in range(N)))
SIZE = 1000


def system(solver: str, **settings: Any) -> LiveSystem:
    engine = ScriptedEngine(lambda prompt, seed: " the answer is 4" * (1 + seed % 3), parameters=SIZE)
    return LiveSystem(f"{solver}@scripted", get_solver(solver), engine, **settings)


def test_a_comparison_costs_no_more_than_its_price(tmp_path: Path) -> None:
    systems = [system("cot:max_tokens=20"), system("vote:n=5,max_tokens=20"), system("direct")]
    pricing = price_systems(None, systems, PROBLEMS)
    with Store.open(tmp_path / "store.db") as store:
        compare(store, systems, PROBLEMS, get_grader("default"))
    for line, live in zip(pricing.systems, systems, strict=True):
        engine = live.engine
        assert isinstance(engine, ScriptedEngine)
        assert (line.requests, line.samples) == (N, engine.n_rows)
        assert 0 < engine.counted.tokens_out <= line.tokens_out  # type: ignore[operator]  # it counts
        assert engine.counted.flops <= line.flops  # type: ignore[operator]  # it knows its size


def test_the_bounds_are_prompts_and_longest_completions() -> None:
    live = system("vote:n=5,max_tokens=20", n_samples=2)
    (line,) = price_systems(None, [live], PROBLEMS).systems
    prompts = [count_words(live.opening(problem) or "") for problem in PROBLEMS]
    assert (line.answers, line.requests, line.samples) == (2 * N, 2 * N, 10 * N)
    assert line.tokens_in == 2 * sum(prompts)
    assert line.tokens_out == 10 * N * 20
    assert line.flops == pytest.approx(2 * sum(5 * forward_flops(SIZE, 0, 0, p + 20) for p in prompts))


def test_a_completion_ends_with_the_context() -> None:
    problems = ProblemSet("one", PROBLEMS.problems[:1])
    live = system("cot:shots=0")
    room = 7
    context = count_words(live.opening(problems[0]) or "") + room
    engine = ScriptedEngine("", context=context)
    (line,) = price_systems(
        None, [LiveSystem("a", live.solver, engine)], ProblemSet("one", problems.problems)
    ).systems
    assert line.tokens_out == room


def test_a_budget_is_a_bound_too() -> None:
    free, bound = (
        price_systems(None, [system("vote:n=5,max_tokens=20", budget=budget)], PROBLEMS).systems[0]
        for budget in (Budget(), Budget(tokens=100, requests=3, flops=5e6))
    )
    assert free.tokens_out == bound.tokens_out == N * 100
    (tight,) = price_systems(
        None, [system("cot:max_tokens=20", budget=Budget(tokens=30, flops=1e7))], PROBLEMS
    ).systems
    assert tight.tokens_out == N * 20
    assert bound.flops is not None
    assert free.flops is not None
    assert bound.flops == min(free.flops, N * 5e6)


def test_what_the_store_has_is_not_priced(tmp_path: Path) -> None:
    systems = [system("cot"), system("direct")]
    with Store.open(tmp_path / "store.db") as store:
        run = store.begin(systems[0].spec(), PROBLEMS, "cot")
        for answer in list(systems[0].answers(PROBLEMS, ()))[:4]:
            store.append(run, [StoredAnswer(answer.problem_id, answer.sample, answer.solution)])
        before = systems[0].engine.n_jobs  # type: ignore[attr-defined]  # a scripted engine counts
        cot, direct = price_systems(store, systems, PROBLEMS).systems
        assert len(store.runs()) == 1
    assert (cot.stored, cot.answers, cot.requests) == (4, N - 4, N - 4)
    assert (direct.stored, direct.answers) == (0, N)
    assert systems[0].engine.n_jobs == before  # type: ignore[attr-defined]  # a scripted engine counts


def test_recorded_answers_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(f'{{"id": "sums/{i}", "response": "4"}}\n' for i in range(N)))
    pricing = price_systems(None, [*open_recorded(f"recorded:{path}"), system("cot")], PROBLEMS)
    assert (pricing.systems[0].answers, pricing.systems[0].requests, pricing.systems[0].flops) == (0, 0, 0.0)
    assert pricing.total.requests == N


def test_programs_are_counted() -> None:
    (line,) = price_systems(None, [system("pal:n=3,temperature=0.5")], PROBLEMS).systems
    assert (line.samples, line.programs) == (3 * N, 3 * N)


def test_what_one_system_leaves_open_is_open_in_the_sum() -> None:
    class Remote(ScriptedEngine):
        def count_tokens(self, request: Any) -> int | None:
            return None

    remote = LiveSystem("cot@remote", get_solver("cot"), Remote("one"))
    pricing = price_systems(None, [system("cot"), remote], PROBLEMS)
    known, unknown = pricing.systems
    assert known.tokens_in is not None
    assert (unknown.tokens_in, unknown.flops) == (None, None)
    assert (pricing.total.tokens_in, pricing.total.flops) == (None, None)
    assert pricing.total.tokens_out == known.tokens_out + unknown.tokens_out
    written = pricing.to_json()
    assert written["total"]["requests"] == 2 * N
    assert [line["name"] for line in written["systems"]] == ["cot@scripted", "cot@remote"]


def test_what_would_stop_the_comparison_stops_its_pricing() -> None:
    with pytest.raises(EngineCapabilityError, match="'Value' requests"):
        price_systems(None, [system("best_of_n:n=2,scorer=value")], PROBLEMS)
