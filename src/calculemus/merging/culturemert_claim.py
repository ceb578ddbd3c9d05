"""Two stages against one: what is forgotten and what is learned; and single adaptations added up.

The old domain are three skills that the base has mastered. The new ones are two of these in another writing,
and a skill that is new. Units are runs with weights and rows of their own, since runs differ more than rows.
"""

import copy
from dataclasses import replace
from functools import cache

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.merging.culturemert import CultureMert
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithFamily, ArithRecipe, arith_family, together
from calculemus.tuning.blending import Blend
from calculemus.tuning.text_task import TextTask
from calculemus.tuning.threads import one_thread
from calculemus.tuning.weights import Weights, carrying, weights_of

ONE, TWO = "one stage", "culturemert"
SUMMED, BASE = "task_arithmetic", "base"
_LOSS = "loss, in nats a token"
FORGETS = Contrast("what the old domain costs", ONE, TWO, "lower", metric=_LOSS, on="old")
LEARNS = Contrast("what the new domains cost", ONE, TWO, "equal", margin=0.05, metric=_LOSS, on="new")
ADDS_UP = Contrast(
    "single adaptations added up, on the new domains", TWO, SUMMED, "equal", 0.2, _LOSS, on="new"
)
KEEPS = Contrast(
    "single adaptations added up, on the old domain", BASE, SUMMED, "equal", 0.05, _LOSS, on="old"
)

OLD = ("max", "sort", "copy")
NEW = ("max+sort@b", "reverse")
SCALES = (0.3, 0.5, 0.7, 1.0)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Adapt the base of each run and take the loss on test rows of the old or of the new domains."""
    task = domains(OLD if contrast.on == "old" else NEW, lab.size)
    n_runs = 2 if lab.size == "smoke" else 4

    def loss(seed: int) -> float:
        model = family(seed, lab.size).model()
        with one_thread(), carrying(model, adapted(arm, seed, lab.size)):
            return task.mean_loss(model, "test")

    return Measured(
        {
            f"run {number}": tuple(loss(seed * n_runs + number) for seed in lab.seeds)
            for number in range(n_runs)
        }
    )


def domains(skills: tuple[str, ...], size: str) -> TextTask:
    """Return the task of some domains; where seconds count, with few rows to measure on."""
    task = together(skills)
    if size != "smoke":
        return task
    return replace(task, dev=task.dev[::20], test=task.test[::20])


def family(seed: int, size: str) -> ArithFamily:
    """Return the base of a run; there are no experts beside it."""
    if size == "smoke":
        return arith_family(ArithRecipe(OLD, (), base_steps=20, d_model=16, n_layers=1, seed=seed))
    return arith_family(ArithRecipe(OLD, (), base_steps=200, d_model=32, seed=seed))


def recipe(size: str) -> CultureMert:
    """Return how the bases are adapted."""
    short = CultureMert(first_steps=6, second_steps=6, rows=32)
    return short if size == "smoke" else CultureMert()


@cache  # contrasts share models
def adapted(arm: str, seed: int, size: str) -> Weights:
    """Return the weights of the model of an arm."""
    if arm == BASE:
        return weights_of(family(seed, size).model())
    if arm == SUMMED:
        return added_up(seed, size)
    way = recipe(size) if arm == TWO else recipe(size).in_one_stage()
    return trained(way, NEW, seed, size)


def trained(way: CultureMert, new: tuple[str, ...], seed: int, size: str) -> Weights:
    """Return the weights of the base, adapted to new domains."""
    model = copy.deepcopy(family(seed, size).model())
    with one_thread():
        way.train(model, domains(OLD, size), domains(new, size), Rng(seed, ("culturemert", *new)))
    return weights_of(model)


def added_up(seed: int, size: str) -> Weights:
    """Return the base and the task vectors of single adaptations, by the scale that is best on dev rows.

    All of them together take as many steps as the one that learns the domains at once.
    """
    way = recipe(size)
    single = replace(way, first_steps=way.first_steps // len(NEW), second_steps=way.second_steps // len(NEW))
    model = family(seed, size).model()
    blend = Blend(model, weights_of(model), [trained(single, (domain,), seed, size) for domain in NEW])
    sums = [blend.weights(blend.start(scale)) for scale in SCALES]
    task = domains((*OLD, *NEW), size)

    def loss(weights: Weights) -> float:
        with carrying(model, weights):
            return task.mean_loss(model, "dev")

    with one_thread():
        return min(sums, key=loss)


CLAIM = Claim((FORGETS, LEARNS, ADDS_UP, KEEPS), control=FORGETS.without_treatment(), measure=measure)
