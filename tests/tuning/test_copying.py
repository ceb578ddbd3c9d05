"""Copies of models: what they keep of the model they come from."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from calculemus.errors import CheckpointError
from calculemus.rng import Rng
from calculemus.tiny import MODEL
from calculemus.tiny.model import Size, configuration, create
from calculemus.tiny.save import save
from calculemus.tuning.copying import encoded, folder_digest, open_copy, pieces, save_copy

SMALL = Size(d_model=32, n_layers=2, n_heads=2, d_ff=64, vocab_size=1536)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copying") / "base"
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    save(create(configuration(SMALL, tokenizer), Rng(4)), tokenizer, folder)
    return folder


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a folder with a Hugging Face causal language model"):
        open_copy(tmp_path)


def test_the_digest_of_a_folder_has_weights_and_settings(base: Path, tmp_path: Path) -> None:
    save_copy(open_copy(base), base, tmp_path / "same")
    assert folder_digest(tmp_path / "same") == folder_digest(base)
    (tmp_path / "same" / "calculemus.toml").write_text('prompts = "default"\n')
    assert folder_digest(tmp_path / "same") != folder_digest(base)


def test_pieces_of_a_text_put_together_are_the_text() -> None:
    text = " Ada has 12 pens.\n"
    (parts,) = pieces(MODEL, [encoded(MODEL, text)])
    assert "".join(parts) == text
    assert parts[:2] == [" Ada", " has"]
