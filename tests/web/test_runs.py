"""The list of runs, and one run: figures counted by hand, pages, hostile texts, and what is not there."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.web.conftest import hostile, is_text_only
from tests.web.shelf import add_run, problem_set

from calculemus import Problem, Solution
from calculemus.problems.problemset import ProblemSet
from calculemus.stats import proportion
from calculemus.store import Store
from calculemus.web.pages import Asked
from calculemus.web.runs import LINES, RUNS, runs
from calculemus.web.site import Site


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_the_list_has_what_the_store_has_newest_first(browse, place: Path) -> None:
    first = add_run(place, "ccwu", "abacus")
    second = add_run(place, "cwww", "slide rule", finished=False)
    record = browse(Site(place)).get("/runs.json").json()
    assert [run["key"] for run in record["runs"]] == [second.key, first.key]
    newest, oldest = record["runs"]
    assert (newest["accuracy"], oldest["accuracy"]) == (0.25, 0.5)
    assert (newest["finished"], oldest["finished"]) == (False, True)
    assert newest["outcomes"] == {"correct": 1, "wrong": 3, "unparsed": 0, "error": 0}
    expected = proportion(1, 4)
    assert (newest["ci_low"], newest["ci_high"]) == pytest.approx((expected.low, expected.high))


def test_several_samples_of_a_problem_do_not_narrow_the_interval(browse, place: Path) -> None:
    add_run(place, "cw" * 4, samples=2)
    (run,) = browse(Site(place)).get("/runs.json").json()["runs"]
    expected = proportion(2, 4)
    assert (run["accuracy"], run["ci_low"], run["ci_high"]) == pytest.approx(
        (0.5, expected.low, expected.high)
    )


def test_every_run_stands_on_exactly_one_page(browse, place: Path) -> None:
    keys = {add_run(place, "cw", f"run {i}").key for i in range(RUNS + 3)}
    client = browse(Site(place))
    first = client.get("/runs.json").json()
    second = client.get(f"/runs.json?start={first['after']}").json()
    found = [run["key"] for page in (first, second) for run in page["runs"]]
    assert len(found) == len(keys)
    assert set(found) == keys
    assert (first["before"], second["before"], second["after"]) == (None, "", None)
    assert f'href="/runs?start={RUNS}"' in client.get("/runs").text
    assert 'href="/runs" rel="prev"' in client.get(f"/runs?start={RUNS}").text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("slide", ["slide rule"]),
        ("SLIDE rule", ["slide rule"]),
        ("slide abacus", []),
        ("sums", ["slide rule", "abacus"]),
        ("temperature", ["abacus"]),
        ("%", []),
        ("_bacus", []),
        ("\\", []),
    ],
)
def test_a_search_wants_every_word_and_takes_signs_as_they_are(browse, place, query: str, names: list[str]):
    add_run(place, "cw", "abacus", spec={"temperature": 1})
    add_run(place, "cw", "slide rule")
    record = browse(Site(place)).get("/runs.json", params={"q": query}).json()
    assert [run["name"] for run in record["runs"]] == names
    assert record["n"] == len(names)


def test_a_run_is_judged_by_the_grader_asked_for_or_by_none(browse, place: Path) -> None:
    add_run(place, "ccww", "abacus")
    add_run(place, "cwww", "abacus", grader="strict@2")
    client = browse(Site(place))
    assert client.get("/runs.json").json()["runs"][0]["accuracy"] == 0.5
    assert client.get("/runs.json?grader=strict").json()["runs"][0]["accuracy"] == 0.25
    assert client.get("/runs.json?grader=nobody").json()["runs"][0]["grader"] is None


def test_a_store_that_is_not_there_yet_has_no_runs(browse, no_store: Path) -> None:
    client = browse(Site(no_store))
    assert client.get("/runs.json").json()["n"] == 0
    assert "calculemus compare" in client.get("/runs").text
    assert client.get("/runs/abc").status_code == 404
    assert not no_store.exists()


def test_a_run_has_its_settings_counts_and_answers(browse, place: Path) -> None:
    run = add_run(place, "cwue", spec={"solver": {"name": "Vote", "params": {"n": 8}}, "stop": ["\n"]})
    record = browse(Site(place)).get(f"/runs/{run.key}.json").json()
    assert record["settings"] == [
        {"name": "solver.name", "value": "Vote"},
        {"name": "solver.params.n", "value": 8},
        {"name": "stop[0]", "value": "\n"},
    ]
    assert record["mean_cost"] == {"tokens_out": 10.0}
    assert record["graders"][0]["outcomes"] == {"correct": 1, "wrong": 1, "unparsed": 1, "error": 1}
    assert [line["outcome"] for line in record["lines"]] == ["correct", "wrong", "unparsed", "error"]
    assert [line["gold"] for line in record["lines"]] == ["0", "1", "2", "3"]


def test_answers_are_filtered_and_paged(browse, place: Path) -> None:
    run = add_run(place, "cw" * (LINES + 1))
    client = browse(Site(place))
    first = client.get(f"/runs/{run.key}.json?outcome=wrong").json()
    last = client.get(f"/runs/{run.key}.json?outcome=wrong&start={LINES}").json()
    assert (first["n"], len(first["lines"]), len(last["lines"])) == (LINES + 1, LINES, 1)
    assert last["lines"][0]["position"] == 2 * LINES + 1
    assert {line["outcome"] for line in first["lines"]} == {"wrong"}
    assert client.get(f"/runs/{run.key}.json?outcome=nonsense").json()["n"] == 2 * LINES + 2


def test_a_run_is_found_by_the_start_of_its_key_alone(browse, place: Path) -> None:
    run = add_run(place, "cw")
    client = browse(Site(place))
    assert client.get(f"/runs/{run.key[:9]}.json").json()["key"] == run.key
    for wrong in ("zz", "%", "..%2f..%2fetc%2fpasswd", "\u202e", "' OR 1=1 --", "a" * 5000):
        assert client.get(f"/runs/{wrong}").status_code == 404, wrong
    for wrong in ("?start=-1", "?start=x", "?start=1e9"):
        assert client.get(f"/runs/{run.key}{wrong}").status_code == 404, wrong
    assert client.get(f"/runs/{run.key}?grader=nobody").status_code == 404


def test_texts_of_a_run_stay_text(browse, place: Path) -> None:
    bad = hostile("x") + "\0\ud800"
    named = hostile("n")
    problems = ProblemSet(named, (Problem(named, named, named, named), Problem("b", "c", "d")))
    run = add_run(
        place,
        "cw",
        named,
        problems,
        {"solver": named, named: [named]},
        solution=Solution(bad, failure=bad),
        extracted=bad,
    )
    client = browse(Site(place))
    for address in ("/runs", f"/runs/{run.key}"):
        page = client.get(address)
        assert page.status_code == 200
        assert is_text_only(page.text), address
        assert "\0" not in page.text
    record = client.get(f"/runs/{run.key}.json").json()
    assert record["name"] == named
    assert record["lines"][0]["question"] == named[:200]


def test_the_page_shows_what_the_record_says(browse, place: Path) -> None:
    run = add_run(place, "ccwu")
    client = browse(Site(place))
    record, page = client.get(f"/runs/{run.key}.json").json(), client.get(f"/runs/{run.key}").text
    shown = re.findall(r'data-testid="line".*?</tr>', page, re.DOTALL)
    assert len(shown) == len(record["lines"])
    for line, row in zip(record["lines"], shown, strict=True):
        assert line["problem_id"] in row
        assert line["outcome"] in row
        assert line["question"] in row
    assert "50.0\u202f%" in page


WRITER = """
import sys, time
from calculemus.store import Store
with Store.open(sys.argv[1]) as store:
    store._connection.execute("BEGIN IMMEDIATE")
    store._connection.execute("UPDATE run SET n_answers = n_answers + 1000")
    print("writing", flush=True)
    sys.stdin.read()
    store._connection.execute("ROLLBACK")
