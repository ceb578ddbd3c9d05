"""Tool-integrated reasoning: blocks run once, in order, in a session, and outputs are never sampled."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from calculemus.engine.requests import Chat, Completion, Prefix, Run, Sample
from calculemus.engine.sandbox import Run as RunRecord
from calculemus.engine.sandbox import Sandbox
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import BudgetExceededError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.templates import read_template
from calculemus.solving.tir import LONGEST_OUTPUT, Tir, last_block, observation

QUESTION = Problem("sum", "What is the sum of the first 10 squares?", "385")
FIRST = " I list them.\n```python\nsquares = [k * k for k in range(1, 11)]\nprint(squares)\n```\n"
BROKEN = "Now I add.\n```python\ntotal = sum(squares)\nprint(totl)\n```\n"
SECOND = "A slip.\n```python\nprint(total)\n```\n"
LAST = "So it is 385.\n#### 385"


def say(request: Sample, text: str) -> Completion:
    """Continue a prompt by a text up to its first stop text, a character being a token."""
    ends = sorted((text.find(s) + len(s), s) for s in request.sampling.stop if s in text)
    stopped_by = ends[0][1] if ends else None
    text = text[: ends[0][0]] if ends else text
    prompt = request.prompt
    if isinstance(prompt, Chat):
        said = prompt.messages[-1]
        before, said = (prompt.messages[:-1], said[1]) if said[0] == "assistant" else (prompt.messages, "")
        return Completion(text, None, None, "stop", stopped_by, Chat((*before, ("assistant", said + text))))
    start = prompt if isinstance(prompt, Prefix) else Prefix(prompt, tuple(map(ord, prompt)))
    ids = (*(start.ids or ()), *map(ord, start.added), *map(ord, text))
    return Completion(text, tuple(map(ord, text)), None, "stop", stopped_by, Prefix(start.text + text, ids))


def teller(*texts: str, session: Any = None) -> Any:
    """Return what says the texts in order, and runs blocks in a session."""
    left = iter(texts)

    def answer(request: Any) -> Any:
        if isinstance(request, Run):
            return session.run(request.program)
        return (say(request, next(left)),)

    return answer


@pytest.fixture
def session() -> Iterator[Any]:
    with Sandbox(workers=1) as sandbox, sandbox.session() as session:
        yield session


def test_blocks_run_in_one_session_and_their_outputs_are_shown(drive, session) -> None:
    driven = drive(Tir(), QUESTION, teller(FIRST, BROKEN, SECOND, LAST, session=session))
    assert driven.solution.answer == LAST
    nodes = [(node.kind, node.text) for node in driven.solution.trace.nodes]
    assert nodes == [
        ("step", "I list them."),
        ("code", "squares = [k * k for k in range(1, 11)]\nprint(squares)\n"),
        ("output", "[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]"),
        ("step", "Now I add."),
        ("code", "total = sum(squares)\nprint(totl)\n"),
        ("output", "NameError: name 'totl' is not defined"),
        ("step", "A slip."),
        ("code", "print(total)\n"),
        ("output", "385"),
        ("completion", LAST),
    ]
    assert [node.parents for node in driven.solution.trace.nodes] == [(), *((k,) for k in range(9))]
    assert {request.session for request in driven.asked if isinstance(request, Run)} == {"tir"}


def test_a_trace_run_again_from_its_own_blocks_gives_the_same_outputs(drive, session) -> None:
    texts = (FIRST, BROKEN, SECOND, LAST)
    trace = drive(Tir(), QUESTION, teller(*texts, session=session)).solution.trace
    blocks = [node.text for node in trace.nodes if node.kind == "code"]
    outputs = [node.text for node in trace.nodes if node.kind == "output"]
    with Sandbox(workers=1) as sandbox, sandbox.session() as again:
        assert [observation(again.run(block)) for block in blocks] == outputs
    assert len(outputs) == 3


def test_exactly_the_outputs_are_neither_sampled_nor_encoded_by_the_engine(drive, session) -> None:
    texts = (FIRST, SECOND.replace("total", "sum(squares)"), LAST)
    driven = drive(Tir(), QUESTION, teller(*texts, session=session))
    _, first, second, *_ = [r.prompt for r in driven.asked if isinstance(r, Sample)] + [None]
    assert first.added == "```output\n[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]\n```\n"
    assert second.added == "```output\n385\n```\n"
    assert "".join(map(chr, second.ids)) + second.added == second.text
    prompt = driven.asked[0].prompt
    assert second.text == prompt + FIRST + first.added + texts[1] + second.added


def test_the_fourth_call_is_the_last(drive, session) -> None:
    block = "Again.\n```python\nprint(6 * 7)\n```\n"
    driven = drive(Tir(), QUESTION, teller(*[block] * 9, session=session))
    assert sum(isinstance(request, Run) for request in driven.asked) == 4
    assert sum(isinstance(request, Sample) for request in driven.asked) == 5
    assert driven.solution.truncated
    assert driven.solution.answer == "42"


def test_what_follows_the_fourth_output_can_still_answer(drive, session) -> None:
    block = "Again.\n```python\nprint(6 * 7)\n```\n"
    driven = drive(Tir(), QUESTION, teller(*[block] * 4, "#### 43", session=session))
    assert (driven.solution.answer, driven.solution.truncated) == ("#### 43", False)


def test_a_model_that_stops_behind_an_output_is_answered_by_it(drive, session) -> None:
    texts = ("```python\nprint(385)\n```\n", "")
    assert drive(Tir(), QUESTION, teller(*texts, session=session)).solution.answer == "385"


def test_a_block_that_failed_is_no_answer(drive, session) -> None:
    driven = drive(Tir(), QUESTION, teller("```python\n1 / 0\n```\n", "", session=session))
    assert driven.solution.answer is None
    assert driven.solution.failure == "no answer and no output"


def test_a_fence_at_the_end_of_text_gets_its_newline_before_the_output(drive, session) -> None:
    driven = drive(Tir(), QUESTION, teller("```python\nprint(385)\n```", "#### 385", session=session))
    assert driven.asked[-1].prompt.text.endswith("print(385)\n```\n```output\n385\n```\n")


def test_an_output_that_the_model_invents_is_not_run(drive, session) -> None:
    texts = ("```output\n999\n```\n", "```python\nprint(385)\n```\n", "#### 385")
    driven = drive(Tir(), QUESTION, teller(*texts, session=session))
    assert [request.program for request in driven.asked if isinstance(request, Run)] == ["print(385)\n"]


def test_a_fence_that_opens_without_a_language_is_not_taken_for_its_end(drive, session) -> None:
    texts = ("I compute:\n```\nprint(385)", "print(385)\n```\n", "#### 385")
    driven = drive(Tir(), QUESTION, teller(*texts, session=session))
    blocks = [request.program for request in driven.asked if isinstance(request, Run)]
    assert blocks == ["print(385)\n"]
    assert driven.solution.answer == "#### 385"


def test_the_examples_end_before_the_next_question_is_invented(drive, session) -> None:
    driven = drive(Tir(), QUESTION, teller("#### 385\nQ: What is 1 + 1?\n#### 2", session=session))
    assert driven.solution.answer == "#### 385"


def test_a_conversation_goes_on_in_the_turn_of_the_assistant(drive, able, session) -> None:
    can = replace(able, facts={"chat_template": True})
    driven = drive(Tir(shots=1), QUESTION, teller(FIRST, LAST, session=session), can)
    last = driven.asked[-1].prompt
    assert isinstance(last, Chat)
    assert [role for role, _ in last.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert last.messages[-1][1].startswith(FIRST + "```output\n[1, 4, 9")


def test_a_long_output_keeps_both_ends() -> None:
    printed = "".join(chr(97 + k % 26) for k in range(1000))
    shown = observation(RunRecord("ok", stdout=printed + "\n"))
    assert len(shown) == LONGEST_OUTPUT
    head, _, tail = shown.partition("\n...\n")
    assert printed.startswith(head)
    assert printed.endswith(tail)
    assert abs(len(head) - len(tail)) <= 1
    assert observation(RunRecord("ok", stdout="x" * LONGEST_OUTPUT)) == "x" * LONGEST_OUTPUT


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (RunRecord("ok", value=7, stdout="42\n"), "42"),
        (RunRecord("ok", value=7), "7"),
        (RunRecord("ok"), ""),
        (RunRecord("ok", value=10**5000), "a number with too many digits to be shown"),
        (RunRecord("raised", error="KeyError: 'x'", stdout="1\n"), "KeyError: 'x'"),
        (RunRecord("timeout", error_kind="wall"), "timeout"),
    ],
)
def test_what_is_shown_of_a_run_is_output_or_value_or_error(run, shown) -> None:
    assert observation(run) == shown


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        ("a\n```python\nx\n```\n", "x\n"),
        ("a\n```py\nx\n\ny\n```", "x\n\ny\n"),
        ("```\nx\n```", "x\n"),
        ("```python\n```\n", ""),
        ("a\n```text\nx\n```\n", None),
        ("```text\nx\n```\nthen\n```python\ny\n```\n", "y\n"),
        ("```python\nx\n```\nDone.", None),
        ("a\n```python\nx\n", None),
        ("a\n```\n", None),
        ("", None),
    ],
)
def test_only_a_block_at_the_end_of_a_piece_is_run(piece, code) -> None:
    assert last_block(piece) == code


def test_a_budget_that_ends_leaves_the_last_output(drive, session) -> None:
    said = teller(FIRST, session=session)

    def reply(request: Any) -> Any:
        is_second = isinstance(request, Sample) and isinstance(request.prompt, Prefix)
        return BudgetExceededError("no tokens are left") if is_second else said(request)

    solution = drive(Tir(), QUESTION, reply).solution
    assert (solution.answer, solution.truncated) == ("[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]", True)


def test_the_scheduler_charges_what_was_sampled_and_nothing_of_the_outputs() -> None:
    start = read_template("tir").fill({"question": QUESTION.question}, as_chat=False)
    shown = f"{start}{FIRST}```output\n[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]\n```\n"
    engine = ScriptedEngine({str(start): FIRST, shown: LAST})
    with Sandbox(workers=1) as sandbox:
        ((_, _, solution),) = Scheduler(engine, sandbox).solve_all(Tir(), [(QUESTION, 0)])
    assert solution.answer == LAST, solution.failure
    sampled = ScriptedEngine({"": FIRST + LAST})
    assert solution.cost.tokens_out == len(sampled.prompt_ids(Sample(FIRST))[0]) + len(
        sampled.prompt_ids(Sample(LAST))[0]
    )


@pytest.mark.parametrize("engine", [ScriptedEngine("a"), ToyLM.random(Rng(1), "abc")])
def test_what_is_added_behind_token_ids_is_encoded_alone(engine) -> None:
    (whole,) = engine.prompt_ids(Sample("abba"))
    (part,) = engine.prompt_ids(Sample("ab"))
    grown = Prefix("ab", tuple(part)) + "b" + "a"
    assert tuple(engine.prompt_ids(Sample(grown))[0])[: len(part)] == tuple(part)
    assert grown.text == "abba"
    if isinstance(engine, ToyLM):
        assert engine.prompt_ids(Sample(grown)) == [whole]
    else:
        assert len(engine.prompt_ids(Sample(grown))[0]) > len(part)
