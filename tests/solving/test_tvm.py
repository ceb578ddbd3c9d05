"""TVM: the beam of OVM with another head."""

import itertools
from typing import Any

import pytest

from calculemus.engine.judged import JudgedEngine
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.engine.verified import VerifiedEngine
from calculemus.errors import InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.ovm import Ovm
from calculemus.solving.tvm import Tvm

QUESTION = Problem("q", "How many?", "7")
SIZES: dict[str, Any] = {"candidates": 6, "beams": 2, "depth": 5}
BY_SYMBOL: dict[str, Any] = {"step": "tokens", "step_tokens": 1, "temperature": 1.0}


def solve(solver, engine, seed=0):
    ((_, _, solution),) = Scheduler(engine, seed=seed).solve_all(solver, [(QUESTION, 0)])
    return solution


def test_with_one_head_it_is_the_beam_of_ovm() -> None:
    draws = Rng(1, ("rewards",)).generator()
    texts = ["".join(t) for n in range(5) for t in itertools.product("123", repeat=n)]
    rewards = {text: float(draws.random()) for text in sorted(texts)}
    lm = ToyLM.random(Rng(1), "123", 4, rewards=rewards, noise=0.2)
    called_tvm = type("Tvm", (Ovm,), {})  # requests are seeded by the class's name
    for seed in range(5):
        ours = solve(Tvm(heads="tvm", **SIZES, **BY_SYMBOL), lm, seed)
        assert ours.trace == solve(called_tvm(heads="tvm", **SIZES, **BY_SYMBOL), lm, seed).trace


@pytest.mark.parametrize(
    ("heads", "answer"), [(None, "#### 8"), ("ovm", "#### 7"), ("value", "#### 7"), ("ovm+tvm", "#### 8")]
)
def test_its_own_verifier_leads_it_unless_others_are_named(heads, answer) -> None:
    texts = itertools.cycle(["#### 7", "#### 8"])
    model = ScriptedEngine(lambda prompt, seed: next(texts))
    ovm = JudgedEngine(model, lambda text: 0.6 * text.endswith("7"), "likes 7")
    tvm = JudgedEngine(model, lambda text: 0.9 * text.endswith("8"), "likes 8")
    engine = VerifiedEngine(model, {"ovm": ovm, "tvm": tvm})
    named = {} if heads is None else {"heads": heads}
    assert solve(Tvm(candidates=4, beams=2, **named), engine).answer == answer


def test_a_model_without_its_verifier_says_which_it_has() -> None:
    model = ScriptedEngine("#### 7")
    engine = VerifiedEngine(model, {"ovm": JudgedEngine(model, len, "length")})
    assert "asked of the head 'tvm'; it has ovm" in (solve(Tvm(), engine).failure or "")


def test_candidates_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="Tvm: parameters candidates=7 and beams=2"):
        Tvm(candidates=7, beams=2)
    with pytest.raises(InvalidParameterError, match="candidates / beams"):
        Tvm(temperature=0.0)
