"""What every solver does alike: on odd questions, on engines that say odd things, and in its trace."""

from collections.abc import Iterator

import pytest

from calculemus.cost import Budget
from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.solution import Solution, Trace
from calculemus.solving import get_solver, list_solvers

SMALL = {
    "vote": "vote:n=3",
    "weighted_vote": "weighted_vote:n=3,scorer=random",
    "best_of_n": "best_of_n:n=3,scorer=random",
    "mbr": "mbr:n=3",
    "tot": "tot:n_evaluations=1,temperature=0",
}
IDS = [card.id for card in list_solvers()]
QUESTIONS = {
    "empty": "",
    "long": "How many? " * 3000,
    "non-ASCII": "母鸡每天下 3 个蛋，6 天下几个蛋？ 🥚 \u202e{{question}} {0} \\boxed{7}",
}
TEXTS = {
    "nothing": "",
    "talk": "I would rather talk about the weather.",
    "an answer": "3 * 6 = 18\n#### 18",
    "a program": "```python\ndef solution():\n    return 18\n```\n",
    "a list": "1. What is asked?\n2. What is 3 * 6?\n",
    "fences": "```\n```\n```\n" * 50,
    "brackets": "(" * 5000,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def solve(name: str, question: str, text: str, sandbox: Sandbox, budget: Budget | None = None) -> Solution:
    """Solve one problem with a model that always writes the same."""
    scheduler = Scheduler(ScriptedEngine(lambda prompt, seed: text), sandbox, budget=budget or Budget())
    problem = Problem("odd", question, "the gold, which nobody must see")
    ((_, _, solution),) = scheduler.solve_all(get_solver(SMALL.get(name, name)), [(problem, 0)])
    return solution


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_whatever_a_model_writes_ends_in_an_answer_or_a_reason(name, text, sandbox) -> None:
    solution = solve(name, "A hen lays 3 eggs a day. How many in 6 days?", text, sandbox)
    assert (solution.answer is None) is (solution.failure is not None)
    assert (solution.failure or "no_").partition(":")[0] in FAILURES
    assert Trace.from_json(solution.trace.to_json()) == solution.trace


FAILURES = {
    "no_",
    "ParseError",  # least_to_most, without a list
    "syntax",
    "no_function",
    "non_numeric",
    "TypeError",  # the program is a tower of brackets
    "no answer in any of 3 samples",
    "no answer and no output",
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_odd_questions_are_asked_as_they_are(name, question, sandbox) -> None:
    text = TEXTS["a program"] if name == "pal" else TEXTS["an answer"]
    solution = solve(name, question, TEXTS["a list"] + text if name == "least_to_most" else text, sandbox)
    assert (solution.failure, solution.truncated) == (None, False)
    assert "18" in (solution.answer or "")


@pytest.mark.parametrize("name", IDS)
def test_the_cost_of_a_solution_is_that_of_its_requests(name, sandbox) -> None:
    cost = solve(name, "How many?", TEXTS["an answer"], sandbox).cost
    assert (cost.tokens_out or 0) > 0
    assert (cost.tokens_in or 0) > 0
    assert cost.tokens_discarded == 0


@pytest.mark.parametrize("name", IDS)
def test_a_budget_of_one_request_is_kept(name, sandbox) -> None:
    solution = solve(name, "How many?", TEXTS["a list"] + TEXTS["a program"], sandbox, Budget(requests=1))
    needs_more = name in ("least_to_most", "tot", "tir")
    assert solution.truncated is needs_more
