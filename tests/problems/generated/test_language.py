"""Calculese: exact both ways, complete, and covered as far as asked."""

import dataclasses
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import ProblemError
from calculemus.problems.generated import Generated, Spec
from calculemus.problems.generated.language import dictionary, read_number, say_number, translate
from calculemus.problems.generated.lexicon import all_names, table


@given(st.integers(0, 999_999_999))
def test_a_number_that_is_said_is_read_again(number: int) -> None:
    assert read_number(say_number(number)) == number


def test_no_two_words_have_one_translation_and_none_is_a_number_or_a_name() -> None:
    known = dictionary()
    reserved = {*known.digits, *(word for _, word in known.powers), *known.classifiers.values()}
    assert len(known.back) == len(known.forms)
    assert not reserved & set(known.back)
    assert known.particle not in reserved | set(known.back)
    assert not {name.lower() for name in known.names} & (set(known.back) | reserved)


def test_nouns_and_verbs_are_regular() -> None:
    entries, known = table("languages/calculese.toml"), dictionary()
    for singular, (plural, stem, _) in entries["nouns"].items():
        assert (known.forms[singular], known.forms[plural]) == (f"{stem}a", f"{stem}ai")
    for base, (third, stem) in entries["verbs"].items():
        assert (known.forms[base], known.forms[third]) == (f"{stem}e", f"{stem}es")
    assert all(word.endswith("o") for word in entries["words"].values())


@pytest.mark.parametrize("level", range(1, 9))
@pytest.mark.parametrize("reference", ["explicit", "rest"])
def test_every_text_of_the_plain_register_comes_back_as_it_was(level: int, reference: str) -> None:
    spec = dataclasses.replace(Spec.level(level), wording="plain", reference=reference)
    for split in ("train", "templates", "names"):
        for item in islice(Generated(spec, split), 40):
            forms = (
                item.question,
                item.solution,
                item.plain_solution,
                item.socratic_solution,
                item.equations,
            )
            for text in forms:
                there = translate(text, "calculese")
                assert translate(there, "en") == text


def test_the_verb_stands_last_and_numbers_have_a_classifier() -> None:
    known = dictionary()
    for item in islice(Generated(Spec(steps=3, language="calculese")), 60):
        for sentence in item.question[:-1].replace(", ", ". ").split(". "):
            words = sentence.split()
            if known.particle in words:
                english = known.back[words[-1].rstrip("?")]
                assert english in known.verbs
        assert not any(sign.isdigit() for sign in item.question)


def test_a_question_in_calculese_is_the_translation_of_the_english_one() -> None:
    spec = Spec(steps=3, ops="all")
    there = Generated(dataclasses.replace(spec, language="calculese"))
    for english, other in zip(islice(Generated(spec), 30), there, strict=False):
        assert other.question == translate(english.question, "calculese")
        assert (other.program, other.answer, other.group) == (english.program, english.answer, english.group)
        assert other.solution.split("#### ")[1] == english.answer


def test_the_part_of_the_dictionary_that_is_covered_grows_from_nothing_to_all() -> None:
    known = dictionary()
    parts = [known.covered(share / 10) for share in range(11)]
    assert [len(part) for part in parts] == [round(share / 10 * len(known.forms)) for share in range(11)]
    assert all(set(a) <= set(b) for a, b in pairwise(parts))
    assert parts[-1] == known.forms


@pytest.mark.parametrize(("text", "to"), [("Tom has 3 zebras.", "calculese"), ("Tom zebra.", "en")])
def test_a_word_that_is_not_in_the_dictionary_is_named(text: str, to: str) -> None:
    with pytest.raises(ProblemError, match="'zebra"):
        translate(text, to)


def test_names_stay_as_they_are() -> None:
    for name in all_names():
        assert translate(f"{name} has 2 apples.", "calculese").startswith(f"{name} ga ")


def test_german_tells_the_same_stories_with_its_own_words() -> None:
    english, german = table("languages/english.toml"), table("languages/german.toml")
    assert english.keys() == german.keys()
    for kind in ("things", "packs", "times", "orders", "unknown"):
        assert len(english["words"][kind]) == len(german["words"][kind])
    for name, entry in german.items():
        if name != "words":
            for key in ("plain", "ask", "step", "first"):
                assert (key in entry) == (key in english[name]), (name, key)
            assert len(entry.get("plain", [])) == len(english[name].get("plain", []))
    counts = [len(words) for words in (english["words"]["things"], english["words"]["packs"], all_names())]
    # Primes, so that any stride through them gives different ones.
    assert all(n % d for n in (counts[0], counts[1], 13, counts[2] - 13) for d in range(2, n))
