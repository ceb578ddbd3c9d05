"""Eccentric prompts: sixty hand-written system messages against one that an optimiser writes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calculemus.params import AtLeast, Configured
from calculemus.rng import Rng
from calculemus.solving.prompt_bench import PromptBench, Tally
from calculemus.solving.prompt_grid import (
    Against,
    Chosen,
    Effect,
    PromptGrid,
    Slot,
    against_empty,
    choose,
    effects,
)
from calculemus.solving.prompt_search import PromptOptimizer, Tuned
from calculemus.stats import PairedEstimate, compare

GRID = PromptGrid(
    (
        Slot(
            "opener",
            (
                "",
                "You are good at arithmetic.",
                "You are a patient teacher who likes numbers.",
                "You are the finest calculator that was ever built.",
                "You are the navigator of a ship that is lost among the stars.",
            ),
        ),
        Slot(
            "task",
            (
                "",
                "Solve the following problem.",
                "You will get a question from a school book; answer it with a number.",
            ),
        ),
        Slot(
            "closer",
            (
                "",
                "This is going to be fun!",
                "Take your time and be careful.",
                "A great deal depends on your answer.",
            ),
        ),
    )
)
"""5 openers, 3 task descriptions and 4 closers, each with nothing at all among them."""

THINK = "Let us think step by step."


@dataclass(frozen=True)
class Study(Configured):
    """Base of experiments that are methods of their own: they measure something and say what it shows."""


@dataclass(frozen=True)
class GridReport:
    """What the grid came to.

    Attributes:
        prompts: Each against the empty one, on all problems.
        main: What each snippet is worth.
        interactions: What two snippets do beyond that.
        chosen: The best prompt by the development half, and its gain on the test half.
        merged: Whether system messages went into the user's turn, as the model knows no system role.
        best: The best hand-written prompt on the test half.
        tuned: What the optimiser came to; None without one.
        optimised: Its prompt against the best hand-written one on the test half; None without one.
    """

    prompts: list[Against]
    main: list[Effect]
    interactions: list[Effect]
    chosen: Chosen
    merged: bool
    best: Tally
    tuned: Tuned | None
    optimised: PairedEstimate | None


@dataclass(frozen=True)
class Eccentric(Study):
    """Try every combination of snippets as the system message, and hold an optimiser against the best.

    Source: Battle and Gollapudi 2024, arXiv:2402.10949, sections 3 and 4, with snippets of our own. All
    prompts are asked on the same problems with the same seeds. Single prompts and effects are corrected for
    their number, and the best one is scored on the half that did not choose it.

    Attributes:
        think: Begin the answer with a request to think step by step.
        resamples: Of the test of each effect.
    """

    think: bool = False
    resamples: Annotated[int, AtLeast(100)] = 2000

    @property
    def grid(self) -> PromptGrid:
        """The 60 system messages."""
        return GRID

    def run(
        self,
        bench: PromptBench,
        rng: Rng,
        optimizer: PromptOptimizer | None = None,
        grid: PromptGrid | None = None,
    ) -> GridReport:
        """Measure all prompts.

        Args:
            bench: Its development set is the half that chooses, its test set the other. Its place and what
                answers begin with are replaced.
            rng: Of the tests and the optimiser.
            optimizer: Begins with the best hand-written prompt; None for none.
            grid: Other prompts than the 60.
        """
        grid = grid or self.grid
        bench.place = "system"
        bench.solver = type(bench.solver).from_params(
            {**bench.solver.params(), "think": THINK if self.think else ""}
        )
        on_dev = [bench.on_dev(prompt) for prompt in grid.prompts]
        on_test = [bench.on_test(prompt) for prompt in grid.prompts]
        choosing, held_out = (np.array([tally.outcomes for tally in half]) for half in (on_dev, on_test))
        chosen = choose(grid, choosing, held_out)
        outcomes = np.concatenate([choosing, held_out], axis=1)
        best = on_test[chosen.index]
        tuned = optimizer.optimize(bench, [best.instruction], rng.child("optimizer")) if optimizer else None
        return GridReport(
            prompts=against_empty(grid, outcomes),
            main=effects(grid, outcomes, 1, rng, self.resamples),
            interactions=effects(grid, outcomes, 2, rng, self.resamples),
            chosen=chosen,
            merged=any(tried.is_merged for tally in on_dev for tried in tally.tried),
            best=best,
            tuned=tuned,
            optimised=compare(best.outcomes, tuned.test.outcomes) if tuned else None,
        )
