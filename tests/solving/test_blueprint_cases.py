"""Methods that are settings of the blueprint: what they ask, keep and find."""

import itertools
import math
import re
from dataclasses import replace

import pytest

from calculemus.engine.requests import Sample, Scored
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.blueprint import Blueprint
from calculemus.solving.blueprint_cases import CASES
from calculemus.solving.journey import BACK

QUESTION = Problem("q", "How many?", "7")
STEPS = [f"step {letter}\n" for letter in "abcdefghijklmnopqrstuvwxy"]


def test_a_beam_with_judgements_asks_and_keeps_as_tree_of_thoughts_does(drive, completion) -> None:
    """Five steps of each of five states, all judged, five kept: 5 + 25 + 25 samples and judgements."""
    worth = {step: index / 25 for index, step in enumerate(STEPS)}
    taken = itertools.count()

    def reply(request):
        if isinstance(request, Sample):
            drawn = [STEPS[next(taken) * 7 % 25] for _ in range(request.n)]
            return tuple(
                completion(step, (-1.0,), str(getattr(request.prompt, "text", ""))) for step in drawn
            )
        last = re.findall(r"step \w\n?", request.prompt)[-1].strip() + "\n"
        chance = worth[last]
        return Scored(None, (math.log(chance + 1e-9),)), Scored(None, (math.log(1 - chance),))

    driven = drive(replace(CASES["tot"].settings, shots=0), QUESTION, ending_in_lines(reply))
    samples = [a for a in driven.asked if isinstance(a[0], Sample)]
    assert [(len(asked), asked[0].n) for asked in samples] == [(1, 5), (5, 5), (5, 5)]
    judged = [len(asked) for asked in driven.asked if not isinstance(asked[0], Sample)]
    assert judged == [5, 25, 25]
    nodes = driven.solution.trace.nodes
    for start, stop in ((5, 30), (30, 55)):
        before = range(5) if start == 5 else range(5, 30)
        kept = sorted(before, key=lambda i: (-nodes[i].meta["score"], i))[:5]
        assert sorted({node.parents[0] for node in nodes[start:stop]}) == sorted(kept)


def ending_in_lines(reply):
    """Let steps end as an engine ends them."""

    def answer(request):
        given = reply(request)
        if not isinstance(request, Sample):
            return given
        return tuple(replace(each, stopped_by="\n") for each in given)

    return answer


NUMBERS = [int(x) for x in Rng(3, ("numbers",)).generator().integers(0, 10, 32)]
SORTING = Problem("sort", f"Sort {' '.join(map(str, NUMBERS))}", " ".join(map(str, sorted(NUMBERS))))


