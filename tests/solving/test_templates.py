"""Prompt templates: every file of every set is sound, and places are filled once."""

import re
import subprocess
import sys

import pytest

from calculemus.engine.requests import Chat
from calculemus.errors import InvalidParameterError
from calculemus.problems import gsm8k
from calculemus.problems.arithmetic import holds
from calculemus.problems.game24 import check
from calculemus.solving import templates
from calculemus.solving.templates import (
    Form,
    Template,
    prompt_sets,
    read_template,
    template_names,
    templates_digest,
)

ALL = [(prompt_set, name) for prompt_set in prompt_sets() for name in template_names(prompt_set)]
WORKED = read_template("cot").examples
# What solvers give besides the question.
GIVEN = {
    "bp_aggregate": {"thoughts"},
    "bp_compare": {"first", "second"},
    "bp_part": {"part"},
    "bp_refine": {"solution"},
    "cap_command": {"objects"},
    "cap_flat": {"objects"},
    "cap_function": {"signature", "line"},
    "coc_call": {"program", "call", "what", "again"},
    "coc_line": {"program", "line", "state", "what", "again"},
    "coc_run": {"program"},
    "craft": {"tools"},
    "craft_abstract": {"program"},
    "judge": {"solution"},
    "pe2": {"prompt", "context", "examples", "history", "limits"},
    "syzygy": {"form"},
    "syzygy_conditions": {"number"},
    "syzygy_plain": {"form"},
    "syzygy_solve": {"conditions", "way"},
    "syzygy_uses": {"conditions", "solution"},
    "tot_answer": {"steps"},
    "tot_list": {"steps"},
    "tot_step": {"steps"},
    "tot_value": {"steps"},
    "tot_vote": {"choices"},
}

NO_QUESTION = ("cap_function", "pe2", "tot_vote")


@pytest.mark.parametrize(("prompt_set", "name"), ALL)
@pytest.mark.parametrize("as_chat", [False, True])
def test_every_template_is_filled_by_what_solvers_give(prompt_set, name, as_chat) -> None:
    template = read_template(name, prompt_set)
    values = {key: f"<{key}>" for key in ["question", *sorted(GIVEN.get(name, ()))]}
    for shots in (None, 0):
        prompt = template.fill(values, as_chat, shots)
        text = prompt if isinstance(prompt, str) else prompt.messages[-1][1]
        assert "{{" not in str(prompt)
        assert all(
            value in text for value in values.values() if value != "<question>" or name not in NO_QUESTION
        )
    assert isinstance(prompt, Chat) is as_chat


def test_the_sets_are_the_general_one_and_that_of_the_shipped_model() -> None:
    assert prompt_sets() == ["default", "tiny"]
    assert set(template_names("tiny")) <= set(template_names("default"))


@pytest.mark.parametrize("example", WORKED, ids=[str(e["answer"]) for e in WORKED])
def test_an_example_is_worked_out_without_a_mistake(example) -> None:
    worked = gsm8k.parse(example["solution"])
    assert worked.answer == example["answer"]
    assert len(worked.annotations) >= 2
    assert all(holds(annotation.source) for annotation in worked.annotations)
    written = gsm8k.parse(example["solution"]).annotations
    assert written[-1].value == example["answer"]


def test_the_programs_of_the_examples_return_their_answers(tmp_path) -> None:
    program = "\n".join(f"{e['program']}\nprint(solution() == {e['answer']})" for e in WORKED)
    file = tmp_path / "programs.py"
    file.write_text(program, "utf-8")
    ran = subprocess.run([sys.executable, "-I", file], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True"] * len(WORKED)


def test_the_programs_of_the_examples_begin_with_their_question() -> None:
    assert all(e["program"].startswith(f'def solution():\n    """{e["question"]}"""\n') for e in WORKED)


@pytest.mark.parametrize("name", ["tot_list", "tot_answer"])
def test_the_states_in_the_examples_of_the_game_are_right(name) -> None:
    played = [e for e in read_template(name).examples if "brackets" in e["question"]]
    for example in played:
        steps = [*example["steps"].strip().splitlines(), *example.get("next", "").splitlines()]
        assert all(holds(step.partition(" (left")[0]) for step in steps)
        assert example.get("step", example.get("answer")) in (*steps, example.get("answer"))
        numbers = list(map(int, re.findall(r"\d+", example["question"].partition(" once")[0])))
        if "answer" in example:
            assert check(numbers, example["answer"]) == (True, example["answer"])
    assert played


def test_what_code_prints_in_the_examples_is_what_it_prints(tmp_path) -> None:
    for number, example in enumerate(read_template("tir").examples):
        blocks = re.findall(r"```python\n(.*?)```\n```output\n(.*?)```", example["worked"], re.S)
        file = tmp_path / f"{number}.py"
        file.write_text("".join(code for code, _ in blocks), "utf-8")
        ran = subprocess.run([sys.executable, "-I", file], capture_output=True, text=True, check=True)
        assert ran.stdout == "".join(output for _, output in blocks)
        assert ran.stdout


def test_braces_in_a_value_are_left_alone() -> None:
    template = Template("t", Form("", "Q: {{question}} {{ steps }}", ""), Form("", "", ""))
    filled = template.fill({"question": "What is {{steps}}?", "steps": "{1}"}, as_chat=False)
    assert filled == "Q: What is {{steps}}? {1}"


def test_a_place_without_a_value_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidParameterError, match="no value for 'solution', only for question"):
        read_template("judge").fill({"question": "How many?"}, as_chat=False)


def test_an_unknown_template_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(InvalidParameterError, match="has no 'cott'; did you mean cot"):
        read_template("cott")
    with pytest.raises(InvalidParameterError, match="the prompt set 'tiny' has no 'tir'; it has cot, direct"):
        read_template("tir", "tiny")


def test_an_unknown_prompt_set_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(InvalidParameterError, match="no prompt set 'huge'; there are default, tiny"):
        read_template("cot", "huge")


def test_a_file_without_a_text_is_an_error(tmp_path, monkeypatch) -> None:
    (tmp_path / "default").mkdir()
    (tmp_path / "default" / "empty.toml").write_text("stop = []\n", "utf-8")
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    with pytest.raises(InvalidParameterError, match=r"empty\.toml: 'text' is None"):
        read_template("empty")


def test_the_digest_follows_the_content_and_the_set() -> None:
    one, other = templates_digest(("cot",)), templates_digest(("cot",), "tiny")
    assert one != other
    assert templates_digest(["direct", "cot"]) == templates_digest(("cot", "direct"))
    assert templates_digest(None, "tiny") == templates_digest(template_names("tiny"), "tiny")
