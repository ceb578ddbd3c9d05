"""``calculemus merge``: recipes and methods, what is printed, what lies in the folder, what is refused."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calculemus import cli
from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.dtypes import DTYPES
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.checkpoint.header import NewTensor, write_header
from calculemus.merging.recipe import read_recipe
from calculemus.tiny import MODEL

pytest.importorskip("numba", reason="merging needs the extra merge")


@dataclass(frozen=True)
class Tinies:
    """The shipped model as a base, and two models near it."""

    base: str
    a: str
    b: str

    @property
    def flags(self) -> list[str]:
        return ["--base", self.base, "--model", self.a, "--model", self.b]


@pytest.fixture(scope="session")
def tinies(tmp_path_factory: pytest.TempPathFactory) -> Tinies:
    folder = tmp_path_factory.mktemp("tinies")
    return Tinies(str(MODEL), *(str(_near(folder / name, seed)) for seed, name in enumerate("ab", start=1)))


def _near(folder: Path, seed: int) -> Path:
    """Write a model near the shipped one."""
    shutil.copytree(MODEL, folder)
    model, rng = Checkpoint.open(MODEL), np.random.default_rng(seed)
    names = list(model)
    arrays = [model.read(name) for name in names]
    moved = [array + 0.01 * array.std() * rng.normal(size=array.shape) for array in arrays]
    tensors = [NewTensor(name, DTYPES["F32"], array.shape) for name, array in zip(names, arrays, strict=True)]
    head, _ = write_header(tensors, {"format": "pt"})
    data = b"".join(array.astype("<f4").tobytes() for array in moved)
    (folder / "model.safetensors").write_bytes(head + data)
    return folder


def merge(*tokens: str) -> int:
    return cli.run(["merge", *tokens])


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_method_with_flags_merges_as_its_recipe_does(
    tinies: Tinies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--density", "0.5", "--weight", "1", "--weight", "-0.5", "--out", str(tmp_path / "one")]
    assert merge("ties", *tinies.flags, *flags) == 0
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'method = "ties"\nbase = "{tinies.base}"\nparameters = {{density = 0.5}}\n'
        f'[[models]]\nmodel = "{tinies.a}"\nweight = 1\n[[models]]\nmodel = "{tinies.b}"\nweight = -0.5\n'
    )
    assert merge(str(recipe), "--out", str(tmp_path / "two")) == 0
    yaml = tmp_path / "m.yml"
    yaml.write_text(
        f"merge_method: ties\nbase_model: {tinies.base}\nparameters: {{density: 0.5}}\nmodels:\n"
        f"- {{model: {tinies.a}, parameters: {{weight: 1}}}}\n"
        f"- {{model: {tinies.b}, parameters: {{weight: -0.5}}}}\n"
    )
    assert merge(str(yaml), "--out", str(tmp_path / "three")) == 0
    assert weights(tmp_path / "one") == weights(tmp_path / "two") == weights(tmp_path / "three")
    # What lies beside the weights makes the same model again.
    assert merge(str(tmp_path / "one" / "calculemus_recipe.toml"), "--out", str(tmp_path / "four")) == 0
    assert weights(tmp_path / "four") == weights(tmp_path / "one") != weights(Path(tinies.a))
    assert "ties differs from mergekit in weights" in capsys.readouterr().err


def test_the_figures_are_printed_for_people_and_for_machines(
    tinies: Tinies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merge("linear", *tinies.flags, "--out", str(tmp_path / "m")) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"merged by linear into {tmp_path / 'm'}: 47 tensors\n")
    for word in (" s, ", " read, ", " written, ", "B/s", "of memory at most"):
        assert word in out.splitlines()[1]
    flags = ["--out", str(tmp_path / "j"), "--json", "--dtype", "bfloat16"]
    assert merge("linear", *tinies.flags, *flags) == 0
    facts = json.loads(capsys.readouterr().out)
    merged = Checkpoint.open(tmp_path / "j")
    assert {entry.dtype.name for entry in merged.entries.values()} == {"BF16"}
    assert facts["bytes_written"] == merged.n_bytes
    assert facts["bytes_read"] == 2 * Checkpoint.open(tinies.a).n_bytes
    assert facts["bytes_per_second"] == pytest.approx(
        (facts["bytes_read"] + facts["bytes_written"]) / facts["seconds"]
    )
    assert facts["peak_bytes"] > merged.n_bytes
    assert facts["fingerprint"] == fingerprint(merged)
    assert facts["parents"] == [
        {"role": role, "name": name, "fingerprint": fingerprint(Checkpoint.open(name))}
        for role, name in (("base", tinies.base), ("model", tinies.a), ("model", tinies.b))
    ]


def test_the_model_card_has_recipe_parents_and_method(tinies: Tinies, tmp_path: Path) -> None:
    assert merge("dare_ties", *tinies.flags, "--seed", "7", "--out", str(tmp_path / "m")) == 0
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    recipe = tmp_path / "m" / "calculemus_recipe.toml"
    assert recipe.read_text("utf-8").strip() in card
    assert read_recipe(recipe).seed == 7
    for name in (tinies.base, tinies.a, tinies.b, str(tmp_path / "m")):
        assert fingerprint(Checkpoint.open(name)) in card
    assert "library_name: transformers" in card
    assert "https://arxiv.org/abs/2311.03099" in card
    assert "base_model" not in card  # the hub would look for folders of this machine
    # The prompts that a model was trained on go with it.
    assert (tmp_path / "m" / "calculemus.toml").read_text() == (MODEL / "calculemus.toml").read_text()


def test_an_interrupted_merge_goes_on_when_it_is_run_again(
    tinies: Tinies, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*tinies.flags, "--threads", "1"]
    assert merge("ties", *flags, "--out", str(tmp_path / "whole")) == 0
    out, pwrite, calls = tmp_path / "m", os.pwrite, iter(range(20))

    def until_stopped(*args: Any) -> int:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return pwrite(*args)

    monkeypatch.setattr(os, "pwrite", until_stopped)
    assert merge("ties", *flags, "--out", str(out)) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not list(out.glob("*.safetensors"))
    monkeypatch.undo()
    assert merge("ties", *flags, "--out", str(out), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert 0 < facts["n_resumed"] < facts["n_tensors"]
    assert weights(out) == weights(tmp_path / "whole")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )


def test_the_folder_is_named_after_the_recipe_or_the_method(
    tinies: Tinies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(f'method = "passthrough"\n[[models]]\nmodel = "{tinies.a}"\n')
    assert merge("mine.toml") == 0
    assert weights(Path("mine-merged")) == weights(Path(tinies.a))
    assert merge("passthrough", "--model", tinies.b, "--slices", "0[0:5]") == 0
    assert weights(Path("passthrough-merged")) == weights(Path(tinies.b))


def test_aligning_models_of_one_vocabulary_changes_no_token(tinies: Tinies, tmp_path: Path) -> None:
    assert merge("linear", *tinies.flags, "--out", str(tmp_path / "m")) == 0
    expected = Checkpoint.open(tmp_path / "m")
    tokenizer = json.loads((MODEL / "tokenizer.json").read_text("utf-8"))
    n_tokens = 1 + max([*tokenizer["model"]["vocab"].values(), *(t["id"] for t in tokenizer["added_tokens"])])
    for policy in ("base", "union", tinies.a):
        out = tmp_path / f"to-{Path(policy).name}"
        assert merge("linear", *tinies.flags, "--tokenizer", policy, "--out", str(out)) == 0
        merged = Checkpoint.open(out)
        for name in expected:
            n_rows = n_tokens if "embed" in name else None
            np.testing.assert_array_equal(merged.read(name)[:n_rows], expected.read(name)[:n_rows])
        assert read_recipe(out / "calculemus_recipe.toml").tokenizer == policy
        assert not (out / ".vocabulary").exists()


def test_the_help_of_a_method_shows_its_parameters_as_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert merge("della", "--help") == 0
    out = capsys.readouterr().out
    for word in (
        "--epsilon",
        "--no-normalize",
        "--density",
        "--base",
        "--weight",
        "--eval",
        "Mean chance of",
    ):
        assert word in out
    assert merge("--help") == 0
    assert "RECIPE" in capsys.readouterr().out


def test_a_method_of_one_s_own_has_flags_too(
    tinies: Tinies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from calculemus.merging.finding import get_merge

    card = Path(get_merge("linear").card.path).read_text("utf-8").replace('id = "linear"', 'id = "shrunk"')
    card = card.replace("calculemus.merging.linear:Linear", "shrunk:Shrunk").replace("aliases", "# aliases")
    (tmp_path / "shrunk.toml").write_text(card, "utf-8")
    (tmp_path / "shrunk.py").write_text(
        "from dataclasses import dataclass\n"
        "from calculemus.merging.base import TensorMerge\n\n\n"
        "@dataclass(frozen=True)\n"
        "class Shrunk(TensorMerge):\n"
        '    """A model that is made smaller.\n\n'
        "    Attributes:\n"
        "        by: What it is divided by.\n"
        '    """\n\n'
        "    by: float = 1.0\n\n"
        "    def merge(self, part, found):\n"
        "        return part.inputs[0] / self.by\n"
    )
    name = "model.norm.weight"
    for number, path in enumerate((["--path", str(tmp_path)], [f"--path={tmp_path}"])):
        out = tmp_path / f"m{number}"
        assert merge("shrunk", "--model", tinies.a, "--by", "4", *path, "--out", str(out)) == 0
        assert (Checkpoint.open(out).read(name) == Checkpoint.open(tinies.a).read(name) / 4).all()
    capsys.readouterr()
    assert merge("shrunk", "--help", "--path", str(tmp_path)) == 0
    assert "What it is divided by." in capsys.readouterr().out


