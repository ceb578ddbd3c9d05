"""Least to most: the prompts that are sent, in order, and nothing else."""

from dataclasses import replace

import pytest

from calculemus.engine.requests import Chat, Sample, Sampling
from calculemus.errors import ParseError
from calculemus.problem import Problem
from calculemus.solving.cot import Cot
from calculemus.solving.least_to_most import LeastToMost
from calculemus.solving.templates import read_template

STORY = "A hen lays 3 eggs a day. A farm has 5 hens."
QUESTION = Problem("eggs", f"{STORY} How many eggs do they lay in 6 days?", "90")
PARTS = "1. How many eggs do 5 hens lay in a day?\n2. How many eggs do they lay in 6 days?"


def shown() -> str:
    """Return the worked examples as they stand before every question."""
    examples = read_template("cot").examples
    return "".join(f"Q: {e['question']}\nA: {e['solution']}\n\n" for e in examples)


def test_the_prompts_are_exactly_the_expected_ones(drive, in_order) -> None:
    texts = (PARTS, " 5 * 3 = 15 eggs.\n#### 15\n", " 15 * 6 = 90.\n#### 90")
    driven = drive(LeastToMost(), QUESTION, in_order(*texts))
    split, first, last = driven.asked
    assert split.prompt.endswith(
        f"Q: {QUESTION.question}\nA: To answer it, these questions have to be answered first:\n"
    )
    assert "3. How many kilometres does he run in 3 weeks?\n\nQ: A jacket" in split.prompt
    asked = f"Q: {QUESTION.question}\nHow many eggs do 5 hens lay in a day?\nA:"
    assert first.prompt == shown() + asked
    assert last.prompt == f"{shown()}{asked} 5 * 3 = 15 eggs.\n#### 15\n\nQ: {QUESTION.question}\nA:"
    assert driven.solution.answer == " 15 * 6 = 90.\n#### 90"


def test_earlier_answers_are_turns_of_a_conversation(drive, able, in_order) -> None:
    can = replace(able, facts={"chat_template": True})
    driven = drive(LeastToMost(shots=1), QUESTION, in_order(PARTS, "15\n#### 15", "#### 90"), can)
    last = driven.asked[-1].prompt
    assert isinstance(last, Chat)
    roles = [role for role, _ in last.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert last.messages[-2:] == (("assistant", "15\n#### 15"), ("user", QUESTION.question))


def test_with_one_part_it_asks_exactly_what_cot_asks(drive, in_order) -> None:
    alone = drive(Cot(), QUESTION, in_order("#### 90"))
    capped = drive(LeastToMost(max_parts=1), QUESTION, in_order("#### 90"))
    whole = drive(LeastToMost(), QUESTION, in_order(f"1. {QUESTION.question}", "#### 90"))
    assert capped.asked == alone.asked
    assert whole.asked[1:] == alone.asked
    assert capped.solution.answer == whole.solution.answer == alone.solution.answer


@pytest.mark.parametrize(
    "listed",
    [
        "1. How many hens are there?\n2. How many eggs a day?",
        f"1. How many hens are there?\n2. How many eggs a day?\n3. {QUESTION.question}",
        "1. How many hens are there?\n2. How many eggs a day?\n3. how many eggs do they lay in 6 days",
        f"1. {QUESTION.question}\n2. How many hens are there?\n3. How many eggs a day?",
        'First "How many hens are there?", then "How many eggs a day?".',
    ],
)
def test_the_original_question_is_asked_last_and_once(drive, in_order, listed) -> None:
    driven = drive(LeastToMost(shots=0), QUESTION, in_order(listed, "a", "b", "#### 90"))
    questions = [node.text for node in driven.solution.trace.nodes if node.kind == "question"]
    assert questions == [
        f"{QUESTION.question}\nHow many hens are there?",
        "How many eggs a day?",
        QUESTION.question,
    ]


def test_no_more_than_the_greatest_number_of_parts_are_answered(drive, in_order) -> None:
    listed = "\n".join(f"{i}. Part {i}?" for i in range(1, 20))
    texts = [listed, *(f"answer {i}" for i in range(20))]
    driven = drive(LeastToMost(), QUESTION, in_order(*texts))
    assert len(driven.asked) == 1 + 8
    assert driven.asked[-1].prompt.endswith(f"Q: {QUESTION.question}\nA:")


def test_a_text_without_a_list_is_an_error_that_holds_it(drive, in_order) -> None:
    with pytest.raises(ParseError) as caught:
        drive(LeastToMost(), QUESTION, in_order("I would rather not."))
    assert caught.value.raw == "I would rather not."
    assert "on_parse_error=cot" in str(caught.value)


def test_a_text_without_a_list_is_answered_as_cot_where_that_is_allowed(drive, in_order) -> None:
    driven = drive(LeastToMost(on_parse_error="cot"), QUESTION, in_order("No.", "#### 90"))
    assert driven.asked[1:] == drive(Cot(), QUESTION, in_order("#### 90")).asked


def test_the_trace_is_one_chain_of_questions_and_answers(drive, in_order) -> None:
    trace = drive(LeastToMost(), QUESTION, in_order(PARTS, "#### 15", "#### 90")).solution.trace
    kinds = [node.kind for node in trace.path(len(trace.nodes) - 1)]
    assert kinds == ["parts", "question", "completion", "question", "completion"]


def test_greedy_sampling_up_to_the_next_question_is_the_default(drive, in_order) -> None:
    asked = drive(LeastToMost(max_parts=1), QUESTION, in_order("#### 90")).asked
    assert asked == [
        Sample(shown() + f"Q: {QUESTION.question}\nA:", Sampling(0.0, max_tokens=512, stop=("\nQ:",)))
    ]
