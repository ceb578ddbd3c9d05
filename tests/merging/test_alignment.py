"""Models of other vocabularies as models of one: row by row, against tables made by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from safetensors.numpy import load_file, save_file

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.events import Note, listening
from calculemus.merging.alignment import align_models
from calculemus.merging.executor import Executor
from calculemus.merging.linear import Linear
from calculemus.merging.plan import plan_merge
from calculemus.merging.task_arithmetic import TaskArithmetic
from calculemus.merging.vocabulary import read_vocabulary

EMBED, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
WIDTH = 3


def tokenizer(tokens: Sequence[str], added: Sequence[str] = (), kind: str = "WordLevel") -> dict[str, Any]:
    """A tokenizer whose ids are the places of the tokens; added ones follow."""
    vocab: Any = {token: at for at, token in enumerate(tokens)}
    model: dict[str, Any] = {"type": kind, "vocab": vocab}
    if kind == "Unigram":
        model |= {"vocab": [[token, -1.0 - at] for at, token in enumerate(tokens)], "unk_id": 0}
    if kind == "BPE":
        model["merges"] = [[token[:-1], token[-1]] for token in tokens if len(token) > 1]
    if kind == "WordLevel":
        model["unk_token"] = tokens[0]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    records = [{"id": len(tokens) + n, "content": token, **flags} for n, token in enumerate(added)]
    return {"version": "1.0", "added_tokens": records, "model": model}


def write(
    folder: Path,
    table: Mapping[str, Any],
    seed: int,
    *,
    rows: int | None = None,
    head: bool = False,
    config: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """A model with random numbers; a row of its embeddings for each token, if no more are asked for."""
    folder.mkdir(parents=True)
    vocab = table["model"]["vocab"]
    n = rows or len(vocab) + len(table["added_tokens"])
    rng = np.random.default_rng(seed)
    names = [EMBED, *([HEAD] if head else [])]
    tensors = {name: rng.normal(size=(n, WIDTH)).astype(np.float16) for name in names}
    tensors[NORM] = rng.normal(size=WIDTH).astype(np.float16)
    save_file(tensors, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(json.dumps(table))
    settings = {"vocab_size": n, "tie_word_embeddings": not head, **(config or {})}
    (folder / "config.json").write_text(json.dumps(settings))
    return Checkpoint.open(folder)


def embeddings(model: Checkpoint) -> np.ndarray:
    return model.read(EMBED)


def merged(models: Sequence[Checkpoint], base: Checkpoint | None, folder: Path) -> Checkpoint:
    method = TaskArithmetic() if base is not None else Linear()
    Executor(threads=1).merge(plan_merge(method, models, base), folder)
    return Checkpoint.open(folder)


@pytest.mark.parametrize("rows", [None, 16])
def test_models_of_one_vocabulary_are_returned_as_they_are(rows: int | None, tmp_path: Path) -> None:
    table = tokenizer("abcd", ["<end>"])
    base, one, two = (
        write(tmp_path / name, table, seed, rows=rows) for seed, name in enumerate(["base", "one", "two"])
    )
    for policy in ("base", "union", "source:one"):
        found = align_models([one, two], base, policy, tmp_path / "work")
        assert found.models == (one, two)
        assert found.models[0] is one
        assert found.base is base
        assert found.n_missing == (0, 0, 0)
    assert not (tmp_path / "work").exists()


def test_a_permuted_vocabulary_merges_with_itself_to_the_model_in_the_bases_order(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tokenizer("abcdef"), 1, head=True)
    order = [3, 0, 5, 1, 4, 2]
    other = write(tmp_path / "other", tokenizer(["abcdef"[i] for i in order]), 2, head=True)
    tensors = load_file(base.folder / "model.safetensors")
    save_file(
        {NORM: tensors[NORM]} | {name: tensors[name][order] for name in (EMBED, HEAD)},
        other.folder / "model.safetensors",
    )
    found = align_models([Checkpoint.open(other.folder), base], None, "source:base", tmp_path / "work")
    result = merged(found.models, None, tmp_path / "merged")
    for name in base:
        assert result.read_bytes(name) == base.read_bytes(name)
    assert json.loads((result.folder / "tokenizer.json").read_text()) == tokenizer("abcdef")


def test_a_token_that_a_model_lacks_gets_the_bases_row_and_a_token_more_is_left_out(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tokenizer("abcd"), 1)
    tuned = write(tmp_path / "tuned", tokenizer("dxb"), 2)
    with listening(notes := Notes()):
        found = align_models([tuned], base, "base", tmp_path / "work")
    (aligned,) = found.models
    assert found.base is base
    assert found.n_missing == (2, 0)
    expected = embeddings(base).copy()
    expected[3], expected[1] = embeddings(tuned)[0], embeddings(tuned)[2]
    np.testing.assert_array_equal(embeddings(aligned), expected)
    assert aligned.read_bytes(NORM) == tuned.read_bytes(NORM)
    assert aligned.config["vocab_size"] == 4
    assert any("lacks 2 of 4 tokens" in text and "1 of its own" in text for text in notes.texts)


class Notes:
    """Keeps what users are told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: object) -> None:
        if isinstance(event, Note):
            self.texts.append(event.message)


