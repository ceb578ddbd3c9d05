"""OVM: how candidates are shared out, how wholes compete, and what noise in its verifier does to the beam."""

import itertools
from typing import Any

import pytest

from calculemus.engine.requests import Sample, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.oracle import is_on_track, noisy_truth
from calculemus.solving.ovm import Ovm

QUESTION = Problem("q", "How many?", "7")


class Watched(Ovm):
    """Keeps the requests that it makes."""

    def search(self, tree):
        asked = self.__dict__.setdefault("asked", [])
        inner, reply = super().search(tree), None
        while True:
            try:
                request = inner.send(reply)
            except StopIteration:
                return
            asked.append(request)
            reply = yield request


def solve(solver, engine):
    ((_, _, solution),) = Scheduler(engine).solve_all(solver, [(QUESTION, 0)])
    return solution


def test_the_root_draws_all_candidates_and_each_beam_its_share() -> None:
    engine = ScriptedEngine(lambda prompt, seed: f"{seed}\n", values=lambda prompt: 0.5)
    solver = Watched(candidates=12, beams=3, depth=3)
    solve(solver, engine)
    shares = [[s.n for s in asked] for asked in solver.__dict__["asked"] if isinstance(asked[0], Sample)]
    assert shares == [[12], [4, 4, 4], [4, 4, 4]]
    heads = {v.head for asked in solver.__dict__["asked"] for v in asked if isinstance(v, Value)}
    assert heads == {"value"}


@pytest.mark.parametrize(("later", "answer"), [(0.9, "so\n#### 8\n"), (0.3, "#### 7\n")])
def test_a_whole_solution_stays_and_competes_with_later_ones(later, answer) -> None:
    lines = itertools.cycle(["#### 7\n", "so\n"])
    engine = ScriptedEngine(
        lambda prompt, seed: "#### 8\n" if prompt.endswith("so\n") else next(lines),
        values=lambda prompt: {"7\n": 0.5, "so": 0.4, "8\n": later}.get(prompt[-2:], 0.4),
    )
    assert solve(Ovm(candidates=4, beams=2), engine).answer == answer


def test_the_search_ends_where_all_beams_are_whole() -> None:
    solver = Watched(candidates=4, beams=2)
    solve(solver, ScriptedEngine("#### 7\n", values=lambda prompt: 0.5))
    assert len(solver.__dict__["asked"]) == 2  # one round: steps, values


def test_what_the_beam_gains_falls_to_nothing_as_its_verifier_gets_noisier() -> None:
    draws = Rng(3, ("rewards",)).generator()
    texts = ["".join(t) for n in range(5) for t in itertools.product("123", repeat=n)]
    rewards = {text: float(draws.random()) for text in sorted(texts)}
    by_symbol: dict[str, Any] = {"step": "tokens", "step_tokens": 1, "temperature": 1.0, "depth": 5}
    gains = []
    for sigma in (0.0, 1.0, 50.0):
        lm, found = ToyLM.random(Rng(3), "123", 4, rewards=rewards, noise=sigma), []
        for group in range(8):  # of errors
            solver = Ovm(candidates=6, beams=2, heads=f"head {group}", **by_symbol)
            problems = [(Problem(f"q{i}", "How many?", "7"), 0) for i in range(10)]
            found += [rewards[s.answer] for _, _, s in Scheduler(lm).solve_all(solver, problems)]
        mean = sum(p * rewards[text] for text, p in lm.texts().items())
        gains.append(sum(found) / len(found) - mean)
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 0.2
    assert abs(gains[-1]) < 0.1


SUM = Problem("p", "2 and 3 and 4?", "9", "It is <<2+3=5>>5.\nThen <<5+4=9>>9.\n#### 9")


@pytest.mark.parametrize(
    ("text", "is_on"),
    [
        ("", True),
        ("Say <<2+3=5>>5.\n", True),
        ("Say <<2+3=6>>6.\n", False),
        ("<<2+3=5>>5, again <<2+3=5>>5.\n", False),
        ("<<2+3=5>>5.\n#### 9", True),
        ("<<2+3=5>>5.\n#### 5", False),
    ],
)
def test_the_truth_knows_which_steps_lead_to_the_solution(text, is_on) -> None:
    assert is_on_track(SUM, text) is is_on
    assert noisy_truth([SUM], 0.0)(f"Q: {SUM.question}\nA:{text}") == float(is_on)


def test_noise_is_the_same_for_a_text_and_as_large_as_said() -> None:
    judge = noisy_truth([SUM], 0.5)
    prompts = [f"Q: {SUM.question}\nA: {i}" for i in range(2000)]
    errors = [judge(prompt) - 1 for prompt in prompts]
    assert errors == [judge(prompt) - 1 for prompt in prompts]
    assert abs(sum(errors) / 2000) < 0.05
    assert sum(error**2 for error in errors) / 2000 == pytest.approx(0.25, rel=0.1)
