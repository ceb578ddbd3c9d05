"""Adapting models in two stages: rates, what is frozen, what is learned from, and what is reported."""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError
from calculemus.merging import culturemert
from calculemus.merging.culturemert import CultureMert
from calculemus.merging.layers import address
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, fresh, skill
from calculemus.tuning.text_task import TextTask
from calculemus.tuning.weights import weights_of

RECIPE = ArithRecipe(d_model=16, n_layers=2)
OLD, NEW = skill("max"), skill("max@b")


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    """A small model that has not learned anything."""
    return fresh(RECIPE)


def train(model: torch.nn.Module, recipe: CultureMert, seed: int = 0) -> tuple[Any, torch.nn.Module]:
    tuned = copy.deepcopy(model)
    return recipe.train(tuned, OLD, NEW, Rng(seed)), tuned


SMALL = CultureMert(first_steps=3, second_steps=2, rows=8)


def test_each_stage_warms_up_from_near_nothing_to_its_peak_and_decays_to_nothing() -> None:
    recipe = CultureMert(
        first_steps=40, second_steps=100, first_lr=1e-3, second_lr=4e-4, warmup=0.1, cooldown=0.5
    )
    first, second = (stage.fit for stage in recipe.stages())
    for fit, peak, n in ((first, 1e-3, 40), (second, 4e-4, 100)):
        rates = [fit.lr * fit.rate(step) for step in range(n)]
        assert rates[0] == pytest.approx(peak / (n * 0.1))
        assert rates[n // 10 - 1] == max(rates) == peak
        assert rates[n // 2] == peak
        assert rates[-1] == pytest.approx(peak / (n * 0.5))
        assert fit.rate(n) == 0
        assert sorted(rates[: n // 10]) == rates[: n // 10]
        assert sorted(rates[n // 2 :], reverse=True) == rates[n // 2 :]


@given(steps=st.integers(1, 500), warmup=st.floats(0.001, 1), cooldown=st.floats(0, 1))
def test_every_stage_warms_up_for_a_step_at_least(steps: int, warmup: float, cooldown: float) -> None:
    fit = CultureMert(first_steps=steps, warmup=warmup, cooldown=cooldown).stages()[0].fit
    assert fit.warmup >= 1
    assert abs(fit.warmup - warmup * steps) <= 1


def test_the_first_stage_leaves_everything_else_as_it_was_to_the_bit(model: torch.nn.Module) -> None:
    before = weights_of(model)
    _, tuned = train(model, replace(SMALL, second_steps=0))
    after = weights_of(tuned)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"model.embed_tokens.weight"}
    _, tuned = train(model, replace(SMALL, second_steps=0, first_parts=("norm", "gate")))
    parts = {address(n).part for n, w in weights_of(tuned).items() if not torch.equal(before[n], w)}
    assert parts == {"norm", "gate"}


def test_the_second_stage_trains_everything(model: torch.nn.Module) -> None:
    before = weights_of(model)
    _, tuned = train(model, replace(SMALL, first_steps=0))
    assert not any(torch.equal(before[name], after) for name, after in weights_of(tuned).items())
    assert all(weight.requires_grad for weight in tuned.parameters())


def test_no_steps_change_nothing_and_forget_nothing(model: torch.nn.Module) -> None:
    found, tuned = train(model, replace(SMALL, first_steps=0, second_steps=0))
    assert found.forgetting == 0
    assert all(torch.equal(w, weights_of(tuned)[n]) for n, w in weights_of(model).items())


def test_one_seed_gives_one_model_and_another_seed_another(model: torch.nn.Module) -> None:
    one, again, other = (weights_of(train(model, SMALL, seed)[1]) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_losses_before_and_after_are_those_of_the_models(model: torch.nn.Module) -> None:
    found, tuned = train(model, SMALL)
    assert [len(stage) for stage in found.losses] == [3, 2]
    assert found.old_before == OLD.mean_loss(model, "dev")
    assert found.old_after == OLD.mean_loss(tuned, "dev")
    assert found.new_before == NEW.mean_loss(model, "dev")
    assert found.new_after == NEW.mean_loss(tuned, "dev")
    assert found.forgetting == found.old_after - found.old_before


def test_the_loss_on_the_new_domain_falls(model: torch.nn.Module) -> None:
    found, _ = train(
        model, CultureMert(first_steps=10, second_steps=30, first_lr=1e-2, second_lr=1e-2, rows=32)
    )
    assert found.new_after < found.new_before - 0.5


def prompts(batch: Sequence[Any], tasks: Sequence[TextTask]) -> Counter[str]:
    """Count the rows of a step by the task that has their prompt."""
    owners = {row.prompt: task.name for task in tasks for row in task.train}
    found: Counter[str] = Counter()
    for part in batch:
        for ids, labels in zip(part.input_ids, part.labels, strict=True):
            asked = int((labels != -100).nonzero()[0])
            found[owners[OLD.tokenizer.decode(ids[:asked])]] += 1
    return found


@pytest.mark.parametrize(("replay", "n_old"), [(0.0, 0), (0.25, 10), (0.5, 20)])
def test_a_share_of_each_step_is_of_the_old_domain(replay: float, n_old: int) -> None:
    stream = CultureMert(replay=replay, rows=40).steps(OLD, NEW, 1.0, Rng(0))
    for _ in range(3):
        found = prompts(next(stream), (OLD, NEW))
        assert (found[OLD.name], found[NEW.name]) == (n_old, 40 - n_old)


def test_the_first_stage_learns_from_the_first_rows_alone(
    model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    original: Callable[..., Any] = culturemert.batches

    def watched(task: TextTask, rng: Rng, n: int) -> Any:
        seen.append([row.prompt for row in task.train])
        return original(task, rng, n)

    monkeypatch.setattr(culturemert, "batches", watched)
    train(model, replace(SMALL, first_share=0.25, replay=0.0))
    every = [row.prompt for row in NEW.train]
    assert seen == [every[: round(0.25 * len(every))], every]


def test_the_baseline_takes_as_many_steps_at_once() -> None:
    recipe = CultureMert(first_steps=30, second_steps=50, second_lr=2e-4)
    (stage,) = recipe.in_one_stage().stages()
    assert (stage.fit.steps, stage.fit.lr, stage.parts, stage.share) == (80, 2e-4, None, 1.0)


def test_what_cannot_be_trained_or_told_is_refused(model: torch.nn.Module) -> None:
    with pytest.raises(InvalidParameterError, match="'first_parts' is"):
        CultureMert(first_parts=("ears",))
    with pytest.raises(InvalidParameterError, match="'first_parts' is"):
        CultureMert(first_parts=())
    with pytest.raises(InvalidParameterError, match="'warmup' is 0"):
        CultureMert(warmup=0)
    with pytest.raises(InvalidParameterError, match="0 to measure on"):
        SMALL.train(model, replace(OLD, dev=[]), NEW, Rng(0))
    with pytest.raises(InvalidParameterError, match="0 rows to learn from"):
        SMALL.train(model, OLD, replace(NEW, train=[]), Rng(0))
    with pytest.raises(InvalidParameterError, match="which the first stage trains"):
        replace(SMALL, first_parts=("positions",)).train(model, OLD, NEW, Rng(0))
