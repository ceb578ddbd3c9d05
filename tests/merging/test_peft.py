"""Adapters, held against the peft library: what it reads of ours, and what we read of its."""

import copy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from calculemus.checkpoint import Checkpoint, with_adapter
from calculemus.merging.lora_extract import extract_lora
from calculemus.tiny.arith_family import ArithRecipe, fresh, tokenizer
from calculemus.tiny.save import save

peft = pytest.importorskip("peft")

SMALL = ArithRecipe(d_model=32, n_layers=2)
IDS = torch.tensor([[17, 20, 4, 9, 33]])


@pytest.fixture
def base(tmp_path: Path) -> tuple[PreTrainedModel, Path]:
    model = fresh(SMALL).eval()
    save(model, tokenizer(), tmp_path / "base")
    return model, tmp_path / "base"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.simplefilter("ignore")  # peft's own: of old names in what it stands on


def test_peft_reads_an_extracted_adapter_as_we_do(base: tuple[PreTrainedModel, Path], tmp_path: Path) -> None:
    model, folder = base
    tuned = copy.deepcopy(model)
    with torch.no_grad():
        for number, (name, weight) in enumerate(tuned.named_parameters()):
            if "proj" in name:
                column = torch.linspace(-1, 1, weight.shape[0] + number)[: weight.shape[0], None]
                weight += 0.3 * column @ torch.linspace(0, 1, weight.shape[1])[None]
    save(tuned, tokenizer(), tmp_path / "tuned")
    extract_lora(Checkpoint.open(tmp_path / "tuned"), Checkpoint.open(folder), 1, tmp_path / "adapter")
    read = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "adapter")
    with torch.no_grad():
        logits = read.eval()(input_ids=IDS).logits
        torch.testing.assert_close(logits, tuned(input_ids=IDS).logits, rtol=1e-4, atol=1e-4)


def test_we_read_an_adapter_of_pefts_as_it_does(base: tuple[PreTrainedModel, Path], tmp_path: Path) -> None:
    model, folder = base
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"])
    adapted = peft.get_peft_model(copy.deepcopy(model), config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.linspace(-1, 1, weight.numel()).reshape(weight.shape))
    adapted.save_pretrained(tmp_path / "adapter")
    ours = with_adapter(Checkpoint.open(folder), tmp_path / "adapter")
    merged = adapted.merge_and_unload().state_dict()
    for name in ours:
        np.testing.assert_allclose(ours.read(name), merged[name].numpy(), rtol=1e-5, atol=1e-5)
