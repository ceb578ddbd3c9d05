"""The grid of prompts: its texts, its estimates against least squares, its statistics without an effect."""

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError, StatisticsError
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.eccentric import GRID, THINK, Eccentric
from calculemus.solving.pe2 import Pe2
from calculemus.solving.prompt_bench import PromptBench
from calculemus.solving.prompt_grid import PromptGrid, Slot, against_empty, choose, effects
from calculemus.stats import holm, mcnemar

SMALL = PromptGrid((Slot("a", ("", "x")), Slot("b", ("", "y", "z"))))
DEV, TEST = (
    ProblemSet(name, tuple(Problem(f"{name}/{i}", f"{name} {i} + 1?", str(i + 1)) for i in range(8)))
    for name in ("dev", "test")
)


def test_the_grid_has_sixty_different_texts_and_the_empty_one_first() -> None:
    prompts = GRID.prompts
    assert GRID.shape == (5, 3, 4)
    assert len(set(prompts)) == len(prompts) == 60
    assert prompts[0] == ""
    assert all(slot.snippets[0] == "" for slot in GRID.slots)
    assert prompts[-1] == " ".join(slot.snippets[-1] for slot in GRID.slots)
    assert [GRID.text(levels) for levels in GRID.cells] == prompts


def test_snippets_that_make_one_text_twice_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="4 combinations make 3 texts"):
        PromptGrid((Slot("a", ("", "x")), Slot("b", ("", "x"))))


def least_squares(grid: PromptGrid, means: Any) -> dict[tuple[tuple[str, int], ...], float]:
    """Fit main effects and interactions of two, each summing to nothing over a slot, by least squares."""
    names, columns = [], []

    def coded(slot: int, level: int) -> Any:
        """Return the column of a level; the last one is minus the sum of the others."""
        last = grid.shape[slot] - 1
        return np.array([(c[slot] == level) - float(c[slot] == last) for c in grid.cells])

    for size in (0, 1, 2):
        for slots in combinations(range(len(grid.slots)), size):
            for levels in product(*(range(grid.shape[slot] - 1) for slot in slots)):
                column = np.ones(len(grid.cells))
                for slot, level in zip(slots, levels, strict=True):
                    column = column * coded(slot, level)
                columns.append(column)
                names.append(tuple((grid.slots[s].name, n) for s, n in zip(slots, levels, strict=True)))
    fitted, *_ = np.linalg.lstsq(np.array(columns).T, means, rcond=None)
    return dict(zip(names, fitted.tolist(), strict=True))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_effects_are_those_of_least_squares(seed) -> None:
    for grid in (SMALL, GRID):
        outcomes = Rng(seed).generator().random((len(grid.cells), 3))
        fitted = least_squares(grid, outcomes.mean(axis=1))
        for order in (1, 2):
            for effect in effects(grid, outcomes, order, Rng(0), resamples=100)[:8]:
                if effect.levels in fitted:
                    assert effect.delta == pytest.approx(fitted[effect.levels], abs=1e-12)


def test_a_snippet_that_helps_is_found_and_the_others_are_not() -> None:
    draws = Rng(3).generator()
    chance = np.array([0.4 + 0.25 * (levels[0] == 1) for levels in GRID.cells])
    outcomes = (draws.random((60, 120)) < chance[:, None]).astype(float)
    main = effects(GRID, outcomes, 1, Rng(0))
    found = [effect.levels for effect in main if effect.corrected < 0.05]
    assert (("opener", 1),) in found
    assert all(levels[0][0] == "opener" for levels in found)
    best = next(effect for effect in main if effect.levels == (("opener", 1),))
    assert best.delta == pytest.approx(0.25 * 4 / 5, abs=0.03)
    assert min(effect.corrected for effect in effects(GRID, outcomes, 2, Rng(0))) > 0.05


def test_two_snippets_that_help_together_alone_are_an_interaction() -> None:
    together = np.array([float(levels == (1, 2)) for levels in SMALL.cells])
    outcomes = np.repeat(together[:, None], 10, axis=1)
    found = {e.levels: e for e in effects(SMALL, outcomes, 2, Rng(0))}
    assert found[("a", 1), ("b", 2)].delta == pytest.approx(1 / 3)
    assert found[("a", 0), ("b", 2)].delta == pytest.approx(-1 / 3)