def listed(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def sorter(prompt: str, seed: int) -> str:
    """Cut, sort parts and merge; two times of three a mistake is made, as another seed may not make."""
    if "numbered list" in prompt:
        parts = [NUMBERS[start : start + 8] for start in range(0, 32, 8)]
        return "\n".join(f"{n}. {' '.join(map(str, part))}" for n, part in enumerate(parts, 1))
    if "One part of it" in prompt:
        numbers = listed(prompt.rpartition("One part of it:")[2])
    else:
        numbers = listed(re.sub(r"\(\d+\)", "", prompt.rpartition("so far:")[2]))
    numbers = sorted(numbers)
    if seed % 3:
        place = seed // 3 % (len(numbers) - 1)
        numbers[place] += 1
    return " ".join(map(str, numbers))


def worth_of(text: str) -> float:
    """Less by one for each number that is not where or what it should be."""
    written = listed(text.rpartition(":")[2])
    part = "One part of it" in text
    asked = (
        text.rpartition("One part of it:")[2].partition("\n")[0] if part else text.rpartition("so far:")[2]
    )
    given = sorted(listed(re.sub(r"\(\d+\)", "", asked.partition("Put this")[0])))
    return -float(sum(a != b for a, b in zip(written, given, strict=True)))


def test_a_graph_of_thoughts_sorts_32_numbers() -> None:
    engine = ScriptedEngine(sorter, values=worth_of)
    case = replace(CASES["got"].settings, branch=12)
    ((_, _, solution),) = Scheduler(engine).solve_all(case, [(SORTING, 0)])
    assert listed(solution.answer) == sorted(NUMBERS)
    kinds = [node.kind for node in solution.trace.nodes]
    assert [kinds.count(kind) for kind in ("parts", "step", "joined")] == [1, 4 * 12, (2 + 1) * 12]
    last = max(i for i, node in enumerate(solution.trace.nodes) if node.meta.get("chosen"))
    assert len(solution.trace.nodes[last].parents) == 2
    # Of all attempts those stand that the answer was made from: the cut, 4 parts, 2 halves, the whole.
    n_words = len(sorter("numbered list", 0).split()) + 4 * 8 + 2 * 16 + 32
    assert solution.cost.tokens_out == n_words


def test_one_attempt_alone_does_not_sort_them() -> None:
    engine = ScriptedEngine(sorter, values=worth_of)
    ((_, _, solution),) = Scheduler(engine).solve_all(
        replace(CASES["got"].settings, branch=1), [(SORTING, 0)]
    )
    assert listed(solution.answer) != sorted(NUMBERS)


class Improver:
    """Writes numbers; a rewrite is one more; of two solutions it prefers the larger, with some doubt."""

    def __init__(self) -> None:
        self.engine = ScriptedEngine(self._text, scores=self._score, name="improver")

    def _text(self, prompt: str, seed: int) -> str:
        if "A solution:" in prompt:
            return f"#### {listed(prompt.rpartition('A solution:')[2])[0] + 1}"
        return f"#### {seed % 5}"

    def _score(self, prompt: str, answer: str) -> float:
        first, second = listed(prompt.rpartition("Solution A:")[2])[:2]
        chance = 1 / (1 + math.exp(second - first))
        return math.log(chance if answer == " A" else 1 - chance)


def test_rewriting_and_comparing_by_pairs_finds_the_better_solution() -> None:
    case = CASES["llama_berry"].settings
    assert case.own_scheme.scorers == ("comparison",)
    ((_, _, solution),) = Scheduler(Improver().engine).solve_all(case, [(QUESTION, 0)])
    first = [listed(node.text)[0] for node in solution.trace.nodes if node.kind == "step"]
    assert listed(solution.answer) == [max(first) + 3]  # three rounds of rewriting
    assert [node.kind for node in solution.trace.nodes].count("refined") == 3 * 4


def test_the_borda_count_is_the_mean_chance_to_be_preferred(drive, in_order) -> None:
    answer = in_order("#### 3", "#### 1", "#### 2")
    scores = Improver()._score

    def reply(request):
        if isinstance(request, Sample):
            return answer(request)
        return tuple(Scored(None, (scores(request.prompt, c),)) for c in request.continuations)

    case = Blueprint(plan="generate compare", width=3, branch=1, depth=1, step="whole")
    solution = drive(case, QUESTION, reply).solution
    chance = [[1 / (1 + math.exp(b - a)) for b in (3, 1, 2)] for a in (3, 1, 2)]
    expected = [(sum(row) - 0.5) / 2 for row in chance]
    assert [node.meta["score"] for node in solution.trace.nodes] == pytest.approx(expected)
    assert solution.answer == "#### 3"


def test_a_journey_tells_its_wrong_turns_and_the_ways_back() -> None:
    following = {"": ["bad\n", "good\n"], "bad\n": ["worse\n", "wrong\n"], "good\n": ["#### 7", "lost\n"]}
    values = {"bad\n": 0.9, "good\n": 0.8, "worse\n": 0.1, "wrong\n": 0.2, "#### 7": 0.95, "lost\n": 0.1}

    def said(prompt: str) -> str:
        return prompt.rpartition("A:")[2].rpartition("end.\n")[2].lstrip()

    def text(prompt: str, seed: int) -> str:
        return following[last_line(said(prompt))][seed % 2]

    engine = ScriptedEngine(text, values=lambda prompt: values[last_line(said(prompt))])
    case = replace(CASES["journey"].settings, scorer="value", branch=8, depth=2)
    ((_, _, solution),) = Scheduler(engine).solve_all(case, [(QUESTION, 0)])
    parts = solution.answer.split(BACK)
    assert parts[0].startswith("bad\nwrong\n")
    assert parts[-1] == "good\n#### 7"
    assert len(parts) >= 3
    assert solution.candidates == ()
    told = [node.text for node in solution.trace.nodes]
    assert {"bad\n", "good\n", "#### 7"} <= set(told)


def last_line(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return lines[-1] if lines else ""
