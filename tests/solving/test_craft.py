"""CRAFT: the right tools are found by votes, shown, and run with the program."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.requests import Run
from calculemus.engine.sandbox import Sandbox
from calculemus.grading import get_grader
from calculemus.solving.craft import Craft, index_of, read_query, vote
from calculemus.solving.craft_claim import play
from calculemus.solving.craft_skills import SKILLS, other_tools, tool_of
from calculemus.solving.pal import Pal
from calculemus.solving.retrieving import Hit
from calculemus.solving.toolsets import Toolset

TOOLSET = Toolset((*map(tool_of, SKILLS), *other_tools()))
PARAPHRASED = [skill.problem(index, "second", seed=5) for index in range(5) for skill in SKILLS]


@pytest.fixture
def path(tmp_path) -> str:
    TOOLSET.save(tmp_path / "tools.jsonl")
    return str(tmp_path / "tools.jsonl")


def answer(sandbox: Any, completion: Any, log: list[str] | None = None) -> Any:
    def reply(request: Any) -> Any:
        if isinstance(request, Run):
            return sandbox.run(request.program)
        if log is not None:
            log.append(request.prompt)
        return (completion(play(request.prompt, 0)),)

    return reply


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def test_recall_at_three_on_reworded_questions() -> None:
    index = index_of(TOOLSET)
    found = 0
    for problem in PARAPHRASED:
        skill = next(skill for skill in SKILLS if f"/{skill.name}/" in problem.id)
        lists = index.lists(problem.question, skill.names.split(", "), skill.wish, 10, 5)
        found += skill.name in [TOOLSET.tools[i].name for i in vote(lists, 2, 3)]
    assert found / len(PARAPHRASED) >= 0.9


def test_accuracy_rises_with_the_tools_that_there_are(drive, completion, sandbox, tmp_path) -> None:
    grader = get_grader("default")
    solved: dict[int, int] = {}
    for n in (0, 5, 40):
        Toolset(TOOLSET.tools[:n]).save(tmp_path / f"{n}.jsonl")
        craft = Craft(toolset=str(tmp_path / f"{n}.jsonl"))
        answers = [drive(craft, p, answer(sandbox, completion)).solution.answer for p in PARAPHRASED[:12]]
        solved[n] = sum(grader.grade(p, a).correct for p, a in zip(PARAPHRASED, answers, strict=False))
    assert solved == {0: 0, 5: 5, 40: 12}


def test_the_tools_stand_in_the_prompt_and_in_the_program(drive, completion, sandbox, path) -> None:
    prompts: list[str] = []
    driven = drive(Craft(toolset=path), PARAPHRASED[1], answer(sandbox, completion, prompts))
    assert len(prompts) == 2
    assert prompts[0].endswith("Names it might have, separated by commas:")
    shown = prompts[1].rpartition("Functions that may be of use:")[2]
    assert shown.count("def ") == 3
    assert tool_of(SKILLS[1]).code in shown
    program = driven.asked[-1].program
    assert program.count(f"def {SKILLS[1].name}(") == 1
    assert program.endswith(driven.solution.trace.nodes[1].text)
    assert driven.solution.trace.nodes[0].meta["tools"][0] == SKILLS[1].name
    assert len(drive(Craft(toolset=path, n_shown=1), PARAPHRASED[1], answer(sandbox, completion)).asked) == 3


@given(
    st.lists(st.lists(st.integers(0, 6), max_size=6, unique=True), min_size=3, max_size=3),
    st.integers(1, 3),
    st.integers(1, 4),
)
def test_the_vote_is_a_count_of_lists(lists, least, shown) -> None:
    hits = [[Hit(index, 1 / (2 + place)) for place, index in enumerate(each)] for each in lists]
    chosen = vote(hits, least, shown)
    counts = Counter(index for each in lists for index in each)
    enough = {index for index, n in counts.items() if n >= least}
    likeness = {i: sum(h.score for each in hits for h in each if h.index == i) for i in enough}
    expected = sorted(enough, key=lambda i: (-counts[i], -round(likeness[i], 9), i))
    assert chosen == expected[:shown]


def test_a_tool_that_one_list_has_is_not_shown_and_random_ones_are_a_control(
    drive, completion, sandbox, path
) -> None:
    index = index_of(TOOLSET)
    lists = index.lists("How long is a rope of 7 miles?", ["handshakes"], "Return the mean speed.", 2, 2)
    assert len({hit.index for hits in lists for hit in hits}) > 3
    assert vote(lists, 3, 3) == []
    drawn = [
        drive(Craft(toolset=path, choose="random"), p, answer(sandbox, completion)).solution.trace.nodes[0]
        for p in PARAPHRASED[:6]
    ]
    assert len({tuple(node.meta["tools"]) for node in drawn}) == 6


def test_without_tools_it_is_a_program_and_no_more(drive, completion, sandbox) -> None:
    driven = drive(Craft(), PARAPHRASED[0], answer(sandbox, completion))
    assert len(driven.asked) == 2
    assert "# none" in driven.asked[0].prompt

    def reply(request: Any) -> Any:
        return [sandbox.run(run.program) for run in request] if isinstance(request, list) else one(request)

    one = answer(sandbox, completion)
    pal = drive(Pal(), PARAPHRASED[0], reply)
    assert driven.solution.answer == pal.solution.answer


def test_what_it_reads_is_named_by_content(path, tmp_path) -> None:
    craft = Craft(toolset=path)
    assert craft.reads == TOOLSET.digest
    assert Craft().reads == ""
    Toolset(TOOLSET.tools[:4]).save(path)
    assert craft.reads == Toolset(TOOLSET.tools[:4]).digest


def test_tools_that_were_tried_on_another_tier_are_a_warning(
    drive, completion, sandbox, tmp_path, caplog
) -> None:
    elsewhere = Toolset(tuple(replace(tool, tier="sci") for tool in TOOLSET.tools))
    elsewhere.save(tmp_path / "sci.jsonl")
    driven = drive(Craft(toolset=str(tmp_path / "sci.jsonl")), PARAPHRASED[0], answer(sandbox, completion))
    warning = "the tools were tried on the sandbox tier sci and run on 'mini', where they may differ"
    assert driven.solution.trace.nodes[1].meta["warning"] == warning
    assert warning in caplog.text
    assert driven.solution.answer is not None


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a_b, c\nWhat it would do: Return it.\n", (["a_b", "c"], "Return it.")),
        ("`f()`\nIt adds.", (["f"], "It adds.")),
        ("", ([], "")),
        ("what it would do: x", ([], "x")),
    ],
)
def test_a_query_is_names_and_a_docstring(text, query) -> None:
    assert read_query(text) == query
