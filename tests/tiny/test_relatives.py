"""Relatives: made once, found again, named by what made them, of any model."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from calculemus.errors import InvalidParameterError
from calculemus.tiny import RELATIVES, relative
from calculemus.tiny.data import Mixture
from calculemus.tiny.kept import cache_folder
from calculemus.tiny.relatives import KINDS, REHEARSED, Relative, key, make
from calculemus.tiny.train import Recipe

QUICK = Relative(Mixture(levels=(1,), weights=(1.0,)), Recipe(steps=2, rows=8, parts=1))


def parameters(folder: Path) -> int:
    return sum(weight.numel() for weight in load_file(folder / "model.safetensors").values())


def test_a_relative_is_trained_once_and_then_found(small_folder: Path, tmp_path: Path) -> None:
    made = make("quick", QUICK, small_folder, tmp_path)
    written = (made / "model.safetensors").stat().st_mtime_ns
    assert make("quick", QUICK, small_folder, tmp_path) == made
    assert (made / "model.safetensors").stat().st_mtime_ns == written
    assert [folder.name for folder in tmp_path.iterdir()] == [made.name]


def test_an_expert_has_the_shape_of_its_base_and_other_weights(small_folder: Path, tmp_path: Path) -> None:
    made = make("quick", QUICK, small_folder, tmp_path)
    base, tuned = (load_file(folder / "model.safetensors") for folder in (small_folder, made))
    assert {n: w.shape for n, w in base.items()} == {n: w.shape for n, w in tuned.items()}
    assert any(not base[name].equal(tuned[name]) for name in base)
    assert AutoTokenizer.from_pretrained(made)("Q: 1")["input_ids"]


def test_the_same_relative_made_elsewhere_has_the_same_bits(small_folder: Path, tmp_path: Path) -> None:
    one, other = (make("quick", QUICK, small_folder, tmp_path / place) for place in "ab")
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_a_drafter_is_far_smaller_and_loads(small_folder: Path, tmp_path: Path) -> None:
    made = make("drafter", Relative(QUICK.mixture, QUICK.recipe, is_fresh=True), small_folder, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(made)
    assert model.config.hidden_size == 16
    assert model.config.num_hidden_layers == 1
    assert parameters(made) < 0.55 * parameters(small_folder)  # the embedding can only halve


def test_a_key_depends_on_the_weights_and_on_every_setting(small_folder: Path, tmp_path: Path) -> None:
    made = make("quick", QUICK, small_folder, tmp_path)
    others = [
        Relative(Mixture(levels=(1,), weights=(1.0,), seed=1), QUICK.recipe),
        Relative(QUICK.mixture, Recipe(steps=3, rows=8, parts=1)),
        Relative(QUICK.mixture, QUICK.recipe, is_fresh=True),
        Relative(QUICK.mixture, QUICK.recipe, rehearsal=0.5),
    ]
    keys = {key(QUICK, small_folder), key(QUICK, made), *(key(other, small_folder) for other in others)}
    assert len(keys) == 6


def test_a_relative_that_only_rehearses_learns_what_the_base_did(small_folder: Path, tmp_path: Path) -> None:
    rehearsing = make("all", Relative(QUICK.mixture, QUICK.recipe, rehearsal=1.0), small_folder, tmp_path)
    learning = make("none", Relative(REHEARSED, QUICK.recipe), small_folder, tmp_path)
    quick = make("quick", QUICK, small_folder, tmp_path)
    weights = [load_file(folder / "model.safetensors") for folder in (rehearsing, learning, quick)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    assert any(not weights[0][name].equal(weights[2][name]) for name in weights[0])


def test_every_expert_rehearses() -> None:
    assert {name for name, kind in KINDS.items() if not 0 < kind.rehearsal < 1} == {"drafter"}


def test_training_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    base = tmp_path / "empty"
    base.mkdir()
    with pytest.raises((OSError, ValueError)):
        make("quick", QUICK, base, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unknown_relative_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameterError, match="none named 'cousin'; expected one of drafter"):
        relative("cousin")


def test_the_door_names_the_relatives_that_there_are() -> None:
    assert tuple(KINDS) == RELATIVES


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "calculemus" / "tiny"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "calculemus" / "tiny"
