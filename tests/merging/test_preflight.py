"""What is found before a merge: each fault alone, and nothing where there is none."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calculemus.checkpoint import Checkpoint
from calculemus.merging.alignment import align_models
from calculemus.merging.preflight import Report, preflight
from calculemus.merging.preflight_costs import Speed
from calculemus.merging.preflight_findings import Finding

SPEED = Speed(1e6, 2e6)
TOKENS = "abcdefgh"
EMBED, Q, K = "model.embed_tokens.weight", *(f"model.layers.0.self_attn.{p}_proj.weight" for p in "qk")
SHAPES = {EMBED: (8, 4), Q: (4, 4), K: (2, 4), "model.norm.weight": (4,)}
CONFIG = {
    "model_type": "llama",
    "vocab_size": 8,
    "tie_word_embeddings": True,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
}
Change = Callable[[Path], None]


def write(folder: Path, seed: int, near: Path | None = None, dtype: Any = np.float32) -> Path:
    """A model, or one near another."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    tensors = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    if near is not None:
        origin = load_file(near / "model.safetensors")
        tensors = {name: origin[name] + 0.1 * array for name, array in tensors.items()}
    save_file({name: array.astype(dtype) for name, array in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    vocab = {token: at for at, token in enumerate(TOKENS)}
    table = {"model": {"type": "WordLevel", "vocab": vocab}, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(table))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "a", "chat_template": "x"}))
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    base = write(tmp_path / "base", 1)
    return base, write(tmp_path / "one", 2, base), write(tmp_path / "two", 3, base)


def look(base: Path | None, *models: Path, **options: Any) -> Report:
    opened = [Checkpoint.open(folder) for folder in models]
    return preflight(opened, Checkpoint.open(base) if base is not None else None, speed=SPEED, **options)


def test_nothing_is_found_where_all_is_well(folders: tuple[Path, Path, Path]) -> None:
    base, one, two = folders
    for report in (look(base, one, two), look(None, one, two)):
        assert report.findings == ()
        assert report.is_ready


def tensors(change: Callable[[dict[str, np.ndarray]], Any]) -> Change:
    def apply(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file(found, folder / "model.safetensors")

    return apply


def table(name: str, **changes: Any) -> Change:
    def apply(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**found, **changes}))

    return apply


def vocabulary(tokens: Mapping[str, int], **changes: Any) -> Change:
    return table("tokenizer.json", model={"type": "WordLevel", "vocab": dict(tokens)}, **changes)


def both(*changes: Change) -> Change:
    def apply(folder: Path) -> None:
        for change in changes:
            change(folder)

    return apply


def rows(n: int) -> Change:
    def resize(found: dict[str, np.ndarray]) -> None:
        found[EMBED] = np.resize(found[EMBED], (n, 4))

    return both(tensors(resize), table("config.json", vocab_size=n))


def spoil(name: str, value: float) -> Change:
    return tensors(lambda found: found[name].__setitem__((0, 0), value))


def cast(dtype: Any) -> Change:
    return tensors(lambda found: found.update({n: a.astype(dtype) for n, a in found.items()}))


