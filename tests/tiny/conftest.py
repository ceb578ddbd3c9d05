"""The shipped tokenizer, and a model small enough to train in a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from calculemus.rng import Rng
from calculemus.tiny import MODEL
from calculemus.tiny.model import Size, configuration, create
from calculemus.tiny.save import save

SMALL = Size(d_model=32, n_layers=2, n_heads=2, d_ff=64, vocab_size=1536)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats depend on how threads cut them up, and tests share the processor with each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture
def small(tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    return create(configuration(SMALL, tokenizer), Rng(3))


@pytest.fixture(scope="session")
def small_folder(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "model"
    save(create(configuration(SMALL, tokenizer), Rng(4)), tokenizer, folder)
    return folder