def test_a_token_that_only_others_have_gets_their_mean_in_a_union(tmp_path: Path) -> None:
    one = write(tmp_path / "one", tokenizer("ab"), 1)
    two = write(tmp_path / "two", tokenizer("bc"), 2)
    three = write(tmp_path / "three", tokenizer("cda"), 3)
    found = align_models([one, two, three], None, "union", tmp_path / "work")
    assert found.vocabulary.ids == {"a": 0, "b": 1, "c": 2, "d": 3}
    a, b, c = map(embeddings, (one, two, three))
    mean_a, mean_b, mean_c = (a[0] + c[2]) / 2, (a[1] + b[0]) / 2, (b[1] + c[0]) / 2
    tables = [
        [a[0], a[1], mean_c, c[1]],
        [mean_a, b[0], b[1], c[1]],
        [c[2], mean_b, c[0], c[1]],
    ]
    for model, table in zip(found.models, tables, strict=True):
        np.testing.assert_array_equal(embeddings(model), np.array(table).astype(np.float16))
    backwards = align_models([three, two, one], None, "union", tmp_path / "backwards")
    at = [backwards.vocabulary.ids[token] for token in "abcd"]
    np.testing.assert_array_equal(embeddings(backwards.models[2])[at], embeddings(found.models[0]))


def test_a_token_of_one_model_alone_keeps_its_row_through_a_merge_with_a_base(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tokenizer("ab"), 1)
    one = write(tmp_path / "one", tokenizer("ab", ["<tool>"]), 2)
    two = write(tmp_path / "two", tokenizer("ba"), 3)
    found = align_models([one, two], base, "union", tmp_path / "work")
    result = merged(found.models, found.base, tmp_path / "merged")
    np.testing.assert_array_equal(embeddings(result)[2], embeddings(one)[2])
    loaded = tokenizers.Tokenizer.from_file(str(result.folder / "tokenizer.json"))
    assert loaded.token_to_id("<tool>") == 2
    assert result.config["vocab_size"] == 3


def test_padding_is_cut_added_and_used_up(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tokenizer("abc"), 1, rows=4)
    padded = write(tmp_path / "padded", tokenizer("abc"), 2, rows=8)
    bare = write(tmp_path / "bare", tokenizer("abc"), 3)
    found = align_models([padded, bare], base, "base", tmp_path / "work")
    np.testing.assert_array_equal(embeddings(found.models[0]), embeddings(padded)[:4])
    np.testing.assert_array_equal(embeddings(found.models[1])[:3], embeddings(bare))
    np.testing.assert_array_equal(embeddings(found.models[1])[3], embeddings(base)[3])
    more = write(tmp_path / "more", tokenizer("abcd"), 4)
    assert align_models([more], base, "union", tmp_path / "more-work").n_rows == 4
    many = write(tmp_path / "many", tokenizer("abcdefg"), 5)
    grown = align_models([many], base, "union", tmp_path / "many-work")
    assert grown.n_rows == 8, "the base's rows are padded to a multiple of four"
    assert not embeddings(grown.models[0])[7].any()


def test_a_tied_model_gets_a_head_where_another_has_one(tmp_path: Path) -> None:
    table = tokenizer("abc")
    tied, untied = write(tmp_path / "tied", table, 1), write(tmp_path / "untied", table, 2, head=True)
    found = align_models([tied, untied], None, "union", tmp_path / "work")
    assert found.models[1] is untied
    assert found.models[0].read_bytes(HEAD) == tied.read_bytes(EMBED)
    assert found.models[0].config["tie_word_embeddings"] is False
    merged(found.models, None, tmp_path / "merged")
    swapped = write(tmp_path / "swapped", tokenizer("cba"), 3)
    both = align_models([swapped], untied, "base", tmp_path / "both").models[0]
    np.testing.assert_array_equal(both.read(HEAD), embeddings(swapped)[::-1])


