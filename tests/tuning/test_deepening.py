"""New layers behind a model's own, and models that run some of their layers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from calculemus.engine.base import Job
from calculemus.engine.requests import Sample
from calculemus.engine.torch_engine import TorchEngine
from calculemus.errors import CheckpointError
from calculemus.rng import Rng
from calculemus.tiny import MODEL
from calculemus.tiny.model import Size, configuration, create
from calculemus.tiny.save import save
from calculemus.tuning.copying import open_copy, save_copy
from calculemus.tuning.deepening import deepen, only_layers, streams_of
from calculemus.tuning.value_rows import Labelled
from calculemus.tuning.valuing import ValueFit, fit_verifier

SMALL = Size(d_model=32, n_layers=2, n_heads=2, d_ff=64, vocab_size=1536)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deepening") / "base"
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    save(create(configuration(SMALL, tokenizer), Rng(4)), tokenizer, folder)
    return folder


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([[300, 301, 302, 20]])).logits


def test_new_layers_change_nothing_before_they_are_trained(base: Path) -> None:
    model = open_copy(base)
    before = logits(model)
    deepen(model, 2)
    assert model.config.num_hidden_layers == len(model.model.layers) == 4
    torch.testing.assert_close(logits(model), before)


def test_new_layers_count_once_they_are_trained(base: Path) -> None:
    model = open_copy(base)
    before = logits(model)
    deepen(model, 1)
    torch.nn.init.normal_(model.model.layers[-1].mlp.down_proj.weight)
    assert not torch.allclose(logits(model), before)


def test_a_deeper_copy_is_opened_and_writes_what_the_base_writes(base: Path, tmp_path: Path) -> None:
    model = open_copy(base)
    deepen(model, 1)
    save_copy(model, base, tmp_path / "copy")
    texts = []
    for folder in (base, tmp_path / "copy"):
        engine = TorchEngine(folder, rows=2)
        engine.submit([Job(0, Sample("Q: Ada has 3 pens.\nA:"), (0,))])
        texts.append(engine.wait()[0].reply[0].ids)
        facts = engine.capabilities.facts
        engine.close()
    assert texts[0] == texts[1]
    assert (facts["n_layers"], facts["prompts"]) == (3, "tiny")


def test_only_models_of_the_llama_kind_get_new_layers() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9))
    deepen(model, 0)
    with pytest.raises(CheckpointError, match="adding layers to a GPT2LMHeadModel"):
        deepen(model, 1)


ROWS = [Labelled((300, 301, 302, 20), 1, (1.0, 0.0, 0.0)), Labelled((310, 20, 21), 2, (1.0,), count=2)]
FIT = ValueFit(lm_weight=0, dropout=0, dtype="float32", rows=2, epochs=3.0, lr=1e-2)


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_the_layers_up_to_one_and_those_from_there_on_are_the_whole_model(base: Path, stop: int) -> None:
    model = open_copy(base)
    whole = model.eval().base_model(input_ids=torch.tensor([ROWS[0].ids]), use_cache=False)[0]
    (stream, _) = streams_of(model, [row.ids for row in ROWS], stop)
    with only_layers(model, stop, 2):
        rest = model.base_model(inputs_embeds=stream[None], use_cache=False)[0]
    torch.testing.assert_close(rest, whole)
    torch.testing.assert_close(
        model.base_model(input_ids=torch.tensor([ROWS[0].ids]), use_cache=False)[0], whole
    )


def test_layers_come_back_after_an_error(base: Path) -> None:
    model = open_copy(base)
    seen = []

    def run() -> None:
        with only_layers(model, 0, 1):
            seen.append((len(model.model.layers), model.config.num_hidden_layers))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert seen == [(1, 1)]
    assert len(model.model.layers) == model.config.num_hidden_layers == 2


def test_training_the_top_alone_leaves_the_body_as_it_was(base: Path) -> None:
    model = open_copy(base)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    fit_verifier(model, ROWS, replace(FIT, top=1), Rng(0))
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name == "model.norm.weight" or name.startswith("model.layers.1.") for name in changed)


def test_the_top_learns_from_the_loss_of_the_whole(base: Path) -> None:
    whole, top, all_layers = (
        fit_verifier(open_copy(base), ROWS, replace(FIT, top=top), Rng(0)) for top in (0, 1, 9)
    )
    assert top.losses[0] == pytest.approx(whole.losses[0], rel=1e-5)
    assert all_layers.losses[0] == pytest.approx(whole.losses[0], rel=1e-5)
    assert top.losses[-1] < top.losses[0]
