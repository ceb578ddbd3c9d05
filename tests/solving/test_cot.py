"""Chain of thought: one request, with examples, without, and in a conversation."""

from dataclasses import replace

import pytest

from calculemus.engine.requests import Chat, Sample, Sampling
from calculemus.errors import InvalidParameterError
from calculemus.solving.cot import Cot
from calculemus.solving.templates import read_template

EXAMPLES = read_template("cot").examples


def test_every_example_is_shown_with_its_solution(drive, problem, in_order) -> None:
    (request,) = drive(Cot(), problem, in_order("#### 18")).asked
    turns = "".join(f"Q: {e['question']}\nA: {e['solution']}\n\n" for e in EXAMPLES)
    assert request == Sample(
        f"{turns}Q: {problem.question}\nA:", Sampling(0.0, max_tokens=512, stop=("\nQ:",)), 1
    )
    assert len(EXAMPLES) == 8


def test_without_examples_it_asks_for_steps_and_for_the_form_of_the_answer(drive, problem, in_order) -> None:
    (request,) = drive(Cot(shots=0), problem, in_order("#### 18")).asked
    assert request.prompt.startswith(f"Q: {problem.question}\nA: Let us think step by step")
    assert "####" in request.prompt


def test_a_model_with_a_chat_template_gets_a_conversation(drive, able, problem, in_order) -> None:
    can = replace(able, facts={"chat_template": True})
    (request,) = drive(Cot(shots=2, temperature=0.3, max_tokens=99), problem, in_order("#### 18"), can).asked
    assert isinstance(request.prompt, Chat)
    system, *turns = request.prompt.messages
    assert system[0] == "system"
    expected = [
        message
        for example in EXAMPLES[:2]
        for message in [("user", example["question"]), ("assistant", example["solution"])]
    ]
    assert turns == [*expected, ("user", problem.question)]
    assert request.sampling == Sampling(0.3, max_tokens=99)


def test_a_model_with_prompts_of_its_own_gets_these(drive, able, problem, in_order) -> None:
    can = replace(able, facts={"prompts": "tiny"})
    (request,) = drive(Cot(), problem, in_order("#### 18"), can).asked
    assert request.prompt == f"Q: {problem.question}\nA:"


def test_more_examples_than_there_are_is_an_error(drive, able, problem, in_order) -> None:
    with pytest.raises(InvalidParameterError, match="'shots' is 9; expected at most 8"):
        drive(Cot(shots=9), problem, in_order("#### 18"))
    with pytest.raises(InvalidParameterError, match="'shots' is 1; expected at most 0"):
        drive(Cot(shots=1), problem, in_order("#### 18"), replace(able, facts={"prompts": "tiny"}))


def test_the_whole_chain_is_the_answer(drive, problem, completion, in_order) -> None:
    solution = drive(Cot(), problem, in_order(" 3 * 6 = <<3*6=18>>18\n#### 18")).solution
    assert solution.answer == " 3 * 6 = <<3*6=18>>18\n#### 18"
    assert [node.text for node in solution.trace.nodes] == [solution.answer]
    cut = drive(Cot(), problem, lambda request: (completion("3 * 6", finish="length"),)).solution
    assert cut.truncated
