"""One problem in full, in a real Chromium, whatever its text.

The fixture ``visit`` also fails on any console message or network request.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calculemus.report import write_report
from calculemus.solution import Node, Trace
from calculemus.study.comparison import Comparison, ProblemView, SampleView

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]

HOSTILE = [
    "<script>document.title = 'run'</script>",
    "</script><script>document.title = 'run'</script>",
    "<img src=x onerror=\"document.title = 'run'\">",
    "<!--<script>",
    "\u202eright to left\u202c and שלום",
    "emoji 🧮👩‍🔬",
    "lone \ud800 surrogate",
    "{{ braces }} ${dollar} \\u003c &lt;",
]


def test_one_problem_opens_with_everything_known_of_it(
    visit: Visit, open_problem: Callable[..., None], report: Path, views: list[ProblemView]
):
    page = visit(report)
    open_problem(page, 5)
    view = views[5]
    assert page.get_by_test_id("detail-id").inner_text() == view.id
    assert page.get_by_test_id("question").inner_text() == view.question
    assert page.get_by_test_id("gold").inner_text() == view.answer
    assert page.get_by_test_id("steps").inner_text() == str(view.steps)
    assert page.get_by_test_id("solution").inner_text() == view.solution
    for letter, (sample,) in zip("ABC", view.samples, strict=True):
        answers = page.get_by_test_id(f"answers-{letter}")
        assert answers.get_by_test_id("verdict").inner_text().endswith(sample.outcome)
        assert answers.get_by_test_id("extracted").inner_text() == (sample.extracted or "none")
        assert answers.get_by_test_id("how").inner_text() == sample.how
        assert answers.get_by_test_id("response").inner_text() == sample.response


def live_views(views: list[ProblemView]) -> list[ProblemView]:
    """Give the first two systems a trace, a prompt and a cost; the third stays a recorded one."""
    failed = Trace((
        Node("code", "\n    return 1 / 0\n", meta={"logprob": -0.51234}),
        Node("output", "division by zero", (0,), {"status": "raised", "tier": "mini"}),
    ))  # fmt: skip
    tree = Trace((
        Node("step", "root"), Node("step", "left", (0,)), Node("step", "right", (0,)),
        Node("completion", "joined", (1, 2), {"chosen": True, "votes": 3}),
    ))  # fmt: skip
    found = []
    for view in views:
        program, search, recorded = (samples[0] for samples in view.samples)
        program = replace(program, response=None, failure="ZeroDivisionError: by zero", trace=failed)
        search = replace(search, trace=tree, truncated=True, cost={"tokens_out": 1234.0, "flops": 3.31e8})
        prompts = (f"Q: {view.question}\nP:", "Think:\n" + "example\n" * 9, None)
        found.append(replace(view, samples=((program,), (search,), (recorded,)), prompts=prompts))
    return found


@pytest.fixture
def live(tmp_path: Path, comparison: Comparison, views: list[ProblemView]) -> Path:
    write_report(tmp_path / "live.html", comparison, live_views(views))
    return tmp_path / "live.html"


def test_a_program_is_shown_with_its_output_and_its_error(
    visit: Visit, open_problem: Callable[..., None], live: Path
):
    page = visit(live)
    open_problem(page, 3)
    answers = page.get_by_test_id("answers-A")
    assert answers.get_by_test_id("failure").inner_text() == "ZeroDivisionError: by zero"
    assert answers.get_by_test_id("response").count() == 0
    code, output = answers.get_by_test_id("node").all()
    assert code.get_by_test_id("node-text").text_content() == "    return 1 / 0"
    assert code.locator("header").inner_text().split() == ["0", "·", "code", "logprob", "-0.512"]
    assert output.get_by_test_id("node-text").text_content() == "division by zero"
    assert output.locator("header").inner_text().split() == [
        *("1", "·", "output", "status", "raised", "tier", "mini")
    ]
    assert "failed" in (output.get_attribute("class") or "").split()
    colours = [text.evaluate("e => getComputedStyle(e.lastChild).color") for text in (code, output)]
    assert colours[0] != colours[1]


def test_a_longer_trace_is_a_tree_that_opens_on_a_click(
    visit: Visit, open_problem: Callable[..., None], live: Path
):
    page = visit(live)
    open_problem(page, 3)
    answers = page.get_by_test_id("answers-B")
    expect(answers.get_by_test_id("node")).to_have_count(0)
    answers.get_by_text("Trace, 4 steps").click()
    expect(answers.get_by_test_id("node")).to_have_count(4)
    nodes = answers.get_by_test_id("node").all()
    left = [node.bounding_box()["x"] for node in nodes]
    assert left[0] < left[1] == left[2]
    assert "after 0" in nodes[2].inner_text()
    assert "after 1, 2" in nodes[3].inner_text()
    assert nodes[3].locator(".tag").inner_text() == "chosen"
    assert answers.get_by_test_id("truncated").is_visible()
    assert answers.get_by_test_id("cost").inner_text().split() == [
        *("Tokens", "out", "1,234", "FLOP", "331", "M"),
    ]


def test_the_first_prompt_of_a_live_system_opens_on_a_click(
    visit: Visit, open_problem: Callable[..., None], live: Path, views: list[ProblemView]
):
    page = visit(live)
    open_problem(page, 3)
    prompt = page.get_by_test_id("answers-A").get_by_test_id("prompt")
    assert not prompt.get_by_test_id("prompt-text").is_visible()
    prompt.locator("summary").click()
    expect(prompt.get_by_test_id("prompt-text")).to_be_visible()
    assert prompt.get_by_test_id("prompt-text").text_content() == f"Q: {views[3].question}\nP:"
    assert page.get_by_test_id("answers-C").locator("details").count() == 0


def test_a_search_looks_into_traces_and_failures(visit: Visit, live: Path, views: list[ProblemView]):
    page = visit(live)
    for text in ("return 1 /", "by zero", "joined"):
        page.get_by_test_id("search").fill(text)
        expect(page.get_by_test_id("result-count")).to_have_text(f"{len(views)} problems")
    page.get_by_test_id("search").fill("return 2")
    expect(page.get_by_test_id("result-count")).to_have_text(f"0 of {len(views)} problems")


def test_keys_walk_through_the_problems(visit: Visit, report: Path):
    page = visit(report)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.get_by_test_id("problem-row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert page.get_by_test_id("detail-id").inner_text() == "marbles/1"
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("detail-id")).to_have_text("marbles/2")
    page.keyboard.press("k")
    expect(page.get_by_test_id("detail-id")).to_have_text("marbles/1")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    assert page.evaluate("document.activeElement.dataset.position") == "1"


def test_next_walks_through_what_the_filters_show(
    visit: Visit, open_problem: Callable[..., None], report: Path, views: list[ProblemView]
):
    page = visit(report)
    page.get_by_test_id("filter-A").select_option("u")
    unparsed = [view.id for view in views if view.samples[0][0].outcome == "unparsed"]
    open_problem(page, 0)
    page.get_by_test_id("next").click()
    expect(page.get_by_test_id("detail-id")).to_have_text(unparsed[1])
    for _ in unparsed[2:]:
        page.get_by_test_id("next").click()
    expect(page.get_by_test_id("detail-id")).to_have_text(unparsed[-1])
    assert page.get_by_test_id("next").is_disabled()


def test_hostile_text_is_only_text(
    visit: Visit, open_problem: Callable[..., None], tmp_path: Path, compared: Callable[..., Comparison]
):
    text = "\n".join(HOSTILE)
    names = ["<b>bold</b>", "</script><script>alert(1)</script>", "\u202ebackwards"]
    samples = tuple((SampleView("wrong", text, text, f"{text} by {name}"),) for name in names)
    evil = [ProblemView(f"evil/{text}", text, text, text, 1, samples)]
    path = tmp_path / "r.html"
    write_report(path, replace(compared(evil, names), notes=(text,)), evil, HOSTILE[0])
    page = visit(path)
    title = page.title()
    open_problem(page, 0)
    for testid in ("question", "gold", "solution"):
        assert page.get_by_test_id(testid).text_content() == text
    for letter, name in zip("ABC", names, strict=True):
        answers = page.get_by_test_id(f"answers-{letter}")
        assert answers.get_by_test_id("response").text_content() == f"{text} by {name}"
        assert answers.get_by_test_id("how").text_content() == text
        assert answers.locator("h4 bdi").text_content() == name
    assert page.title() == title
    assert page.locator("img, b:has-text('bold')").count() == 0


def test_control_characters_are_shown_by_their_pictures(
    visit: Visit,
    open_problem: Callable[..., None],
    tmp_path: Path,
    comparison: Comparison,
    views: list[ProblemView],
):
    path = tmp_path / "r.html"
    write_report(path, comparison, [replace(views[0], question="nul \0 escape \x1b tab \t end")])
    page = visit(path)
    open_problem(page, 0)
    assert page.get_by_test_id("question").text_content() == "nul \u2400 escape \u241b tab \t end"


def test_a_megabyte_waits_for_a_click(
    visit: Visit,
    open_problem: Callable[..., None],
    tmp_path: Path,
    comparison: Comparison,
    views: list[ProblemView],
):
    long = "0123456789abcdef" * 65536
    path = tmp_path / "r.html"
    samples = ((replace(views[0].samples[0][0], response=long),), *views[0].samples[1:])
    write_report(path, comparison, [replace(views[0], samples=samples)])
    page = visit(path)
    open_problem(page, 0)
    response = page.get_by_test_id("answers-A").get_by_test_id("response")
    assert len(response.text_content()) < 25_000
    response.get_by_test_id("show-all").click()
    assert response.text_content() == long


def test_repeated_samples_are_all_there_and_counted(
    visit: Visit,
    open_problem: Callable[..., None],
    tmp_path: Path,
    comparison: Comparison,
    views: list[ProblemView],
):
    first = views[0].samples[0][0]
    several = tuple(replace(first, outcome=o, response=o) for o in ("correct", "wrong", "correct"))
    path = tmp_path / "r.html"
    write_report(path, comparison, [replace(views[0], samples=(several, several[:1], ()))])
    page = visit(path)
    page.get_by_test_id("filter-A").select_option("m")
    row = page.get_by_test_id("problem-row")
    labels = [mark.get_attribute("aria-label") for mark in row.get_by_role("img").all()]
    assert [label.split(": ")[1] for label in labels] == [
        "partly correct (2 of 3 correct)",
        "correct",
        "no sample",
    ]
    open_problem(page, 0)
    answers = page.get_by_test_id("answers-A")
    assert answers.get_by_test_id("response").all_text_contents() == ["correct", "wrong", "correct"]
    assert answers.get_by_test_id("verdict").count() == 3
    assert page.get_by_test_id("answers-C").get_by_test_id("verdict").count() == 0
