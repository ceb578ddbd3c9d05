"""Direct answers: short, without a worked solution."""

from dataclasses import replace

from calculemus.engine.requests import Chat, Sampling
from calculemus.solving.direct import Direct
from calculemus.solving.templates import read_template


def test_the_examples_show_answers_alone(drive, problem, in_order) -> None:
    (request,) = drive(Direct(), problem, in_order(" 18")).asked
    turns = "".join(f"Q: {e['question']}\nA: {e['answer']}\n\n" for e in read_template("direct").examples)
    assert request.prompt == f"{turns}Q: {problem.question}\nA:"
    assert request.sampling == Sampling(0.0, max_tokens=32, stop=("\n",))


def test_a_conversation_is_told_to_explain_nothing(drive, able, problem, in_order) -> None:
    can = replace(able, facts={"chat_template": True})
    (request,) = drive(Direct(shots=0), problem, in_order("18"), can).asked
    assert isinstance(request.prompt, Chat)
    (system, asked) = request.prompt.messages
    assert "final answer alone" in system[1]
    assert asked == ("user", problem.question)


def test_a_model_with_prompts_of_its_own_has_its_answer_line_begun(drive, able, problem, in_order) -> None:
    can = replace(able, facts={"prompts": "tiny"})
    (request,) = drive(Direct(), problem, in_order(" 18"), can).asked
    assert request.prompt == f"Q: {problem.question}\nA:\n####"


def test_what_is_written_is_the_answer(drive, problem, in_order) -> None:
    assert drive(Direct(), problem, in_order(" 18")).solution.answer == " 18"