FIRST_BYTE = """
import sys
from calculemus.cli import run
status = run(sys.argv[1:])
loaded = sorted({"torch", "transformers", "safetensors", "sympy"} & set(sys.modules))
print(status, *loaded)
"""


def test_a_merge_imports_neither_torch_nor_transformers(tinies: Tinies, tmp_path: Path) -> None:
    tokens = ["merge", "ties", *tinies.flags, "--out", str(tmp_path / "m"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_BYTE, *tokens], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.slow
def test_the_merged_model_loads_in_transformers_and_computes_the_mean(tinies: Tinies, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "m"
    assert merge("linear", "--model", tinies.a, "--model", tinies.b, "--out", str(out)) == 0
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    parents = [transformers.AutoModelForCausalLM.from_pretrained(path) for path in (tinies.a, tinies.b)]
    state, *others = (one.state_dict() for one in (model, *parents))
    for name, numbers in state.items():
        expected = (others[0][name] + others[1][name]) / 2
        torch.testing.assert_close(numbers, expected, rtol=1e-6, atol=1e-7)
    ids = tokenizer("Q: What is 3 plus 4?\nA:", return_tensors="pt")["input_ids"]
    assert model(ids).logits.isfinite().all()
    assert tokenizer.decode(ids[0]) == transformers.AutoTokenizer.from_pretrained(MODEL).decode(ids[0])


@pytest.mark.slow
def test_eval_measures_the_merged_model_beside_its_parents(
    tinies: Tinies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="local models need the extra torch")
    measured = ["--eval", "generated:level=2,n=12", "--store", str(tmp_path / "s.db")]
    assert merge("linear", *tinies.flags, *measured, "--out", str(tmp_path / "m"), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    systems = {system["name"]: system for system in facts["comparison"]["systems"]}
    assert list(systems) == [f"cot@{name}" for name in (tinies.base, tinies.a, tinies.b, tmp_path / "m")]
    # Near the shipped model, and asked as it was taught: nearly all are solved.
    assert all(system["accuracy"] > 0.7 for system in systems.values())
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    for name, system in systems.items():
        low, high = (100 * system[end] for end in ("ci_low", "ci_high"))
        assert f"| {name} | {100 * system['accuracy']:.1f} | [{low:.1f}, {high:.1f}] |" in card
    assert merge("ties", *tinies.flags, *measured, "--out", str(tmp_path / "t")) == 0
    out = capsys.readouterr().out
    assert "merged by ties" in out
    assert f"cot@{tmp_path / 't'}" in out