"""


def test_pages_are_shown_while_another_process_writes(browse, place: Path) -> None:
    run = add_run(place, "cw")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, place], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        client = browse(Site(place))
        assert client.get("/runs.json").json()["runs"][0]["rows"] == 2
        assert client.get(f"/runs/{run.key}").status_code == 200
        writer.communicate("")


def test_an_export_has_every_page_of_the_list(place: Path) -> None:
    from calculemus.web.runs import PAGES

    for number in range(RUNS + 1):
        add_run(place, "cw", f"run {number}")
    site = Site(place, is_live=False)
    found = [runs(site, Asked(query=tuple(params.items()))) for params in PAGES[0].places(site)]
    assert [len(page["runs"]) for page in found] == [RUNS, 1]
    assert len(list(PAGES[1].places(site))) == RUNS + 1


def test_a_store_without_our_reading_is_left_as_it_was(browse, place: Path) -> None:
    add_run(place, "cw", problems=problem_set(2))
    with Store.open(place, readonly=True) as store:
        before = store.runs()
    browse(Site(place)).get("/runs?q=x")
    with Store.open(place, readonly=True) as store:
        assert store.runs() == before


def test_an_export_links_its_lists_its_answers_and_its_comparison(place: Path, tmp_path: Path) -> None:
    from calculemus.web.contents import PAGES
    from calculemus.web.export import export

    for number in range(RUNS + 1):
        run = add_run(place, "cw" if number < RUNS else "wc", f"run {number}")
    names = {"atlas", "claims", "runs", "run", "problem", "comparison"}
    wanted = [page for page in PAGES if page.name in names]
    others = [replace(page, places=lambda site: ()) for page in PAGES if page not in wanted]
    folder = tmp_path / "out"
    export(Site(place, is_live=False), [*wanted, *others], folder)
    first = (folder / "runs.html").read_text("utf-8")
    assert f'href="runs.start-{RUNS}.html" rel="next"' in first
    assert 'href="runs.html" rel="prev"' in (folder / f"runs.start-{RUNS}.html").read_text("utf-8")
    page = (folder / "runs" / f"{run.key}.html").read_text("utf-8")
    assert f'href="{run.key}/problems/0.html"' in page
    (compared,) = folder.glob("compare.*.html")
    assert f'href="../{compared.name}"' in page
    assert f'href="runs/{run.key}/problems/0.html"' in compared.read_text("utf-8")
