"""Tree of thoughts on the Game of 24: with an oracle it never fails, with chance it is chance."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from calculemus.engine.requests import Completion, Prefix, Sample, Value
from calculemus.errors import BudgetExceededError, EngineCapabilityError, InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.problems.game24 import Game24, Hand, is_solvable, moves
from calculemus.rng import Rng
from calculemus.solving.thoughts import count_choices, read_value
from calculemus.solving.tot import Tot

HANDS = Game24(n=50, seed=0).problems()
STEP = re.compile(r"(.+) ([-+*/]) (.+) = (\S+) \(left: (.+)\)")
QUESTION = Problem("q", "How many eggs?", "24")


def say(text: str) -> Completion:
    return Completion(text, None, None, "stop", None, Prefix(text))


def part(prompt: str) -> str:
    """Return what a prompt says of its own problem, behind the examples."""
    return prompt[prompt.rindex("Q: ") :]


def hand_of(prompt: str) -> Hand:
    """Return the numbers that a prompt's steps leave."""
    left = re.findall(r"\(left: (.+)\)", part(prompt))
    numbers = left[-1].split() if left else re.findall(r"\d+", part(prompt).partition(" once")[0])
    return tuple(sorted(map(Fraction, numbers)))


def put_together(prompt: str) -> str:
    """Write the steps of a prompt as one expression."""
    written: dict[Fraction, list[str]] = {}
    for number in re.findall(r"\d+", part(prompt).partition(" once")[0]):
        written.setdefault(Fraction(number), []).append(number)
    for line in part(prompt).splitlines():
        if step := STEP.match(line):
            a, b = (written[Fraction(step[side].strip("()"))].pop() for side in (1, 3))
            written.setdefault(Fraction(step[4]), []).append(f"({a} {step[2]} {b})")
    return " ".join(text for texts in written.values() for text in texts)


def player(judge: Callable[[str], float]) -> Callable[[Any], Any]:
    """Return what plays: it knows every move, and ``judge`` gives the values."""

    def reply(request: Any) -> tuple[Any, ...]:
        if isinstance(request, Value):
            return tuple(judge(prompt) for prompt in request.prompts)
        if "Possible next steps" in part(request.prompt):
            return (say("\n".join(move.text for move in moves(hand_of(request.prompt)))),)
        return (say(put_together(request.prompt)),)

    return reply


def oracle(prompt: str) -> float:
    return float(is_solvable(hand_of(prompt)))


def chance(prompt: str) -> float:
    return float(Rng(0, ("chance", part(prompt))).generator().random())


def solved(drive: Callable[..., Any], solver: Tot, judge: Callable[[str], float]) -> int:
    """Return of how many hands a solver makes 24."""
    grader = get_grader("game24")
    return sum(grader.grade(h, drive(solver, h, player(judge)).solution.answer).correct for h in HANDS)


@cache
def at_random(hand: Hand) -> float:
    """Return the probability that moves drawn at random make 24."""
    if len(hand) == 1:
        return float(hand[0] == 24)
    return math.fsum(at_random(move.left) for move in moves(hand)) / len(moves(hand))


@pytest.mark.parametrize("search", ["bfs", "dfs"])
def test_with_an_oracle_every_hand_is_solved(drive, search) -> None:
    assert solved(drive, Tot(evaluate="head", search=search, prune_at=0.5), oracle) == len(HANDS)


def test_with_a_random_judge_it_is_as_good_as_moves_drawn_at_random(drive) -> None:
    chances = [at_random(tuple(map(Fraction, hand.meta["numbers"]))) for hand in HANDS]
    expected = math.fsum(chances)
    spread = math.sqrt(math.fsum(p * (1 - p) for p in chances))
    assert expected < 5  # of 50
    assert abs(solved(drive, Tot(evaluate="head"), chance) - expected) < 4 * spread


def test_as_many_states_are_expanded_as_the_width_allows(drive) -> None:
    hand = HANDS[0]
    driven = drive(Tot(evaluate="head", width=3), hand, player(oracle))
    expanded = [len(r) for r in driven.asked if isinstance(r, list)]
    judged = [r.prompts for r in driven.asked if isinstance(r, Value)]
    assert expanded == [1, 3, 3]
    start = tuple(map(Fraction, hand.meta["numbers"]))
    assert len(judged[0]) == len(moves(start))
    for level, prompts in enumerate(judged[:2]):
        kept = sorted(prompts, key=lambda p: -oracle(p))[:3]
        assert len(judged[level + 1]) == sum(len(moves(hand_of(p))) for p in kept)


def test_the_model_judges_each_state_with_a_word_three_times(drive) -> None:
    verdicts = {"a": ["sure", "sure", "likely"], "b": ["likely", "impossible", "sure"]}

    def reply(request: Sample) -> tuple[Completion, ...]:
        text = part(request.prompt)
        if "Possible next" in text:
            return (say("1. a\n2. b\n2. b"),)
        if "sure, likely" in text:
            return tuple(map(say, verdicts[text[text.index("so far:") + 8]]))
        return (say("#### 24"),)

    driven = drive(Tot(depth=1), QUESTION, reply)
    assert [request.n for request in driven.asked[1]] == [3, 3]
    values = {node.text: node.meta.get("value") for node in driven.solution.trace.nodes}
    assert values == {"a": 41.0, "b": 21.001, "#### 24": None}
    assert driven.asked[-1].prompt.endswith("Steps:\na\nThe answer is")
    assert driven.asked[-1].sampling.temperature == 0
    assert driven.solution.answer == "#### 24"


