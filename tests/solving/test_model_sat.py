"""Model-SAT: profiles, the router, and what it takes and refuses; with models of known skills."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calculemus.engine.requests import Run
from calculemus.engine.routed import RoutedEngine
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.events import Note, listening
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.solving import get_solver
from calculemus.solving.aptitude import AptitudeTest, Profile
from calculemus.solving.model_sat import ModelSat, addressed
from calculemus.solving.model_sat_claim import (
    NEW,
    SKILLS,
    TOPICS,
    aptitude_test,
    learned,
    oracle,
    questions,
    simulated,
    taken,
)
from calculemus.solving.routing import Router, features, fit_logistic, read_router
from calculemus.study.live import LiveSystem
from calculemus.study.systems import Live, models_of, open_systems

DEPLOYED = questions("deployed", 300)


@pytest.fixture(scope="module")
def router() -> Router:
    return learned()


@pytest.fixture(scope="module")
def file(router, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("profiles") / "profiles.json"
    router.write(path)
    return path


def solved(solver: ModelSat, names: Any = SKILLS, problems: Any = DEPLOYED) -> dict[str, Any]:
    """Return solutions by problem on a composite of simulated models."""
    engine = RoutedEngine({name: simulated(name) for name in names})
    found = Scheduler(engine).solve_all(solver, [(problem, 0) for problem in problems])
    return {name: solution for name, _, solution in found}


def accuracy(solutions: dict[str, Any]) -> float:
    grader = get_grader("default")
    return float(np.mean([grader.grade(p, solutions[p.id].answer).correct for p in DEPLOYED]))


def route(solution: Any) -> str:
    assert solution.trace.nodes[-1].kind == "route"
    return solution.trace.nodes[-1].text


def test_the_regret_to_an_oracle_is_below_five_points_and_others_are_beaten(file) -> None:
    routed, best, chance = (
        accuracy(solved(ModelSat(str(file), choose=choose))) for choose in ("router", "best", "random")
    )
    perfect = float(np.mean(list(oracle(DEPLOYED).values())))
    assert perfect - routed < 0.05
    assert routed > best + 0.05
    assert routed > chance + 0.1


def test_a_new_model_is_used_well_with_its_profile_alone(router, tmp_path) -> None:
    path = tmp_path / "five.json"
    joined = router.joined(taken("banker").profile)
    assert joined.weights == router.weights
    joined.write(path)
    solutions = solved(ModelSat(str(path)), (*SKILLS, *NEW))
    share = {topic: [] for topic in TOPICS}
    for problem in DEPLOYED:
        share[problem.meta["task"]].append(route(solutions[problem.id]) == "banker")
    assert np.mean(share["percent"]) > 0.9
    assert np.mean([hit for topic in TOPICS if topic != "percent" for hit in share[topic]]) < 0.1


def test_one_request_goes_to_the_chosen_model_alone(file) -> None:
    members = {name: simulated(name) for name in SKILLS}
    found = Scheduler(RoutedEngine(members)).solve_all(ModelSat(str(file)), [(p, 0) for p in DEPLOYED[:60]])
    chosen = [route(solution) for _, _, solution in found]
    assert sum(member.n_jobs for member in members.values()) == 60
    assert {name: member.n_jobs for name, member in members.items()} == {
        name: chosen.count(name) for name in SKILLS
    }
    one = next(iter(solved(ModelSat(str(file)), problems=DEPLOYED[:1]).values()))
    assert [node.kind for node in one.trace.nodes] == ["completion", "route"]
    assert set(one.trace.nodes[-1].meta["chances"]) == set(SKILLS)


def test_without_a_weight_cost_says_nothing_and_with_a_large_one_the_cheapest_is_taken(
    router, tmp_path
) -> None:
    costs = {"trader": 3.0, "driver": 1.0, "uncle": 2.0, "generalist": 9.0}
    priced = replace(router, profiles=tuple(replace(p, cost=costs[p.engine]) for p in router.profiles))
    path = tmp_path / "priced.json"
    priced.write(path)

    def routes(**settings: Any) -> list[str]:
        solutions = solved(ModelSat(str(path), **settings), problems=DEPLOYED[:60])
        return [route(solutions[p.id]) for p in DEPLOYED[:60]]

    free = [max(router.chances(p.question).items(), key=lambda item: item[1])[0] for p in DEPLOYED[:60]]
    assert routes() == free
    assert set(routes(cost_weight=1e6)) == set(routes(choose="cheapest")) == {"driver"}
    spent = [np.mean([costs[name] for name in routes(cost_weight=w)]) for w in (0.0, 0.05, 0.2, 1e6)]
    assert spent == sorted(spent, reverse=True)


def test_the_order_of_models_decides_nothing_and_equal_ones_tie_by_name(router, tmp_path) -> None:
    path = tmp_path / "turned.json"
    replace(router, profiles=router.profiles[::-1]).write(path)
    one = solved(ModelSat(str(path)), problems=DEPLOYED[:40])
    names = list(SKILLS)[::-1]
    other = solved(ModelSat(str(path)), names, DEPLOYED[:40])
    assert {k: route(v) for k, v in one.items()} == {k: route(v) for k, v in other.items()}
    twins = replace(router, profiles=tuple(replace(router.profiles[0], engine=n, cost=1.0) for n in "ba"))
    chances = twins.chances(DEPLOYED[0].question)
    assert chances["a"] == chances["b"]


def test_who_knows_all_comes_first_and_who_knows_nothing_last(router) -> None:
    shots = (20,) * len(TOPICS)
    joined = router.joined(Profile("all", router.version, shots, shots)).joined(
        Profile("none", router.version, (0,) * len(TOPICS), shots)
    )
    for problem in DEPLOYED[:30]:
        ranked = sorted(joined.chances(problem.question).items(), key=lambda item: item[1])
        assert (ranked[0][0], ranked[-1][0]) == ("none", "all")


def test_a_profile_counts_right_answers_by_task() -> None:
    answered = taken("trader")
    by_hand = [sum(answered.right[p.id] for p in aptitude_test().tasks[topic]) for topic in TOPICS]
    assert list(answered.profile.right) == by_hand
    assert answered.profile.shots == (20,) * 6
    assert answered.profile.cost == pytest.approx(2.0)  # tokens: "####" and a number
    assert abs(by_hand[0] / 20 - SKILLS["trader"][0]) < 0.25


def test_a_profile_of_another_test_is_refused(router, tmp_path) -> None:
    fewer = AptitudeTest.of(questions("test", 60), 5)
    assert fewer.version != aptitude_test().version
    other = fewer.take(simulated("driver"), "driver").profile
    with pytest.raises(InvalidParameterError, match=f"of 'driver' comes from the test {fewer.version}"):
        router.joined(other)
    path = tmp_path / "mixed.json"
    data = router.to_json()
    data["profiles"][0]["test"] = "older"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(InvalidParameterError, match="comes from the test older"):
        read_router(str(path))


def test_the_version_changes_with_problems_solver_and_grader() -> None:
    test = aptitude_test()
    others = [
        replace(test, solver=get_solver("cot:shots=0")),
        replace(test, grader=get_grader("gsm8k_strict")),
        AptitudeTest.of(questions("test", 120)[1:], 20),
    ]
    assert len({test.version, *(other.version for other in others)}) == 4
    assert AptitudeTest.of(questions("test", 120), 20).version == test.version


def test_few_shots_are_warned_of_with_the_width_of_the_interval() -> None:
    notes: list[str] = []
    with listening(lambda event: notes.append(event.message) if isinstance(event, Note) else None):
        AptitudeTest.of(questions("test", 18), 3).take(simulated("uncle"))
        assert len(notes) == 6
        assert "'trade' has 3 problems; expected at least 5" in notes[0]
        assert "points wide" in notes[0]
        AptitudeTest.of(questions("test", 30), 5).take(simulated("uncle"))
    assert len(notes) == 6


def test_a_test_without_tasks_is_refused() -> None:
    with pytest.raises(ProblemError, match="'p' has the task None"):
        AptitudeTest.of([Problem("p", "q", "1")])
    with pytest.raises(ProblemError, match="no problems in a"):
        AptitudeTest({"a": ()})


def test_what_is_missing_or_broken_is_refused_by_name(file, tmp_path) -> None:
    (problem, *_) = DEPLOYED
    for solver, message in (
        (ModelSat(), "parameter 'profiles' is ''"),
        (ModelSat(str(tmp_path / "no.json")), "reading capability profiles from"),
    ):
        (solution,) = solved(solver, problems=[problem]).values()
        assert message in solution.failure
    (solution,) = solved(ModelSat(str(file)), (*SKILLS, *NEW), [problem]).values()
    assert "no profile of banker" in solution.failure
    bad = tmp_path / "bad.json"
    bad.write_text('{"format": 9}', "utf-8")
    with pytest.raises(InvalidParameterError, match="its format is 9"):
        read_router(str(bad))


def test_on_one_engine_there_is_nothing_to_route(problem) -> None:
    ((_, _, solution),) = Scheduler(ScriptedEngine("#### 18")).solve_all(ModelSat(), [(problem, 0)])
    assert (solution.answer, route(solution)) == ("#### 18", "nothing to route: there is one engine alone")


def test_a_file_reads_back_and_is_in_the_key_of_a_run(router, file, tmp_path) -> None:
    assert read_router(str(file)) == router
    other = tmp_path / "profiles.json"
    replace(router, weights=(0.0, *router.weights[1:])).write(other)
    engine = RoutedEngine({name: simulated(name) for name in SKILLS})
    keys = [LiveSystem("x", ModelSat(str(path)), engine).spec()["reads"] for path in (file, other)]
    assert keys[0] != keys[1]


def test_the_fit_is_where_the_penalised_likelihood_is_flat() -> None:
    draws = np.random.Generator(np.random.Philox(key=3))
    rows = np.column_stack([np.ones(200), draws.normal(size=(200, 2))])
    labels = (draws.random(200) < 1 / (1 + np.exp(-(rows @ np.array([0.3, 1.0, -2.0]))))).astype(float)
    weights = fit_logistic(rows, labels, ridge=0.5)
    slope = rows.T @ (labels - 1 / (1 + np.exp(-(rows @ weights)))) - 0.5 * np.array([0, 1, 1]) * weights
    assert np.abs(slope[1:]).max() < 1e-6
    assert weights[1] > 0 > weights[2]
    assert features(Profile("x", "v", (3,), (4,)), np.array([1.0]))[2] == pytest.approx(4 / 6)


def test_programs_are_addressed_to_nobody() -> None:
    run = Run("1")
    assert addressed([run], "a") == [run]


def test_models_joined_by_a_sign_are_one_engine(monkeypatch, tmp_path) -> None:
    assert models_of("tiny,tiny-additive") == ["tiny", "tiny-additive"]
    (tmp_path / "a,b").mkdir()
    assert models_of(str(tmp_path / "a,b")) == [str(tmp_path / "a,b")]
    with Live() as live:
        live._engines |= {"tiny": simulated("uncle"), "tiny-additive": simulated("driver")}
        (system,) = open_systems(["model_sat:inner=vote:n=2@tiny,tiny-additive"], live=live)
    assert isinstance(system, LiveSystem)
    assert system.engine.name == "tiny,tiny-additive"
    with pytest.raises(InvalidParameterError, match="opening the model 'nowhere'"):
        open_systems(["model_sat@tiny,nowhere"], live=live)
