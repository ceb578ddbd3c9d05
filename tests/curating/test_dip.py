"""Dictionary insertion: what goes in comes out again, and nothing is glossed that should not be."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calculemus.curating import dip
from calculemus.curating.dip import INSTRUCTION, Dip
from calculemus.curating.glossing import BRACKETS, Glosser, Order, words_of
from calculemus.curating.word_list import WordList, read_word_list
from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.events import Note, listening
from calculemus.problem import Problem
from calculemus.problems.generated import Generated, Spec
from calculemus.problems.generated.language import translate

ORDERS = get_args(Order)
GERMAN = WordList.of(
    [
        ("Apfel", "apple"),
        ("apfelbaum", "apple tree"),
        ("bank", "bench|bank"),
        ("bank", "shoal"),
        ("guten Tag", "hello"),
        ("Tag", "day"),
        ("hat", "has"),
    ]
)
TEXTS = st.text(alphabet="abAB äß19 .,\n\t[]⟦⟧⟨⟩❲❳⦗⦘()'-$x", max_size=60)
LISTS = st.dictionaries(
    st.from_regex(r"[abä]{1,3}( [abä]{1,2}){0,2}", fullmatch=True),
    st.from_regex(r"[a-z]{1,5}", fullmatch=True),
    max_size=5,
)


@given(TEXTS, LISTS, st.sampled_from(ORDERS), st.sampled_from(["", "Say it in English."]))
@example("a [b] ⦗c⦘", {"a": "x"}, "interleave", "")
@example("a ⦗⦗x⦘⦘ a⦗", {"a": "x"}, "interleave", "")
@example("a [x]", {"b": "x"}, "interleave", "")
@example("a, b [c]\na b", {"a": "x", "b": "y"}, "prepend", "")
def test_without_its_insertions_a_text_is_what_it_was_byte_for_byte(
    text, entries, order, instruction
) -> None:
    glosser = Glosser(WordList.of(entries.items()), order, instruction=instruction)
    glossed = glosser.gloss(text)
    assert glosser.restore(glossed.text) == text
    assert (glossed.found == 0) is (glossed.text == text)


@pytest.mark.parametrize("order", ORDERS)
def test_questions_in_calculese_come_back(order) -> None:
    transform = Dip(order=order)
    for index in range(30):
        item = Generated(Spec.level(1 + index % 5), "iid", seed=1)[index]
        question = translate(item.question, to="calculese")
        (made,) = transform.apply(Problem("p", question, "1"))
        assert made.question != question
        assert transform.restore(made.question) == question
        assert 0.5 < made.meta["dip"]["coverage"] < 1


@pytest.mark.parametrize(
    ("text", "glossed"),
    [
        ("Der Apfel hat 2 Kerne.", "Der Apfel [apple] hat [has] 2 Kerne."),
        ("APFEL, Apfelbaum", "APFEL [apple], Apfelbaum [apple tree]"),
        ("Guten Tag! Tag", "Guten Tag [hello]! Tag [day]"),
        ("Guten, Tag", "Guten, Tag [day]"),
        ("Guten\nTag", "Guten\nTag [day]"),
        ("Äpfel Tages hatte", "Äpfel Tages [day] hatte [has]"),
        ("Bank [1]", "Bank ⟦bench⟧ [1]"),
        ("$hat = 2$ und \\hat 3hat hat2 \\(hat\\) <<hat>> {{hat}}", None),
        ("12 + 3 = 15", None),
        ("", None),
    ],
)
def test_the_longest_phrase_counts_and_numbers_formulas_and_unknown_words_stay(text, glossed) -> None:
    assert Glosser(GERMAN).gloss(text).text == (text if glossed is None else glossed)


def test_all_senses_are_written_with_bars() -> None:
    assert Glosser(GERMAN, all_senses=True).gloss("Bank").text == "Bank [bench|bank|shoal]"


def test_the_list_stands_before_or_behind_the_question_each_phrase_once() -> None:
    text = "Tag für Tag hat er\neinen Apfel."
    listed = "Tag [day], hat [has], Apfel [apple]"
    assert Glosser(GERMAN, "prepend").gloss(text).text == f"{listed}\n{text}"
    assert Glosser(GERMAN, "append").gloss(text).text == f"{text}\n{listed}"


def test_scripts_without_spaces_are_cut_by_the_longest_entry_and_others_by_their_marks() -> None:
    known = WordList.of([("母鸡", "hen"), ("母", "mother"), ("下", "lays"), ("दिन", "day"), ("ימים", "days")])
    assert Glosser(known).gloss("母鸡每天下3个").text == "母鸡 [hen]每天下 [lays]3个"
    assert Glosser(known, segment="spaces").gloss("母鸡每天下").text == "母鸡每天下"
    assert Glosser(known).gloss("6 दिन, 6 ימים").text == "6 दिन [day], 6 ימים [days]"
    assert Glosser(known, segment="longest").gloss("ימימים").found == 1
    assert [word.text for word in words_of("l'été दिनों rock-n-roll' 2x")] == ["l'été", "दिनों", "rock-n-roll"]


def test_behind_a_text_that_has_all_brackets_more_of_the_last_ones_stand() -> None:
    text = "Apfel " + "".join(BRACKETS)
    glossed = Glosser(GERMAN).gloss(text).text
    assert glossed == text.replace("Apfel", "Apfel ⦗⦗apple⦘⦘")
    assert Glosser(GERMAN).restore(glossed) == text


@pytest.mark.parametrize("order", ORDERS)
def test_no_coverage_gives_the_question_as_it_was(order) -> None:
    problem = Problem("p", "Tom ga 12 vuledai zeres.", "12")
    (made,) = Dip(order=order, share=0.0).apply(problem)
    assert made.question == problem.question
    assert made.meta["dip"] == {"words": 4, "found": 0, "coverage": 0.0}


def test_coverage_counts_words_and_a_larger_share_holds_a_smaller_one() -> None:
    questions = [
        translate(Generated(Spec.level(3), "iid", seed=0)[index].question, to="calculese")
        for index in range(50)
    ]
    covered = [Dip(share=share).coverage(questions) for share in (0.0, 0.3, 0.6, 1.0)]
    assert covered == sorted(covered)
    assert covered[0] == 0
    assert covered[-1] > 0.6
    small, large = Dip(share=0.3).words.entries, Dip(share=0.6).words.entries
    assert small.items() < large.items()


def test_a_shuffled_list_has_the_same_phrases_and_other_words_beside_them() -> None:
    right, wrong = Dip().words.entries, Dip(shuffled=True).words.entries
    assert right.keys() == wrong.keys()
    assert sorted(right.values()) == sorted(wrong.values())
    assert sum(right[phrase] == wrong[phrase] for phrase in right) < 5


def test_the_instruction_stands_behind_what_was_glossed_alone() -> None:
    questions = [Dip().apply(Problem("p", text, "1"))[0].question for text in ("dova zeres", "none known")]
    assert questions == [f"dova [2] zeres [has]\n{INSTRUCTION}", "none known"]


def heard(act: Any) -> list[str]:
    """Return the notes of what an act says."""
    notes: list[str] = []
    with listening(lambda event: notes.append(event.message) if isinstance(event, Note) else None):
        act()
    return notes


def test_a_list_in_the_wrong_direction_is_warned_of_once(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "wrong.tsv"
    file.write_text("apple\tApfel\nhas\thad\n", "utf-8")
    transform = Dip(dictionary=str(file))
    question = (
        "Der Korb von Anna war voll und sie nahm jeden Morgen zwei davon mit in die Schule zu ihren Kindern"
    )
    monkeypatch.setattr(dip, "_warned", set())
    problems = [Problem(str(n), question, "1") for n in range(3)]
    notes = heard(lambda: [transform.apply(problem) for problem in problems])
    assert len(notes) == 1
    assert "has 0 of 20 words; expected more than 5%" in notes[0]
    assert "the wrong way round" in notes[0]
    assert heard(lambda: transform.coverage([question])) == notes
    assert heard(lambda: Dip().coverage(["Tom ga vuledai zeres"])) == []


def test_word_lists_are_read_with_their_senses_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "list.tsv"
    file.write_text("# German\tEnglish\n\nBank\tbench\nbank\tbank | shoal\nguten  Tag\thello\n", "utf-8-sig")
    assert read_word_list(str(file)).entries == {"bank": ("bench", "bank", "shoal"), "guten tag": ("hello",)}
    assert Dip(dictionary=str(file)).reads == read_word_list(str(file)).digest


@pytest.mark.parametrize(
    ("text", "message"), [("Apfel apple\n", "line 1 is 'Apfel apple'"), ("#\n", "no entry")]
)
def test_what_is_no_word_list_is_refused(tmp_path: Path, text, message) -> None:
    file = tmp_path / "list.tsv"
    file.write_text(text, "utf-8")
    with pytest.raises(ProblemError, match=message):
        Dip(dictionary=str(file))


def test_a_word_list_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(
        InvalidParameterError, match=r"Dip: parameter 'dictionary' is '/nowhere.tsv'; expected"
    ):
        Dip(dictionary="/nowhere.tsv")
