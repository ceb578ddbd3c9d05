"""AlphaMath: code in steps, the beam that narrows, the scale of its values, and the search by simulations."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from calculemus.cost import Budget
from calculemus.engine.requests import Run, Sample
from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.alphamath import AlphaMath

QUESTION = Problem("q", "How many?", "7")
BY_SYMBOL: dict[str, Any] = {"step": "tokens", "step_tokens": 1, "temperature": 1.0, "values": "unit"}
BY_LINE: dict[str, Any] = {"step": "line"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def solve(solver, engine, sandbox=None, budget=None):
    scheduler = Scheduler(engine, sandbox, budget=budget or Budget())
    ((_, _, solution),) = scheduler.solve_all(solver, [(QUESTION, 0)])
    return solution


def toy(seed: int = 1, **options) -> ToyLM:
    """Return a model of texts of up to 4 digits, with random rewards."""
    texts = {"".join(t) for n in range(5) for t in itertools.product("123", repeat=n)}
    draws = Rng(seed, ("rewards",)).generator()
    rewards = {text: float(draws.random()) for text in sorted(texts)}
    return ToyLM.random(Rng(seed), "123", 4, rewards=rewards, **options)


ALPHA, BETA = "```python\nx = 6\nprint(x)\n```\n", "```python\nprint(x * 7)\n```\n"


def writer(prompt: str, seed: int) -> str:
    """Write code that sets a variable, then code that reads it, then the answer; or code that fails."""
    said = prompt.rpartition("How many?")[2]
    if "print(x * 7)" in said:
        return "It is 42.\n#### 42"
    if "x = " in said:
        return f"Now I multiply.\n{BETA}"
    return f"I set it.\n{ALPHA.replace('6', str(6 + seed % 2))}"


def test_code_is_run_where_its_place_is_and_its_output_is_never_sampled(sandbox) -> None:
    engine = ScriptedEngine(writer, values=lambda prompt: 0.9 if "x = 6" in prompt else -0.9)
    solution = solve(AlphaMath(beams=2, children=4), engine, sandbox)
    assert solution.answer.endswith("```output\n42\n```\nIt is 42.\n#### 42")
    outputs = {node.text for node in solution.trace.nodes if node.kind == "output"}
    assert outputs == {"6", "42", "7", "49"}  # each branch has variables of its own
    sampled = [node for node in solution.trace.nodes if node.kind == "step"]
    assert not any("output" in node.text for node in sampled)
    chosen = next(node for node in solution.trace.nodes if node.meta.get("chosen"))
    path = [chosen]
    while path[-1].parents:
        path.append(solution.trace.nodes[path[-1].parents[0]])
    assert [node.kind for node in path[::-1]] == ["step", "output", "step", "output", "step"]


def test_a_program_is_asked_for_with_the_blocks_on_its_way() -> None:
    asked: list[Run] = []
    engine = ScriptedEngine(writer, values=lambda prompt: 0.0)
    with Sandbox(workers=1) as sandbox:
        scheduler = Scheduler(engine, sandbox)

        class Watched(AlphaMath):
            def solve(self, problem, ctx):
                inner = super().solve(problem, ctx)
                reply = None
                while True:
                    try:
                        request = inner.send(reply)
                    except StopIteration as end:
                        return end.value
                    asked.extend(r for r in request if isinstance(r, Run))
                    reply = yield request

        list(scheduler.solve_all(Watched(beams=1, children=2), [(QUESTION, 0)]))
    first = [run for run in asked if run.before == ()]
    second = [run for run in asked if run.before]
    assert {len(run.before) for run in second} == {1}
    assert {run.before[0] for run in second} <= {run.program for run in first}
    assert all(run.session is None for run in asked)


def test_a_way_with_too_many_errors_in_a_row_is_given_up(sandbox) -> None:
    engine = ScriptedEngine("I try.\n```python\n1 / 0\n```\n", values=lambda prompt: 0.5)
    solution = solve(AlphaMath(beams=1, children=1, max_errors=2), engine, sandbox)
    outputs = [node.text for node in solution.trace.nodes if node.kind == "output"]
    assert outputs == ["ZeroDivisionError: division by zero"] * 2
    assert solution.truncated


def test_words_of_an_answer_in_code_do_not_end_a_solution(sandbox) -> None:
    texts = iter(["```python\nanswer = 5\nprint(answer)\n```\n", "#### 5"])
    engine = ScriptedEngine(lambda prompt, seed: next(texts), values=lambda prompt: 0.5)
    solution = solve(AlphaMath(beams=1, children=1), engine, sandbox)
    assert solution.answer.endswith("```output\n5\n```\n#### 5")
    assert not solution.truncated


def test_a_true_value_picks_a_child_that_can_be_solved_whenever_there_is_one() -> None:
    picked, could = 0, 0
    for seed in range(200):
        draws = Rng(seed, ("children",)).generator().random(5) < 0.3
        lines = [f"{'good' if good else 'bad'} {index}\n" for index, good in enumerate(draws)]
        rows = itertools.count()

        def write(prompt, seed, lines=lines, rows=rows):
            if prompt.rstrip().endswith("How many?\nA:") or ("good" not in prompt and "bad" not in prompt):
                return lines[next(rows) % 5]
            return "#### 7" if "good" in prompt else "#### 8"

        engine = ScriptedEngine(write, values=lambda prompt: 1.0 if "good" in prompt else -1.0)
        solution = solve(AlphaMath(beams=1, children=5, **BY_LINE), engine)
        could += any(draws)
        picked += "good" in solution.answer
    assert picked == could > 100


def test_a_finished_beam_leaves_and_the_beam_gets_narrower() -> None:
    widths: list[int] = []

    class Watched(AlphaMath):
        def search(self, tree):
            inner, reply = super().search(tree), None
            while True:
                try:
                    request = inner.send(reply)
                except StopIteration:
                    return
                if isinstance(request, list) and isinstance(request[0], Sample):
                    widths.append(len(request))
                reply = yield request

    def write(prompt: str, seed: int) -> str:
        if "a" not in prompt.rpartition("A:")[2] and seed % 3 == 0:
            return "#### 7\n"
        return f"a{seed % 1000}\n"

    engine = ScriptedEngine(write, values=lambda prompt: 0.9 if "####" in prompt else 0.0)
    solution = solve(Watched(beams=3, children=9, depth=3, **BY_LINE), engine)
    assert widths == [1, 2, 2]  # one text is whole; set-deduplicated, it takes one beam
    assert solution.answer == "#### 7\n"


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_that_keeps_everything_finds_the_best_of_all_texts(seed) -> None:
    lm = toy(seed)
    likely = {text: p for text, p in lm.texts().items() if p > 0.01}
    solution = solve(AlphaMath(beams=100, children=100, depth=5, **BY_SYMBOL), lm)
    assert lm._reward(solution.answer) >= max(map(lm._reward, likely))


def test_the_search_by_simulations_finds_the_best_it_has_drawn_and_notes_visits() -> None:
    lm = toy(3)
    solver = AlphaMath(strategy="mcts", simulations=40, children=4, depth=5, **BY_SYMBOL)
    solution = solve(solver, lm)
    drawn = [node for node in solution.trace.nodes if node.meta.get("answer") is not None]
    assert lm._reward(solution.answer) == pytest.approx(max(node.meta["score"] for node in drawn))
    first = [node for node in solution.trace.nodes if not node.parents]
    assert 1 + sum(node.meta.get("visits", 0) for node in first) == 40


def test_with_true_values_both_beat_the_mean_and_a_coin_does_not() -> None:
    lm = toy(5)
    problems = [(Problem(f"q{i}", "How many?", "7"), 0) for i in range(150)]
    mean = sum(p * lm._reward(text) for text, p in lm.texts().items())

    def reward(**options) -> float:
        solver = AlphaMath(depth=5, **{**BY_SYMBOL, **options})
        return sum(lm._reward(s.answer) for _, _, s in Scheduler(lm).solve_all(solver, problems)) / 150

    assert reward(beams=1, children=3) > mean + 0.1
    assert reward(strategy="mcts", simulations=10, children=3) > mean + 0.1
    assert abs(reward(beams=1, children=3, scorer="random") - mean) < 0.08


def test_all_children_of_the_root_whole_gives_the_best_of_them() -> None:
    texts = itertools.cycle(["#### 7", "#### 8", "no answer at all"])
    engine = ScriptedEngine(lambda p, s: next(texts), values=lambda p: 0.5 if p.endswith("8") else 0.1)
    engine.capabilities = type(engine.capabilities)(
        engine.capabilities.kinds, logprobs=True, token_ids=True, deterministic=True, context=None, rows=256
    )
    for strategy in ("step_beam", "mcts"):
        solution = solve(AlphaMath(strategy=strategy, children=6, **BY_LINE), engine)
        assert (solution.answer, solution.failure) == ("#### 8", None)


@pytest.mark.parametrize(("value", "values"), [(1.2, "signed"), (-1.01, "signed"), (-0.1, "unit")])
def test_a_value_head_on_another_scale_is_refused(value, values) -> None:
    engine = ScriptedEngine("#### 7", values=lambda prompt: value)
    solution = solve(AlphaMath(values=values, **BY_LINE), engine)
    assert f"the value head 'value' says {value:g}" in (solution.failure or "")


def test_values_stay_on_their_scale_whatever_scores_are() -> None:
    solver = AlphaMath(scorer="mean_logprob", **{**BY_SYMBOL, "values": "signed"})
    ends: list[float] = []

    class Watched(AlphaMath):
        def _signed(self, place, score):
            ends.append(super()._signed(place, score))
            return ends[-1]

    solution = solve(Watched(**solver.params()), toy(2))
    assert solution.answer is not None
    assert ends
    assert all(-1 <= value <= 1 for value in ends)


def test_simulations_need_log_probabilities_and_say_so_before_anything_is_spent() -> None:
    engine = ScriptedEngine("#### 7", values=lambda prompt: 0.5)
    with pytest.raises(EngineCapabilityError, match="'mcts'"):
        Scheduler(engine).check(AlphaMath(strategy="mcts", **BY_LINE), QUESTION)


def test_identical_children_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="children=5"):
        AlphaMath(temperature=0.0)


def test_a_short_budget_gives_what_there_is(sandbox) -> None:
    engine = ScriptedEngine(writer, values=lambda prompt: 0.5)
    solution = solve(AlphaMath(beams=1, children=2), engine, sandbox, Budget(requests=3))
    assert solution.truncated
    assert "output" in (solution.answer or "")


@pytest.mark.parametrize("strategy", ["mcts", "step_beam"])
@pytest.mark.parametrize("seed", range(3))
def test_simulations_that_find_no_whole_solution_go_on_from_their_best_place(strategy, seed) -> None:
    lm = toy(seed)
    solver = AlphaMath(strategy=strategy, simulations=1, children=3, depth=5, **BY_SYMBOL)
    solution = solve(solver, lm)
    assert solution.answer in lm.texts()
    assert not solution.truncated


def test_going_on_keeps_to_the_budget_and_ends_whole_where_one_chain_has_room() -> None:
    solver = AlphaMath(strategy="mcts", simulations=1, children=3, depth=5, **BY_SYMBOL)
    free = solve(solver, toy(1))
    n = len([node for node in free.trace.nodes if node.kind == "step"])
    for tokens in range(3, n + 2):
        solution = solve(solver, toy(1), budget=Budget(tokens=tokens))
        steps = [node for node in solution.trace.nodes if node.kind == "step"]
        assert len(steps) == min(tokens, n)
        assert solution.truncated == (tokens < n)
        assert tokens < n or solution.answer == free.answer
    assert n > 3
