"""Inputs that go through layers of several models, and the evolution of their way."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.merging.calibration import Trial
from calculemus.merging.evo_flow import EvoFlow, Flow, Visit, flowing, loaded
from calculemus.merging.executor import Executor
from calculemus.merging.racing import Race
from calculemus.merging.structure import plan_edit
from calculemus.rng import Rng
from calculemus.tiny.arith_family import ArithRecipe, tokenizer
from calculemus.tiny.arith_family import fresh as fresh_llama
from calculemus.tiny.guessing import GuessFamily, guess_family
from calculemus.tiny.save import save
from calculemus.tuning.weights import weights_of


@pytest.fixture(scope="module")
def guesses(tmp_path_factory: pytest.TempPathFactory) -> GuessFamily:
    return guess_family(tmp_path_factory.mktemp("guesses"), 3)


@pytest.fixture
def trial(guesses: GuessFamily) -> Trial:
    return Trial(guesses.model(), guesses.base, guesses.experts, guesses.tasks, Rng(0, ("test",)))


def llama(folder: Path, seed: int) -> tuple[PreTrainedModel, Checkpoint]:
    model = fresh_llama(ArithRecipe(d_model=32, n_layers=3, seed=seed)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 4 if weight.dim() == 2 else 1  # so that layers say something
    save(model, tokenizer(), folder)
    return model, Checkpoint.open(folder)


@pytest.fixture(scope="module")
def llamas(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[PreTrainedModel, Checkpoint]]:
    return [llama(tmp_path_factory.mktemp("llama") / str(seed), seed) for seed in (0, 1)]


IDS = torch.arange(2, 12).reshape(2, 5)


def said(model: nn.Module, **kwargs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False, **kwargs).logits


def flow_of(*visits: tuple[int, int] | tuple[int, int, float]) -> Flow:
    return Flow(tuple(Visit(*visit) for visit in visits))


FLOWS = [
    flow_of((0, 0), (0, 1), (0, 2)),
    flow_of((0, 0), (0, 1), (0, 1), (0, 2), (0, 0)),
    flow_of((0, 0), (1, 1), (0, 2)),
    flow_of((1, 0), (0, 2)),
    flow_of((0, 0, 1.0), (1, 1, 0.8), (0, 2, 1.3), (1, 2, 0.9)),
]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_is_the_model_that_its_passthrough_makes(flow: Flow, llamas: Any, tmp_path: Path) -> None:
    Executor().merge(
        plan_edit(flow.passthrough(), [checkpoint for _, checkpoint in llamas]), tmp_path / "made"
    )
    made = AutoModelForCausalLM.from_pretrained(tmp_path / "made", dtype=torch.float32).eval()
    with flowing([model for model, _ in llamas], flow) as model:
        # Norms have an epsilon, which a scale on the stream moves.
        torch.testing.assert_close(said(model), said(made), rtol=1e-3, atol=1e-3)


def test_a_flow_with_scales_is_not_the_flow_without(llamas: Any) -> None:
    models = [model for model, _ in llamas]
    with flowing(models, FLOWS[-1]) as model:
        scaled = said(model)
    plain = Flow(tuple(Visit(visit.model, visit.layer) for visit in FLOWS[-1].visits))
    with flowing(models, plain) as model:
        assert float((said(model) - scaled).abs().max()) > 0.05


def test_each_visit_has_a_cache_slot_of_its_own(llamas: Any) -> None:
    models = [model for model, _ in llamas]
    with flowing(models, FLOWS[1]) as model, torch.no_grad():
        whole = said(model)
        first: Any = model(input_ids=IDS[:, :3], use_cache=True)
        rest: Any = model(input_ids=IDS[:, 3:], past_key_values=first.past_key_values, use_cache=True)
    torch.testing.assert_close(torch.cat([first.logits, rest.logits], dim=1), whole, rtol=1e-4, atol=1e-4)


def test_a_model_is_as_it_was_behind_a_flow_even_one_that_failed(llamas: Any) -> None:
    models = [model for model, _ in llamas]
    before = said(models[0])
    names = [name for name, _ in models[0].named_modules()]
    with pytest.raises(ZeroDivisionError), flowing(models, FLOWS[-1]):
        _ = 1 / 0
    assert [name for name, _ in models[0].named_modules()] == names
    assert models[0].config.num_hidden_layers == 3
    assert torch.equal(said(models[0]), before)
    assert not models[1].model.layers[1]._forward_pre_hooks


def test_no_weight_is_copied_for_a_flow(llamas: Any) -> None:
    models = [model for model, _ in llamas]
    with flowing(models, FLOWS[1]) as model:
        own = {weight.data_ptr() for weight in models[0].parameters()}
        assert {weight.data_ptr() for weight in model.parameters()} <= own


def test_the_genome_of_the_first_model_is_its_flow() -> None:
    layers = [(0, 0), (0, 1), (1, 0), (1, 1)]
    method = EvoFlow(repeats=2)
    start = method.start(layers)
    assert len(start) == 4 * 2 + 4 * 4
    assert method.flow(start, layers) == flow_of((0, 0), (0, 1))
    assert method.flow(-np.ones(24), layers) is None


def test_a_scale_depends_on_the_layer_before_and_the_one_behind() -> None:
    layers = [(0, 0), (1, 0)]
    genes = np.array([1.0, -1.0, -1.0, 1.0, 0.0, np.log(2.0), np.log(3.0), 0.0])
    found = EvoFlow(repeats=2).flow(genes, layers)
    assert found is not None
    first, second = found.visits
    assert (first, second.model, second.layer) == (Visit(0, 0), 1, 0)
    assert second.scale == pytest.approx(2.0)


def test_a_search_for_a_flow_is_never_worse_than_the_first_model_and_goes_on(trial: Trial) -> None:
    method = EvoFlow(repeats=1, generations=2, population=6)
    found = method.search(trial)
    models = [loaded(trial.model, weights) for weights in trial.tuned_weights]
    alone = Race(trial.tasks).run(models[0])
    assert found.fitness >= alone
    with flowing(models, found.flow) as model:
        assert Race(trial.tasks).run(model) == pytest.approx(found.fitness)
    half = replace(method, generations=1).search(trial)
    assert method.search(trial, half.told).told == found.told


@pytest.mark.parametrize("visits", [(), (Visit(0, 0), Visit(0, 1, -1.0)), (Visit(0, 0, 0.0),)])
def test_flows_without_layers_or_with_signs_are_refused(visits: Any) -> None:
    with pytest.raises(InvalidParameterError, match="making a flow"):
        Flow(visits)


def test_a_model_without_a_list_of_layers_is_refused() -> None:
    with (
        pytest.raises(CheckpointMismatchError, match="no list of layers"),
        flowing([nn.Linear(2, 2)], flow_of((0, 0))),
    ):
        pass


def test_loading_other_weights_leaves_the_model_alone(llamas: Any) -> None:
    (one, _), (other, _) = llamas
    made = loaded(one, weights_of(other))
    assert torch.equal(said(made), said(other))
    assert not torch.equal(said(made), said(one))
