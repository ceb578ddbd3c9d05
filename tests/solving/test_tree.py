"""Trees of steps: what grows, what is charged, and what a beam finds, against lists of all there is."""

import itertools

import pytest

from calculemus.cost import Budget
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.ovm import Ovm
from calculemus.solving.steps import StepSplitter
from calculemus.solving.tree import Place

QUESTION = Problem("q", "How many?", "7")
BY_SYMBOL = {"step": "tokens", "step_tokens": 1, "temperature": 1.0}


def solve(solver, engine, budget=None):
    ((_, _, solution),) = Scheduler(engine, budget=budget or Budget()).solve_all(solver, [(QUESTION, 0)])
    return solution


def toy(seed: int = 1, **options) -> ToyLM:
    """Return a model of texts of up to 4 digits, with random rewards."""
    texts = {"".join(t) for n in range(5) for t in itertools.product("123", repeat=n)}
    draws = Rng(seed, ("rewards",)).generator()
    return ToyLM.random(
        Rng(seed), "123", 4, rewards={t: float(draws.random()) for t in sorted(texts)}, **options
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_keeps_everything_finds_the_best_of_all_texts(seed) -> None:
    lm = toy(seed)
    likely = {text: p for text, p in lm.texts().items() if p > 1e-3}
    best = max(likely, key=lm._reward)
    solution = solve(Ovm(candidates=6000, beams=60, depth=5, **BY_SYMBOL), lm)
    assert lm._reward(solution.answer) >= lm._reward(best)
    assert solution.answer in lm.texts()


def test_a_beam_of_one_with_one_candidate_is_plain_sampling() -> None:
    lm, law = toy(2), {}
    problems = [(Problem(f"q{i}", "How many?", "7"), 0) for i in range(4000)]
    solver = Ovm(candidates=1, beams=1, depth=5, **BY_SYMBOL)
    for _, _, solution in Scheduler(lm).solve_all(solver, problems):
        law[solution.answer] = law.get(solution.answer, 0) + 1 / len(problems)
    distance = sum(abs(law.get(text, 0) - p) for text, p in lm.texts().items()) / 2
    assert distance < 0.08


def test_with_true_values_a_narrow_beam_beats_the_mean_and_with_noise_it_does_not() -> None:
    found = {}
    for noise in (0.0, 100.0):
        lm = toy(3, noise=noise)
        problems = [(Problem(f"q{i}", "How many?", "7"), 0) for i in range(300)]
        solver = Ovm(candidates=6, beams=2, depth=5, **BY_SYMBOL)
        rewards = [lm._reward(s.answer) for _, _, s in Scheduler(lm).solve_all(solver, problems)]
        found[noise] = sum(rewards) / len(rewards)
    mean = sum(p * lm._reward(text) for text, p in lm.texts().items())
    assert found[0.0] > mean + 0.2
    assert abs(found[100.0] - mean) < 0.1


def test_all_sampled_tokens_are_charged_once_and_pruned_ones_as_discarded() -> None:
    solution = solve(Ovm(candidates=8, beams=2, depth=5, **BY_SYMBOL), toy(4))
    steps = [node for node in solution.trace.nodes if node.kind == "step"]
    assert solution.cost.tokens_out + solution.cost.tokens_discarded == len(steps)
    assert solution.cost.tokens_discarded > 0


LINES = ("a\n", "b\n", "#### 18\n")


def next_line(prompt: str, seed: int) -> str:
    """Write the line behind those that a prompt ends in."""
    written = sum(line in prompt.partition("How many?")[2] for line in LINES)
    return "".join(LINES[written:])


def test_a_short_budget_gives_the_best_so_far_and_says_so() -> None:
    engine = ScriptedEngine(next_line, values=lambda prompt: 1.0)
    whole = solve(Ovm(candidates=2, beams=1), engine)
    assert (whole.answer, whole.truncated) == ("a\nb\n#### 18\n", False)
    short = solve(Ovm(candidates=2, beams=1), engine, Budget(requests=4))
    assert (short.answer, short.truncated) == ("a\nb\n", True)


def test_without_a_whole_solution_the_deepest_places_answer() -> None:
    engine = ScriptedEngine(next_line, values=lambda prompt: 1.0)
    solution = solve(Ovm(candidates=2, beams=1, depth=2), engine)
    assert (solution.answer, solution.truncated) == ("a\nb\n", True)
    silent = solve(Ovm(candidates=2, beams=1, depth=2), ScriptedEngine("\n", values=lambda prompt: 1.0))
    assert silent.failure == "no answer in any of 2 places that the search came to"


def test_steps_go_on_behind_each_other_as_one_text() -> None:
    solution = solve(Ovm(candidates=1, beams=1), ScriptedEngine(next_line, values=lambda prompt: 1.0))
    assert solution.answer == "a\nb\n#### 18\n"
    assert [node.text for node in solution.trace.nodes] == list(LINES)


def test_repeats_come_behind_all_others() -> None:
    values = {"good": 0.9, "poor": 0.1}
    texts = itertools.cycle(["good\n", "good\n", "good\n", "poor\n"])
    engine = ScriptedEngine(
        lambda prompt, seed: next(texts), values=lambda prompt: values[prompt.rstrip()[-4:]]
    )
    solution = solve(Ovm(candidates=4, beams=2, depth=2, temperature=1.0), engine)
    grown = {node.parents for node in solution.trace.nodes if node.parents}
    assert len({solution.trace.nodes[parent].text for (parent,) in grown}) == 2


def test_merged_places_share_out_what_is_drawn_best_first() -> None:
    members = tuple(Place("p", value=value) for value in (0.1, 0.9, 0.5))
    place = Place("p", members=members)
    assert [(member.value, n) for member, n in place.spread(4)] == [(0.9, 2), (0.5, 1), (0.1, 1)]
    assert [(member.value, n) for member, n in place.spread(1)] == [(0.9, 1)]


def test_candidates_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="candidates=7 and beams=2"):
        Ovm(candidates=7, beams=2)


def test_an_engine_without_values_is_refused_before_anything_is_spent() -> None:
    lm = ToyLM.random(Rng(1), "123", 4)
    assert "scoring by 'value'" in (solve(Ovm(), lm).failure or "")
    with pytest.raises(EngineCapabilityError, match="'value'"):
        Scheduler(lm).check(Ovm(), QUESTION)


@pytest.mark.parametrize(
    ("kind", "pieces", "ends"),
    [
        ("line", ["\n", "a", "\n", "b\n", "c"], [3, 4, 5]),
        ("paragraph", ["a", "\n", "\nb", "c"], [3, 4]),
        ("tokens", ["a"] * 5, [2, 4, 5]),
        ("whole", ["a", "\n", "\n\n"], [3]),
        ("tag", ["<st", "ep>x</", "step>", "y"], [3, 4]),
    ],
)
def test_steps_end_with_the_token_that_completes_their_end(kind, pieces, ends) -> None:
    assert StepSplitter(kind, 2 if kind == "tokens" else 100).ends(pieces) == ends