def test_votes_choose_among_all_states(drive) -> None:
    def reply(request: Sample) -> tuple[Completion, ...]:
        text = part(request.prompt)
        if "most promising" in text:
            assert "Choice 1:\na\nChoice 2:\nb\nChoice 3:\nc\n" in text
            return (say(" 2"), say(" 3, no: 2"), say(" 9"))
        return (say("a\nb\nc"),) if "Possible next" in text else (say("24"),)

    driven = drive(Tot(depth=1, evaluate="vote"), QUESTION, reply)
    values = [node.meta["value"] for node in driven.solution.trace.nodes[:3]]
    assert values == [0.0, 2.0, 0.0]


def test_thoughts_are_drawn_one_by_one_and_kept_once(drive) -> None:
    def reply(request: Any) -> tuple[Any, ...]:
        if isinstance(request, Value):
            return tuple(float(len(prompt)) for prompt in request.prompts)
        return tuple(map(say, ["a", "b\nmore", "a", ""]))[: request.n]

    driven = drive(Tot(depth=1, propose="sample", n_proposals=4, evaluate="head"), QUESTION, reply)
    assert [node.text for node in driven.solution.trace.nodes[:2]] == ["a", "b"]
    assert driven.asked[0][0].n == 4


def test_a_search_goes_back_where_all_that_is_left_is_judged_too_low(drive) -> None:
    tree = {"": "a\nb", "a": "aa\nab", "b": "ba", "ba": "baa"}
    worth = {"a": 0.9, "b": 0.5, "aa": 0.0, "ab": 0.0, "ba": 0.4, "baa": 0.3}

    def last(prompt: str) -> str:
        text = part(prompt)
        steps = text[text.index("teps") :].splitlines()[1:]
        return ([line for line in steps if line in worth] or [""])[-1]

    def reply(request: Any) -> tuple[Any, ...]:
        if isinstance(request, Value):
            return tuple(worth[last(prompt)] for prompt in request.prompts)
        if "Possible next" in part(request.prompt):
            return (say(tree[last(request.prompt)]),)
        return (say(last(request.prompt)),)

    solver = Tot(search="dfs", evaluate="head", prune_at=0.1)
    driven = drive(solver, QUESTION, reply)
    opened = [last(request[0].prompt) for request in driven.asked if isinstance(request, list)]
    assert opened == ["", "a", "b", "ba"]
    assert driven.solution.answer == "baa"
    few = drive(replace(solver, max_nodes=2), QUESTION, reply)
    assert few.solution.answer == "a"
    none = drive(replace(solver, prune_at=0.95), QUESTION, reply)
    assert [type(request) for request in none.asked] == [list, Value, Sample]
    assert none.solution.answer == ""


def test_a_state_with_an_answer_is_not_expanded(drive) -> None:
    def reply(request: Any) -> tuple[Any, ...]:
        if isinstance(request, Value):
            return (1.0,) * len(request.prompts)
        return (say("#### 24" if "Possible next" in part(request.prompt) else "24"),)

    driven = drive(Tot(evaluate="head"), QUESTION, reply)
    assert [type(request) for request in driven.asked] == [list, Value, Sample]


def test_a_search_that_runs_out_of_budget_returns_its_best_thought(drive) -> None:
    replies = iter([(say("a\nb"),), (0.1, 0.2), BudgetExceededError("no tokens are left")])

    def reply(request: Any) -> Any:
        return next(replies)

    driven = drive(Tot(evaluate="head", depth=1), QUESTION, reply)
    assert (driven.solution.answer, driven.solution.truncated) == ("b", True)


def test_a_judge_that_the_engine_does_not_have_is_refused_at_once(drive, able) -> None:
    can = replace(able, kinds=frozenset({"Sample"}))
    with pytest.raises(EngineCapabilityError, match="'Value'"):
        drive(Tot(evaluate="head"), QUESTION, lambda request: (), can)


@pytest.mark.parametrize("name", ["n_proposals", "n_evaluations"])
def test_tot_refuses_temperature_zero_with_several_samples(name) -> None:
    settings = {"propose": "sample", "n_proposals": 1, "n_evaluations": 1, "temperature": 0}
    with pytest.raises(InvalidParameterError, match=f"{name}=3"):
        Tot(**{**settings, name: 3})
    assert Tot(**settings).n_proposals == 1


def test_the_last_verdict_and_the_last_number_count() -> None:
    assert [read_value(text) for text in ("sure? no: impossible", "Likely.", "")] == [0.001, 1.0, 0.0]
    assert count_choices(["1 is good, but 2", "3", "none", "0"], 3) == [0.0, 1.0, 1.0]
