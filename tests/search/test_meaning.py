"""Nearness in meaning: the encoder against transformers, the cache, and life without the extra."""

import importlib.util
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calculemus.claims.status import Entry
from calculemus.errors import MissingExtraError
from calculemus.search import SearchIndex, meaning

MakeEntry = Callable[..., Entry]
SPEC = importlib.util.find_spec(meaning.PACKAGE)
needs_extra = pytest.mark.skipif(SPEC is None, reason="the extra 'search' is not installed")

TEXTS = [
    "",
    "Merges models.",
    "What a longer sentence says about quantisation to 4 bits, and a café in 数学 🙂.",
    "the same length as this",
    "a text of equal length?",
    "word " * 400,
]


@pytest.fixture(scope="session")
def folder() -> Path:
    assert SPEC is not None
    assert SPEC.submodule_search_locations
    return Path(SPEC.submodule_search_locations[0]) / "model"


@pytest.fixture
def three(make_entry: MakeEntry) -> list[Entry]:
    return [
        make_entry("dogs", "Puppies and hounds", "How a young canine learns to obey."),
        make_entry("bread", "Loaves", "Flour, water and yeast become a crust."),
        make_entry("ships", "Vessels", "Sails and rudders on the ocean."),
    ]


def encoded(folder: Path, texts: Sequence[str]) -> Any:
    from calculemus.search.minilm import MiniLM  # here: it needs the extra

    found = dict(MiniLM(folder).encode(texts))
    return np.stack([found[place] for place in range(len(texts))])


@needs_extra
@pytest.mark.slow
def test_the_vectors_are_those_of_transformers(folder: Path) -> None:
    import torch  # here: it takes seconds
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for text, ours in zip(TEXTS, encoded(folder, TEXTS), strict=True):
        inputs = tokenizer([text], truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            mean = model(**inputs).last_hidden_state.mean(dim=1)
        theirs = torch.nn.functional.normalize(mean, dim=1)[0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


@needs_extra
def test_a_vector_has_length_one_and_does_not_depend_on_what_is_encoded_beside(folder: Path) -> None:
    together = encoded(folder, TEXTS)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for place in (1, 3, 4):
        np.testing.assert_allclose(together[place], encoded(folder, [TEXTS[place]])[0], atol=1e-6)


@needs_extra
def test_a_card_is_found_that_shares_no_word_with_the_question(three: list[Entry], tmp_path: Path) -> None:
    near = meaning.by_meaning(three, tmp_path)
    index = SearchIndex(three, near)
    for text, expected in (("training a pet", "dogs"), ("baking in an oven", "bread"), ("harbour", "ships")):
        assert SearchIndex(three).search(text) == []
        assert index.search(text)[0].entry.card.id == expected
        assert all(-1 <= value <= 1 for value in near(text).values())


@pytest.fixture
def encoded_texts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was given to the encoder, call by call."""
    from calculemus.search.minilm import MiniLM  # here: it needs the extra

    calls: list[list[str]] = []
    encode = MiniLM.encode

    def counted(self: MiniLM, texts: Sequence[str]) -> Iterator[Any]:
        calls.append(list(texts))
        return encode(self, texts)

    monkeypatch.setattr(MiniLM, "encode", counted)
    return calls


@needs_extra
def test_only_texts_that_are_new_are_encoded(
    three: list[Entry], make_entry: MakeEntry, tmp_path: Path, encoded_texts: list[list[str]]
) -> None:
    first = meaning.by_meaning(three, tmp_path)("pets")
    assert len(encoded_texts[0]) == 7  # the claims are one text
    again = meaning.by_meaning(three, tmp_path)("pets")
    assert encoded_texts[1:] == [["pets"], ["pets"]]
    assert again == first
    meaning.by_meaning([*three, make_entry("cats", "Kittens", "-")], tmp_path)
    assert encoded_texts[3:] == [["Kittens", "-"]]
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in tmp_path.glob("*.npz")]


@needs_extra
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_a_damaged_cache_is_made_anew(
    three: list[Entry], tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = meaning.by_meaning(three, tmp_path)("pets")
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert meaning.by_meaning(three, tmp_path)("pets") == first
    assert "they are made anew" in caplog.text
    assert len(file.read_bytes()) == len(whole)


@needs_extra
def test_a_cache_of_another_shape_is_made_anew(three: list[Entry], tmp_path: Path) -> None:
    first = meaning.by_meaning(three, tmp_path)("pets")
    (file,) = tmp_path.iterdir()
    np.savez(file, keys=np.array(["a", "b"]), vectors=np.zeros((2, 5), np.float32))
    assert meaning.by_meaning(three, tmp_path)("pets") == first


@needs_extra
def test_a_cache_that_cannot_be_written_costs_no_answer(
    three: list[Entry], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert meaning.by_meaning(three, blocked / "folder")("pets")["dogs"] > 0
    assert "made anew each time" in caplog.text


def test_the_cache_lies_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert meaning.cache_folder() == tmp_path / "calculemus" / "search"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert meaning.cache_folder().parts[-3:] == (".cache", "calculemus", "search")


def test_without_the_extra_meaning_names_what_to_install(
    three: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"searching by meaning: .*pip install 'calculemus\[search\]'"
    ):
        meaning.by_meaning(three)


WORDS_ALONE = """
import sys
from calculemus.catalog import read_catalog
from calculemus.claims.status import entries
from calculemus.search import SearchIndex
cards = list(entries(read_catalog()))[:2]
assert SearchIndex(cards).search("model")
print(*sys.modules)
"""
WITH_MEANING = """
from pathlib import Path
from calculemus.search.meaning import by_meaning
assert SearchIndex(cards, by_meaning(cards, Path(sys.argv[1]))).search("model")
print(*sys.modules)
"""
HEAVY = {"numpy", "scipy", "tokenizers", "safetensors"}
NEVER = {"torch", "transformers", "sentence_transformers", "sklearn", meaning.PACKAGE}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (WORDS_ALONE, HEAVY | NEVER),
        pytest.param(WORDS_ALONE + WITH_MEANING, NEVER, marks=needs_extra),
    ],
)
def test_words_need_nothing_heavy_and_meaning_no_torch(code: str, absent: set[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert absent.isdisjoint(done.stdout.splitlines()[-1].split())