def nothing_matters(seed: int, n: int = 50) -> Any:
    """Return outcomes of 60 prompts none of which does anything, on problems of several difficulties."""
    draws = Rng(seed, ("null",)).generator()
    return (draws.random((60, n)) < draws.uniform(0.2, 0.8, n)).astype(float)


def test_where_nothing_matters_the_corrected_test_keeps_its_level_and_the_naive_best_shows_a_gain() -> None:
    rejected, naive, held_out = 0, [], []
    for seed in range(200):
        outcomes = nothing_matters(seed)
        rejected += min(row.corrected for row in against_empty(GRID, outcomes)) < 0.05
        found = choose(GRID, outcomes, nothing_matters(10_000 + seed))
        naive.append(found.naive)
        held_out.append(found.corrected)
    assert rejected <= 10
    assert np.mean(naive) > 0.1
    assert min(naive) >= 0
    assert abs(np.mean(held_out)) < 3 * np.std(held_out) / np.sqrt(200)


def test_effects_keep_their_level_where_nothing_matters() -> None:
    rejected = [
        min(e.corrected for e in effects(GRID, nothing_matters(seed, 24), 1, Rng(seed), resamples=400)) < 0.05
        for seed in range(60)
    ]
    assert sum(rejected) <= 8  # 3 expected; more than 8 with probability 0.003


def test_prompts_against_the_empty_one_are_paired_and_corrected() -> None:
    outcomes = np.array([[0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 0, 1], *([[0, 0, 0, 0, 1, 1]] * 4)], dtype=float)
    rows = against_empty(SMALL, outcomes)
    assert [row.prompt for row in rows] == SMALL.prompts[1:]
    assert rows[0].p_value == mcnemar(1, 4)
    assert rows[0].delta == pytest.approx(3 / 6)
    assert [row.corrected for row in rows] == holm([row.p_value for row in rows])


def test_a_grid_without_the_empty_prompt_or_with_other_outcomes_is_refused() -> None:
    with pytest.raises(StatisticsError, match="none of them is empty"):
        against_empty(PromptGrid((Slot("a", ("x", "y")),)), np.ones((2, 4)))
    with pytest.raises(StatisticsError, match=r"have the shape \(5, 4\); expected 6 prompts"):
        effects(SMALL, np.ones((5, 4)), 1, Rng(0))


def bench(say: Any, chat: bool = False, system: bool = True) -> PromptBench:
    engine = ScriptedEngine(say, chat_template=chat)
    facts = {**engine.capabilities.facts, "system_role": system}
    engine.capabilities = replace(engine.capabilities, facts=facts)
    return PromptBench(engine, DEV, TEST)


def by_the_letter(prompt: str, seed: int) -> str:
    """Be right where the message has a z, and on every second problem with a y."""
    number = int(prompt.rpartition(" + 1?")[0].rpartition(" ")[2])
    message = prompt.partition("Q:")[0]
    is_right = "z" in message or ("y" in message and number % 2)
    return f"#### {number + 1 if is_right else 0}"


def test_the_study_measures_all_prompts_on_the_same_problems_and_the_optimiser_on_the_other_half() -> None:
    asked: list[str] = []

    def say(prompt: str, seed: int) -> str:
        if "The prompt now" in prompt:
            return "<prompt>w</prompt>"
        asked.append(prompt)
        return by_the_letter(prompt, seed)

    report = Eccentric().run(bench(say), Rng(0), Pe2(steps=1), SMALL)
    assert len(asked) == len(set(asked)) == 6 * 16
    assert SMALL.prompts[report.chosen.index] == "z"
    assert (report.chosen.naive, report.chosen.corrected, report.best.score) == (1.0, 1.0, 1.0)
    assert report.tuned is not None
    assert report.optimised is not None
    assert (report.tuned.winner.instruction, report.optimised.delta) == ("z", 0.0)
    assert not report.merged


def test_thinking_step_by_step_is_asked_for_at_the_beginning_of_the_answer() -> None:
    asked: list[str] = []
    at = bench(lambda prompt, seed: asked.append(prompt) or "#### 1")
    Eccentric(think=True).run(at, Rng(0), grid=SMALL)
    assert all(prompt.endswith(f"\nA: {THINK}\n") for prompt in asked)
    assert asked[-1].startswith("x z\n\nQ: ")


def test_a_model_without_a_system_role_is_recorded() -> None:
    for system in (True, False):
        at = bench(lambda prompt, seed: "#### 1", chat=True, system=system)
        assert Eccentric().run(at, Rng(0), grid=SMALL).merged is not system