def test_ids_of_special_tokens_and_the_tokenizers_files_are_those_of_the_vocabulary(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tokenizer("ab", ["<end>"]), 1, config={"eos_token_id": 2})
    other = write(
        tmp_path / "other",
        tokenizer("ab", ["<stop>", "<end>"]),
        2,
        config={"eos_token_id": 3, "pad_token_id": 2},
    )
    (base.folder / "chat_template.jinja").write_text("base says")
    (other.folder / "chat_template.jinja").write_text("other says")
    (other.folder / "special_tokens_map.json").write_text("{}")
    (other.folder / "modeling_other.py").write_text("")
    (aligned,) = align_models([other], base, "base", tmp_path / "work").models
    assert aligned.config["eos_token_id"] == 2
    assert "pad_token_id" not in aligned.config
    assert (aligned.folder / "chat_template.jinja").read_text() == "base says"
    assert not (aligned.folder / "special_tokens_map.json").exists()
    assert (aligned.folder / "modeling_other.py").exists()


@pytest.mark.parametrize("kind", ["WordLevel", "BPE", "Unigram"])
def test_a_united_tokenizer_has_every_token_and_is_read_by_the_library(kind: str, tmp_path: Path) -> None:
    one = write(tmp_path / "one", tokenizer(["a", "b", "ab"], ["<s>"], kind), 1)
    two = write(tmp_path / "two", tokenizer(["b", "c", "bc", "a", "abc"], ["<t>", "<s>"], kind), 2)
    if kind == "BPE":
        path = two.folder / "tokenizer.json"
        table = json.loads(path.read_text())
        table["model"]["merges"] = ["b c", "a bc"]
        path.write_text(json.dumps(table))
    found = align_models([one, two], None, "union", tmp_path / "work")
    assert list(found.vocabulary.ids)[:4] == ["a", "b", "ab", "<s>"]
    for model in found.models:
        loaded = tokenizers.Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        assert loaded.get_vocab() == found.vocabulary.ids
        assert loaded.decode([found.vocabulary.ids["abc"]]) == "abc"
        if kind == "BPE":
            assert loaded.encode("abbc").tokens == ["ab", "bc"]
    for before, model in zip((one, two), found.models, strict=True):
        old = read_vocabulary(before.folder)
        assert old is not None
        for token, at in old.ids.items():
            row = found.vocabulary.ids[token]
            np.testing.assert_array_equal(embeddings(model)[row], embeddings(before)[at])


def test_a_merge_of_aligned_models_is_the_same_after_aligning_once_more(tmp_path: Path) -> None:
    base = write(tmp_path / "base", tokenizer("abcd"), 1)
    tuned = write(tmp_path / "tuned", tokenizer("dcb"), 2)
    plans = []
    for _ in range(2):
        found = align_models([tuned], base, "base", tmp_path / "work")
        plans.append(plan_merge(TaskArithmetic(), found.models, found.base).digest)
    assert plans[0] == plans[1]


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def too_many_tokens(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer("abcdefghijk")))


def byte_level(folder: Path) -> None:
    table = tokenizer("abc") | {"decoder": {"type": "ByteLevel"}}
    (folder / "tokenizer.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_tokenizer, "there is no tokenizer.json beside its weights"),
        (too_many_tokens, "has ids up to 10 and its embeddings 3 rows"),
        (byte_level, "its tokens are byte-level, those of .*base are plain"),
    ],
)
def test_what_cannot_be_aligned_is_named(spoil: Any, message: str, tmp_path: Path) -> None:
    base, tuned = (
        write(tmp_path / "base", tokenizer("abc"), 1),
        write(tmp_path / "tuned", tokenizer("cba"), 2),
    )
    spoil(tuned.folder)
    with pytest.raises(CheckpointMismatchError, match=message):
        align_models([tuned], base, "base", tmp_path / "work")


def test_models_of_other_widths_are_named(tmp_path: Path) -> None:
    base, tuned = write(tmp_path / "base", tokenizer("abc"), 1), write(tmp_path / "tuned", tokenizer("ab"), 2)
    save_file({EMBED: np.zeros((2, 5), np.float16)}, tuned.folder / "model.safetensors")
    with pytest.raises(CheckpointMismatchError, match=r"a row has the shape \(5,\) .* and \(3,\) in"):
        align_models([Checkpoint.open(tuned.folder)], base, "base", tmp_path / "work")


def test_a_policy_that_names_nothing_is_refused(tmp_path: Path) -> None:
    model = write(tmp_path / "one", tokenizer("abc"), 1)
    with pytest.raises(InvalidParameterError, match="there is no base"):
        align_models([model], None, "base", tmp_path / "work")
    with pytest.raises(InvalidParameterError, match="there are 0 models of the name 'two'"):
        align_models([model], None, "source:two", tmp_path / "work")
    with pytest.raises(InvalidParameterError, match="it is 'first'; expected 'base', 'union'"):
        align_models([model], None, "first", tmp_path / "work")
