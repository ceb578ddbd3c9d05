"""One problem in full, in a real Chromium, whatever its text.

The fixture ``visit`` also fails on any console message or network request.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calculemus.report import write_report
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
