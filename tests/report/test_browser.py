"""The page in a real Chromium. The fixture ``visit`` also fails on any console message or network request."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calculemus.report import write_report
from calculemus.report.words import p_value, percent, points
from calculemus.study.comparison import Comparison, ProblemView

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]

SLOW = """
const json = Response.prototype.json;
Response.prototype.json = async function () {
  await new Promise((resolve) => setTimeout(resolve, 150));
  return json.call(this);
};
"""


def shown_ids(page: Any) -> list[str]:
    return page.locator("[data-testid=problem-row] .id").all_inner_texts()


def count(page: Any) -> int:
    return int(re.match(r"[\d,]+", page.get_by_test_id("result-count").inner_text())[0].replace(",", ""))


def right(view: ProblemView, system: int) -> bool:
    return view.samples[system][0].outcome == "correct"


def test_the_table_shows_the_figures_of_the_comparison(visit: Visit, report: Path, comparison: Comparison):
    page = visit(report)
    rows = page.get_by_test_id("system-row")
    assert rows.count() == len(comparison.systems)
    pairs = {pair.b: pair for pair in comparison.pairs if pair.a == comparison.baseline}
    for index, system in enumerate(comparison.systems):
        row = rows.nth(index)
        assert system.name in row.get_by_role("rowheader").inner_text()
        assert row.get_by_test_id("accuracy").inner_text() == percent(system.accuracy)
        assert row.get_by_test_id("correct").inner_text() == f"{system.correct} of {system.n}"
        ends = f"{percent(system.ci_low)} to {percent(system.ci_high)}"
        assert row.get_by_test_id("interval").inner_text() == ends
        assert row.get_by_test_id("unparsed").inner_text() == str(system.unparsed)
        if pair := pairs.get(system.name):
            assert row.get_by_test_id("delta").inner_text() == points(pair.delta)
            assert row.get_by_test_id("p").inner_text() == p_value(pair.p_value)
    assert page.get_by_test_id("notes").inner_text() == comparison.notes[0]
    assert page.get_by_test_id("grader").inner_text() == comparison.grader


def test_every_plot_draws_a_mark_for_every_figure(visit: Visit, report: Path):
    page = visit(report)
    drawn = {
        name: page.locator(f"[data-plot={name}] svg .mark-symbol path").count()
        for name in ("intervals", "differences", "steps")
    }
    assert drawn == {"intervals": 3, "differences": 2, "steps": 4 * 3}


def test_marks_in_the_list_are_the_outcomes(visit: Visit, report: Path, views: list[ProblemView]):
    page = visit(report)
    rows = page.get_by_test_id("problem-row")
    assert rows.count() == 50
    for index in range(20):
        labels = [mark.get_attribute("aria-label") for mark in rows.nth(index).get_by_role("img").all()]
        assert [label.split(": ")[1] for label in labels] == [s[0].outcome for s in views[index].samples]


def test_pages_follow_each_other(visit: Visit, report: Path, views: list[ProblemView]):
    page = visit(report)
    assert page.get_by_test_id("page-earlier").is_disabled()
    page.get_by_test_id("page-later").click()
    page.get_by_test_id("page-later").click()
    assert shown_ids(page) == [view.id for view in views[100:]]
    assert page.get_by_test_id("page-later").is_disabled()


def test_filters_keep_what_they_say_and_together_all_of_it(
    visit: Visit, report: Path, views: list[ProblemView]
):
    page = visit(report)
    page.get_by_test_id("filter-A").select_option("w")
    wrong = [view for view in views if view.samples[0][0].outcome == "wrong"]
    assert count(page) == len(wrong)
    page.get_by_test_id("filter-C").select_option("c")
    both = [view for view in wrong if right(view, 2)]
    assert count(page) == len(both)
    page.get_by_test_id("filter-steps").select_option("2")
    assert shown_ids(page) == [view.id for view in both if view.steps == 2]
    page.get_by_test_id("clear").click()
    assert count(page) == len(views)


def test_problems_without_steps_are_a_group_of_their_own(
    visit: Visit, report: Path, views: list[ProblemView]
):
    page = visit(report)
    page.get_by_test_id("filter-steps").select_option("unknown")
    assert shown_ids(page) == [view.id for view in views if view.steps is None]


@pytest.mark.parametrize(("relation", "only"), [("differ", False), ("only", True)])
def test_two_systems_can_be_set_against_each_other(
    visit: Visit, report: Path, views: list[ProblemView], relation: str, only: bool
):
    page = visit(report)
    page.get_by_test_id("pair-x").select_option("A")
    page.get_by_test_id("pair-relation").select_option(relation)
    page.get_by_test_id("pair-y").select_option("B")
    apart = [v for v in views if right(v, 0) != right(v, 1) and (right(v, 0) or not only)]
    assert count(page) == len(apart)


def test_a_pattern_shows_the_problems_it_counts(visit: Visit, report: Path, views: list[ProblemView]):
    page = visit(report)
    line = page.locator("[data-pattern='011']")
    expected = [v.id for v in views if [right(v, s) for s in range(3)] == [False, True, True]]
    assert line.locator(".number").inner_text() == str(len(expected))
    line.click()
    assert count(page) == len(expected)
    assert shown_ids(page) == expected[:50]


def test_a_cell_of_the_matrix_tells_its_pair_and_shows_where_they_differ(
    visit: Visit, report: Path, comparison: Comparison
):
    page = visit(report)
    page.locator("[data-testid=pair-cell][data-x=C][data-y=B]").click()
    pair = next(p for p in comparison.pairs if (p.a, p.b) == ("large model", "large model, voting"))
    told = page.get_by_test_id("pair-about").inner_text()
    assert f"{pair.b} minus {pair.a}: {points(pair.delta)} points" in told
    page.get_by_test_id("pair-show").click()
    assert count(page) == pair.only_a + pair.only_b


def test_search_finds_questions_and_responses_whatever_their_case(
    visit: Visit, open_problem: Callable[..., None], report: Path, views: list[ProblemView]
):
    page = visit(report)
    page.get_by_test_id("search").fill("in BAG 12")
    found = [view.id for view in views if "in bag 12" in view.question]
    expect(page.get_by_test_id("problem-row")).to_have_count(11)
    assert shown_ids(page) == found
    page.get_by_test_id("search").fill("system 2 thinks about marbles in bag 77.")
    expect(page.get_by_test_id("problem-row")).to_have_count(1)
    open_problem(page, 0)
    assert page.locator("mark").all_inner_texts() == ["System 2 thinks about marbles in bag 77."]


def test_typing_is_never_overwritten(visit: Visit, report: Path):
    page = visit(report)
    box = page.get_by_test_id("search")
    box.press_sequentially("bag ")
    expect(page.get_by_test_id("clear")).to_be_visible()  # the first search is done
    box.press_sequentially("77")
    expect(page.get_by_test_id("problem-row")).to_have_count(1)
    assert box.input_value() == "bag 77"


def test_a_point_of_the_steps_plot_shows_its_problems(visit: Visit, report: Path, views: list[ProblemView]):
    page = visit(report)
    page.locator("[data-plot=steps] svg .mark-symbol path").nth(3).click()
    assert page.get_by_test_id("filter-steps").input_value() == "2"
    assert shown_ids(page) == [view.id for view in views if view.steps == 2][:50]


def test_a_long_search_shows_its_progress_and_can_be_stopped(
    visit: Visit, tmp_path: Path, comparison: Comparison, views: list[ProblemView]
):
    path = tmp_path / "r.html"
    many = [replace(views[i % 100], id=f"p/{i}") for i in range(256 * 12)]
    write_report(path, comparison, many)
    page = visit(path, before=SLOW)
    page.get_by_test_id("search").fill("marbles")
    expect(page.get_by_test_id("progress")).not_to_have_attribute("value", "0")
    page.get_by_test_id("cancel").click()
    assert page.get_by_test_id("progress").is_hidden()
    assert page.get_by_test_id("result-count").inner_text().endswith("(search stopped early)")
    assert 0 < count(page) < len(many)


def test_the_address_brings_back_filters_and_problem(
    visit: Visit, open_problem: Callable[..., None], report: Path, views: list[ProblemView]
):
    page = visit(report)
    page.get_by_test_id("filter-B").select_option("w")
    wrong = [view.id for view in views if view.samples[1][0].outcome == "wrong"]
    open_problem(page, 2)
    address = page.evaluate("location.hash")
    again = visit(report, hash=address)
    assert again.get_by_test_id("detail-id").inner_text() == wrong[2]
    assert again.get_by_test_id("filter-B").input_value() == "w"
    assert count(again) == len(wrong)


def test_an_address_that_names_nothing_shows_everything(visit: Visit, report: Path, views: list[ProblemView]):
    page = visit(report, hash="#problem=nobody&o.Z=w&o.A=x&x=Q&y=A&o.constructor=w")
    assert count(page) == len(views)
    assert page.locator("dialog[open]").count() == 0


def test_the_download_is_the_filtered_list(visit: Visit, report: Path, views: list[ProblemView]):
    page = visit(report)
    page.get_by_test_id("filter-A").select_option("u")
    with page.expect_download() as download:
        page.get_by_test_id("download").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    expected = [view for view in views if view.samples[0][0].outcome == "unparsed"]
    assert [row["id"] for row in rows] == [view.id for view in expected]
    assert [row["large model, voting"] for row in rows] == [v.samples[2][0].outcome for v in expected]


def test_the_theme_turns_page_and_plots(visit: Visit, report: Path):
    page = visit(report, color_scheme="dark")

    def looks() -> tuple[str, str]:
        point = page.locator("[data-plot=intervals] svg .mark-symbol path").first
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return ground, point.get_attribute("fill")

    dark = looks()
    page.get_by_test_id("theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = looks()
    assert dark[0] != light[0]
    assert dark[1] != light[1]


def test_one_system_and_known_costs_have_their_page(
    visit: Visit, tmp_path: Path, comparison: Comparison, views: list[ProblemView]
):
    costs = {"tokens_out": 120.0, "flops": 2.5e12}
    priced = replace(comparison.systems[0], cost=costs, on_front=True)
    alone = replace(comparison, systems=(priced,), pairs=())
    path = tmp_path / "r.html"
    write_report(path, alone, [replace(view, samples=view.samples[:1]) for view in views])
    page = visit(path)
    assert page.get_by_test_id("cost-row").locator("td").all_inner_texts() == ["120", "2.5\u202fT"]
    assert page.locator("#cost-choice").input_value() == "cost-flops"
    page.locator("#cost-choice").select_option("cost-tokens_out")
    page.wait_for_selector("[data-plot=cost-tokens_out] svg .mark-symbol path")
    page.locator("#cost-choice").select_option("cost-flops")
    page.wait_for_selector("[data-plot=cost-flops] svg .mark-symbol path")
    assert page.get_by_test_id("pair-cell").count() == 0


def test_a_phone_shows_the_page_in_its_width(visit: Visit, report: Path):
    page = visit(report, viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