SWAPPED = {token: at for at, token in enumerate("bacdefgh")}
ALIGN = "calculemus align .*one --to .*base --out one-aligned"
FAULTS: dict[str, tuple[Change, str, str, str]] = {
    "a missing tensor": (
        tensors(lambda found: found.pop(Q)),
        "error",
        "names",
        r"one lacks 1 \(model\.layers\.0\.self_attn\.q_proj\.weight\); expected the same names",
    ),
    "other heads in the shapes": (
        tensors(lambda found: found.update({K: np.zeros((4, 4), np.float32)})),
        "error",
        "shapes",
        r"\(2, 4\) in .* and \(4, 4\) in .*other numbers of key and value heads",
    ),
    "rows of padding": (rows(16), "error", "vocabulary", f"one has 16 rows .*base has 8; .*{ALIGN}"),
    "ids in another order": (
        vocabulary(SWAPPED),
        "error",
        "vocabulary",
        rf"2 tokens mean other rows, such as row 0: 'b' and 'a'; .*{ALIGN}",
    ),
    "a token in place of another": (
        vocabulary({**{t: i for i, t in enumerate("abcdefg")}, "z": 7}),
        "error",
        "vocabulary",
        "1 tokens mean other rows, such as row 7: 'z' and 'h'; 2 tokens are in one of them alone",
    ),
    "fewer tokens in as many rows": (
        vocabulary({t: i for i, t in enumerate("abcdefg")}),
        "warning",
        "vocabulary",
        f"1 tokens are in .* alone, where the other has padding.*{ALIGN}",
    ),
    "more ids than rows": (
        vocabulary({t: i for i, t in enumerate("abcdefghi")}),
        "error",
        "vocabulary",
        "has ids up to 8, its embeddings 8 rows",
    ),
    "a tokenizer of another kind": (
        table("tokenizer.json", decoder={"type": "ByteLevel"}),
        "error",
        "tokenizer",
        "one are byte-level, those of .*base plain",
    ),
    "a broken tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{") and None,
        "error",
        "tokenizer",
        r"tokenizer\.json: .*; expected a JSON object",
    ),
    "no tokenizer": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        "note",
        "tokenizer",
        r"one has no tokenizer\.json",
    ),
    "a configuration of another size": (
        table("config.json", vocab_size=9),
        "warning",
        "vocabulary",
        'says 9 tokens and its embeddings have 8 rows.*Write "vocab_size": 8',
    ),
    "another end": (
        table("tokenizer_config.json", eos_token="b"),
        "warning",
        "special tokens",
        "eos_token 'b' and 'a'",
    ),
    "another chat template": (
        lambda folder: (folder / "chat_template.jinja").write_text("y") and None,
        "note",
        "chat template",
        "the merged model gets that of .*base",
    ),
    "a head of its own": (
        tensors(lambda found: found.update({"lm_head.weight": found[EMBED] + 1})),
        "error",
        "tied head",
        "base ties its head to its embeddings, .*one has a head of its own; .*align .*base --to .*one",
    ),
    "another number format": (cast(np.float16), "note", "number formats", "one is mostly F16"),
    "whole numbers": (cast(np.int16), "error", "number formats", "is F32 in .*base and I16 in"),
    "bytes": (cast(np.int8), "error", "quantised", "is I8; expected floating-point numbers"),
    "a quantised configuration": (
        table("config.json", quantization_config={"quant_method": "gptq"}),
        "error",
        "quantised",
        r"its configuration says so \(gptq\)",
    ),
    "an adapter": (
        tensors(lambda found: found.update({"q_proj.lora_A.weight": np.zeros((2, 2), np.float32)})),
        "error",
        "adapter",
        "one is an adapter: .*Name the model that it was trained on as --base",
    ),
    "NaN": (spoil(Q, np.nan), "error", "numbers", r"q_proj\.weight' in model\.safetensors"),
    "infinity": (spoil(K, -np.inf), "error", "numbers", "infinite or none"),
    "another rotation": (
        table("config.json", rope_theta=500000.0),
        "warning",
        "configuration",
        r"rope_theta\) is 500000\.0 in .*one and 10000\.0 in .*base",
    ),
    "another scaling": (
        table("config.json", rope_scaling={"type": "linear", "factor": 2}),
        "warning",
        "configuration",
        r"rope_scaling\) is .*linear",
    ),
    "other heads in the configuration": (
        table("config.json", num_attention_heads=4),
        "error",
        "configuration",
        "the number of heads is 4 in .*one and 2 in .*base",
    ),
    "another epsilon": (
        table("config.json", rms_norm_eps=1e-5),
        "warning",
        "configuration",
        "the epsilon of norms is 1e-05",
    ),
    "a broken configuration": (
        lambda folder: (folder / "config.json").write_text("[]") and None,
        "error",
        "headers",
        r"config\.json: found a list",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_with_what_mends_it(fault: str, folders: tuple[Path, Path, Path]) -> None:
    change, severity, topic, pattern = FAULTS[fault]
    base, one, two = folders
    change(one)
    report = look(base, one, two)
    found = [finding for finding in report.findings if (finding.severity, finding.topic) == (severity, topic)]
    assert found, report.findings
    assert any(matches(pattern, finding) for finding in found), found
    assert report.is_ready == (not report.errors)
    if severity == "error":
        assert not report.is_ready


def matches(pattern: str, finding: Finding) -> bool:
    return re.search(pattern, str(finding)) is not None


def test_a_newer_form_of_the_rotation_is_the_same(folders: tuple[Path, Path, Path]) -> None:
    base, one, two = folders
    newer = {"rope_theta": 10000.0, "rope_type": "default"}
    table("config.json", rope_theta=None, rope_parameters=newer)(one)
    assert look(base, one, two).findings == ()


def test_what_alignment_gives_has_no_errors_left(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, one, two = folders
    both(rows(16), vocabulary(SWAPPED))(one)
    tensors(lambda found: found.update({"lm_head.weight": found[EMBED] + 1}))(two)
    models = [Checkpoint.open(one), Checkpoint.open(two)]
    assert not preflight(models, Checkpoint.open(base), speed=SPEED).is_ready
    aligned = align_models(models, Checkpoint.open(base), "base", tmp_path / "work")
    report = preflight(aligned.models, aligned.base, speed=SPEED)
    assert report.errors == []


def test_rows_in_another_order_say_nothing_about_ancestors(folders: tuple[Path, Path, Path]) -> None:
    base, one, two = folders
    vocabulary(SWAPPED)(one)
    tensors(lambda found: found.update({EMBED: found[EMBED][::-1].copy()}))(one)
    assert look(base, one, two).warnings == []
    only_rows = base.with_name("only-rows")
    shutil.copytree(base, only_rows)
    tensors(lambda found: found.update({EMBED: found[EMBED] + 1}))(only_rows)
    assert look(base, only_rows).findings == ()


def test_a_report_is_plain_values_with_the_worst_first(folders: tuple[Path, Path, Path]) -> None:
    base, one, two = folders
    both(cast(np.float16), spoil(Q, np.nan), table("config.json", rms_norm_eps=1e-5))(one)
    record = look(base, one, two).record()
    assert [finding["severity"] for finding in record["findings"]] == ["error", "warning", "note"]
    assert record["is_ready"] is False
    assert json.loads(json.dumps(record)) == record
