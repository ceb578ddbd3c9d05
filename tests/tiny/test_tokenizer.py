"""The tokenizer loses nothing, and knows every word that the generator writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from calculemus.problems.generated import Generated, Spec
from calculemus.tiny.text import MODES, completion, prompt
from calculemus.tiny.tokenizer import build, pieces

LEVELS = range(1, 9)


def texts(level: int, split: str, n: int = 40) -> list[str]:
    source = Generated(Spec.level(level), split, seed=99)
    items = [source[index] for index in range(n)]
    return [prompt(item.question, mode) + completion(item, mode) for item in items for mode in MODES]


@pytest.mark.parametrize("level", LEVELS)
def test_generated_text_comes_back_exactly(tokenizer: PreTrainedTokenizerBase, level: int) -> None:
    for text in texts(level, "train"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_exactly(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    if "<|" not in text:  # the two marks are no text
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("split", ["train", "iid", "numbers", "templates", "depth", "names"])
@pytest.mark.parametrize("level", [3, 7])
def test_a_word_that_the_generator_writes_is_one_token(
    tokenizer: PreTrainedTokenizerBase, level: int, split: str
) -> None:
    known = tokenizer.get_vocab()
    assert [piece for piece in pieces(texts(level, split)) if piece not in known] == []


def test_a_number_is_a_token_for_each_digit(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.tokenize(" <<120/4=30>>30") == [
        "Ġ<<",
        "1",
        "2",
        "0",
        "/",
        "4",
        "=",
        "3",
        "0",
        ">>",
        "3",
        "0",
    ]


def test_a_prompt_and_its_completion_are_cut_where_they_meet(tokenizer: PreTrainedTokenizerBase) -> None:
    item = Generated(Spec.level(2))[0]
    for mode in MODES:
        asked, told = prompt(item.question, mode), completion(item, mode)
        apart = tokenizer(asked)["input_ids"] + tokenizer(told)["input_ids"]
        assert apart == tokenizer(asked + told)["input_ids"]


def test_a_word_that_is_not_in_the_vocabulary_is_spelled_in_bytes() -> None:
    words = build(pieces(["two cats"]))
    assert words.tokenize("two cats dog") == ["two", "Ġcats", "Ġ", "d", "o", "g"]
