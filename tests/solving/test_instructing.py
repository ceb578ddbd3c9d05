"""Instructions as prompts: where they stand, and as files that ``cot`` asks with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.requests import Chat
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import InvalidParameterError
from calculemus.solving import get_solver
from calculemus.solving.instructing import Instructed, template_of, template_text
from calculemus.solving.templates import read_template
from calculemus.study.live import LiveSystem

SAID = "Think."


def asked(drive: Any, in_order: Any, problem: Any, solver: Any, can: Any) -> Any:
    driven = drive(solver, problem, in_order("#### 18"), can)
    return driven.asked[0].prompt, driven.solution


@pytest.fixture
def chat(able):
    return replace(able, facts={"chat_template": True})


def test_an_instruction_begins_the_answer_or_stands_before_the_question(
    drive, in_order, problem, able
) -> None:
    q = problem.question
    for solver, prompt in {
        Instructed(SAID): f"Q: {q}\nA: {SAID}\n",
        Instructed(SAID, "system"): f"{SAID}\n\nQ: {q}\nA:",
        Instructed(): f"Q: {q}\nA:",
        Instructed("", "system"): f"Q: {q}\nA:",
    }.items():
        assert asked(drive, in_order, problem, solver, able)[0] == prompt


def test_a_conversation_has_it_behind_the_question_or_as_the_system(drive, in_order, problem, chat) -> None:
    q = problem.question
    for solver, messages in {
        Instructed(SAID): (("user", f"{q}\n\n{SAID}"),),
        Instructed(SAID, "system"): (("system", SAID), ("user", q)),
        Instructed("", "system"): (("user", q),),
    }.items():
        assert asked(drive, in_order, problem, solver, chat)[0] == Chat(messages)


def test_without_a_system_role_it_goes_into_the_users_turn_and_the_trace_says_so(
    drive, in_order, problem, chat
) -> None:
    can = replace(chat, facts={**chat.facts, "system_role": False})
    prompt, solution = asked(drive, in_order, problem, Instructed(SAID, "system"), can)
    assert prompt == Chat((("user", f"{SAID}\n\n{problem.question}"),))
    assert solution.trace.nodes[0].meta == {"system_merged": True}
    assert not asked(drive, in_order, problem, Instructed(SAID), can)[1].trace.nodes[0].meta
    prompt, _ = asked(drive, in_order, problem, get_solver("cot:shots=0"), can)
    assert [role for role, _ in prompt.messages] == ["user"]
    assert prompt.messages[0][1].endswith(problem.question)


@given(st.text(max_size=40), st.sampled_from(["answer", "system"]))
def test_a_file_gives_the_same_prompts_to_cot(tmp_path_factory, instruction, place) -> None:
    file = tmp_path_factory.getbasetemp() / f"{abs(hash((instruction, place)))}.toml"
    said = instruction.replace("\r", " ").encode(errors="replace").decode()
    file.write_text(template_text(said, place), "utf-8", newline="")
    read, made = read_template(str(file)), template_of(said, place)
    for is_chat in (False, True):
        assert read.fill({"question": "How?"}, is_chat) == made.fill({"question": "How?"}, is_chat)
    assert (read.plain.stop, read.chat.stop) == (made.plain.stop, made.chat.stop)


def test_cot_asks_with_a_file_and_its_content_is_in_the_key(
    tmp_path: Path, drive, in_order, problem, able
) -> None:
    specs = []
    for name in ("a", "b"):
        file = tmp_path / f"{name}.toml"
        file.write_text(template_text(f"Think {name}."), "utf-8")
        solver = get_solver(f"cot:template={file}")
        assert (
            asked(drive, in_order, problem, solver, able)[0] == f"Q: {problem.question}\nA: Think {name}.\n"
        )
        system = LiveSystem("x", solver, ScriptedEngine("#### 18"))
        specs.append(system.spec()["prompts"])
        (answer,) = system.answers([problem], ())  # type: ignore[arg-type]  # one problem is a set enough
        assert answer.solution.answer == "#### 18"
    assert specs[0] != specs[1]


@pytest.mark.parametrize("text", ["", "text = 3", "text = 'a'\nwords = 'b'", "text ="])
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, text) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(InvalidParameterError, match=r"reading (a|the) prompt template"):
        read_template(str(file))
