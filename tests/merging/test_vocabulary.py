"""Tokenizers read as plain JSON, and several made into one."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.errors import CheckpointError, CheckpointMismatchError
from calculemus.merging.vocabulary import Vocabulary, read_vocabulary, unite
from calculemus.tiny import MODEL


def tokenizer(tokens: list[str], **model: Any) -> dict[str, Any]:
    vocab = {token: at for at, token in enumerate(tokens)}
    return {"added_tokens": [], "model": {"type": "WordLevel", "vocab": vocab, **model}}


def read(folder: Path, table: Any) -> Vocabulary:
    (folder / "tokenizer.json").write_text(json.dumps(table))
    found = read_vocabulary(folder)
    assert found is not None
    return found


def test_the_shipped_models_vocabulary_is_that_of_the_library() -> None:
    import tokenizers

    found = read_vocabulary(Path(MODEL))
    assert found is not None
    assert found.ids == tokenizers.Tokenizer.from_file(str(Path(MODEL) / "tokenizer.json")).get_vocab()
    assert (found.kind, found.spelling) == ("BPE", "byte-level")


def test_old_files_that_do_not_name_their_kind_are_told_by_their_parts(tmp_path: Path) -> None:
    parts: dict[str, dict[str, Any]] = {
        "BPE": {"merges": []},
        "WordPiece": {"continuing_subword_prefix": "##"},
        "WordLevel": {},
        "Unigram": {"vocab": [["a", -1.0]]},
    }
    for kind, more in parts.items():
        table = tokenizer(["a"], **more)
        del table["model"]["type"]
        assert read(tmp_path, table).kind == kind


def test_a_folder_without_a_tokenizer_has_no_vocabulary(tmp_path: Path) -> None:
    assert read_vocabulary(tmp_path) is None


def test_vocabularies_of_two_kinds_are_not_united(tmp_path: Path) -> None:
    one = read(tmp_path, tokenizer(["a"]))
    two = read(tmp_path, tokenizer(["b"], type="BPE", merges=[]))
    with pytest.raises(CheckpointMismatchError, match=r"they are WordLevel .* and BPE"):
        unite(one, [two])


def test_a_list_with_a_gap_in_its_ids_is_not_lengthened(tmp_path: Path) -> None:
    table = tokenizer([], type="Unigram", vocab=[["a", -1.0]])
    one = read(tmp_path, {**table, "added_tokens": [{"id": 5, "content": "<s>"}]})
    two = read(tmp_path, tokenizer([], type="Unigram", vocab=[["b", -1.0]]))
    with pytest.raises(CheckpointMismatchError, match="no token of the id 1; expected ids without gaps"):
        unite(one, [two])


def test_a_broken_merge_is_a_named_error(tmp_path: Path) -> None:
    one = read(tmp_path, tokenizer(["a"], type="BPE", merges=[]))
    for merges in ([7], ["ab"], [["a"]], [["a", 1]], "a b", 3):
        two = read(tmp_path, tokenizer(["b"], type="BPE", merges=merges))
        with pytest.raises(CheckpointError, match="merge"):
            unite(one, [two])


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, unique=True), min_size=1, max_size=4))
def test_a_union_keeps_the_ids_of_the_first_and_covers_all(lists: list[list[str]]) -> None:
    vocabularies = [
        Vocabulary(Path(), {t: i for i, t in enumerate(found)}, "WordLevel", False, tokenizer(found))
        for found in lists
    ]
    united = unite(vocabularies[0], vocabularies[1:])
    assert united.ids.keys() == set().union(*lists)
    assert sorted(united.ids.values()) == list(range(len(united.ids)))
    assert {t: united.ids[t] for t in lists[0]} == vocabularies[0].ids
    assert united.table["model"]["vocab"] == united.ids


BROKEN = [
    "[]",
    "{}",
    '{"model": []}',
    '{"model": {"vocab": 3}}',
    '{"model": {"vocab": ["a"]}}',
    '{"model": {"type": "BPE", "vocab": [["a", 1]]}}',
    '{"model": {"type": "Unigram", "vocab": {"a": 1}}}',
    '{"model": {"vocab": {"a": -1}}}',
    '{"model": {"vocab": {"a": 1e99}}}',
    '{"model": {"vocab": {"a": 99999999999}}}',
    '{"model": {"vocab": {"a": true}}}',
    '{"model": {"vocab": {}}, "added_tokens": [7]}',
    '{"model": {"vocab": {}}, "added_tokens": {"id": 1}}',
    '{"model": {"vocab": {}}, "added_tokens": [{"content": "x"}]}',
    "{",
    "\xff",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_tokenizer_is_a_named_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(text, "latin-1")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        read_vocabulary(tmp_path)
