"""What every solver does alike: on odd questions, on engines that say odd things, and in its trace."""

import re
from collections.abc import Iterator
from dataclasses import replace

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
    "ovm": "ovm:candidates=4,beams=2,step=whole,scorer=random",
    "tvm": "tvm:candidates=4,beams=2,step=whole,scorer=random",
    "fetch": "fetch:beams=2,children=2,distance=0,step=whole,scorer=random",
    "alphamath": "alphamath:beams=1,children=1,step=whole,scorer=random",
    "r2_llm": "r2_llm:simulations=1,step=whole,scorer=random",
    "rebase": "rebase:width=4,step=whole,scorer=random",
    "tot": "tot:n_evaluations=1,temperature=0",
    "blueprint": "blueprint:width=4,branch=1,depth=1,step=whole,scorer=random",
    "qalign": "qalign:steps=3,scorer=random",
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
OWN_FORM = {
    "pal": TEXTS["a program"],
    "chain_of_code": TEXTS["a program"],
    "code_as_policies": TEXTS["a program"],
    "craft": TEXTS["a program"],
    "least_to_most": TEXTS["a list"] + TEXTS["an answer"],
    "syzygy": '{"mapping": {"solution1": "3 * 6 = 18"}, "final_answer": 18}',
}
"""What solvers that read a form of their own are answered with, to be right."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def solve(name: str, question: str, text: str, sandbox: Sandbox, budget: Budget | None = None) -> Solution:
    """Solve one problem with a model that always writes the same."""
    engine = ScriptedEngine(lambda prompt, seed: text, scores=lambda prompt, continuation: -1.0)
    engine.capabilities = replace(engine.capabilities, logprobs=name == "adaptive_bon")
    scheduler = Scheduler(engine, sandbox, budget=budget or Budget())
    problem = Problem("odd", question, "the gold, which nobody must see")
    ((_, _, solution),) = scheduler.solve_all(get_solver(SMALL.get(name, name)), [(problem, 0)])
    return solution


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_whatever_a_model_writes_ends_in_an_answer_or_a_reason(name, text, sandbox) -> None:
    solution = solve(name, "A hen lays 3 eggs a day. How many in 6 days?", text, sandbox)
    assert (solution.answer is None) is (solution.failure is not None)
    assert re.sub(r"\d+", "N", (solution.failure or "no_").partition(":")[0]) in FAILURES
    assert Trace.from_json(solution.trace.to_json()) == solution.trace


FAILURES = {
    "no_",
    "ParseError",  # least_to_most, without a list; syzygy, without a form
    "syntax",
    "no_function",
    "non_numeric",
    "TypeError",  # the program is a tower of brackets
    "no answer in any of N samples",
    "no answer in any of N states of the walk",
    "no answer in any of N places that the search came to",
    "no answer and no output",
}


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_odd_questions_are_asked_as_they_are(name, question, sandbox) -> None:
    solution = solve(name, question, OWN_FORM.get(name, TEXTS["an answer"]), sandbox)
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
    needs_more = name in ("least_to_most", "tot", "tir", "qalign", "adaptive_bon")
    assert solution.truncated is needs_more
