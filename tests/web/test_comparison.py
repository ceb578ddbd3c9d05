"""The comparison of stored runs: its figures, the pair that is chosen, and what cannot be compared."""

import json
import re
from pathlib import Path

import pytest
from tests.web.conftest import hostile, is_text_only
from tests.web.shelf import GRADER, add_run, problem_set

from calculemus.errors import InvalidParameterError
from calculemus.stats import compare as compare_pair
from calculemus.store import Store
from calculemus.study.compare import compare_entrants, read_entrants
from calculemus.web.comparing import IN_MATRIX, PAGES, plain_front
from calculemus.web.keeping import Kept
from calculemus.web.pages import Asked
from calculemus.web.site import Site

FIRST, SECOND, THIRD = "ccccwwwwww", "ccwwccwwww", "wwwwwwwwcu"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def keys(place: Path) -> list[str]:
    return [
        add_run(place, outcomes, name).key
        for name, outcomes in (("one", FIRST), ("two", SECOND), ("three", THIRD))
    ]


def address(keys: list[str], more: str = "") -> str:
    return "/compare.json?" + "&".join(f"run={key}" for key in keys) + more


def test_a_comparison_has_the_figures_of_the_outcomes(browse, place: Path, keys: list[str]) -> None:
    record = browse(Site(place)).get(address(keys)).json()
    assert [system["accuracy"] for system in record["systems"]] == [0.4, 0.4, 0.1]
    assert [system["unparsed"] for system in record["systems"]] == [0, 0, 1]
    a, b, c = ([float(letter == "c") for letter in text] for text in (FIRST, SECOND, THIRD))
    for system, values in zip(record["systems"][1:], (b, c), strict=True):
        expected = compare_pair(a, values)
        pair = system["pair"]
        assert (pair["delta"], pair["p_value"]) == pytest.approx((expected.delta, expected.p_value))
        assert (pair["ci_low"], pair["ci_high"]) == pytest.approx((expected.low, expected.high))
        assert pair["p_holm"] >= pair["p_value"]
    assert record["systems"][0]["pair"] is None
    assert record["baseline"] == "one"


def test_problems_on_which_runs_differ_are_listed_with_their_marks(browse, place: Path, keys: list[str]):
    record = browse(Site(place)).get(address(keys)).json()
    assert [line["position"] for line in record["differing"]] == [0, 1, 2, 3, 4, 5, 8]
    assert record["differing"][0]["marks"] == ["c", "c", "w"]
    assert record["differing"][-1]["marks"] == ["w", "w", "c"]


def test_a_pair_that_is_chosen_has_its_own_figures_and_problems(browse, place: Path, keys: list[str]):
    record = browse(Site(place)).get(address(keys, f"&a={keys[0]}&b={keys[1]}")).json()
    assert [line["position"] for line in record["differing"]] == [2, 3, 4, 5]
    assert (record["pair"]["only_a"], record["pair"]["only_b"], record["pair"]["delta"]) == (2, 2, 0.0)
    assert record["places"] == [0, 1]


def test_samples_that_agree_in_part_are_marked_so(browse, place: Path) -> None:
    first = add_run(place, "ccwwcw", "one", problem_set(3), samples=2)
    second = add_run(place, "ccwecw", "two", problem_set(3), {"b": 1}, samples=2)
    record = browse(Site(place)).get(address([first.key, second.key])).json()
    assert record["differing"] == []
    third = add_run(place, "cwuucc", "three", problem_set(3), {"c": 1}, samples=2)
    record = browse(Site(place)).get(address([first.key, third.key])).json()
    assert [(line["position"], line["marks"]) for line in record["differing"]] == [
        (0, ["c", "m"]),
        (2, ["m", "c"]),
    ]


def test_the_page_says_what_the_record_says(browse, place: Path, keys: list[str]) -> None:
    client = browse(Site(place))
    record, page = client.get(address(keys)).json(), client.get(address(keys).replace(".json", "")).text
    assert record["finding"] in page
    assert page.count('data-testid="system"') == 3
    (plots,) = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', page, re.DOTALL)
    assert json.loads(plots) == record["plots"]
    for key in keys:
        assert f'href="/runs/{key}/problems/8"' in page
    assert f"a={keys[1]}&amp;b={keys[0]}" in page


def test_the_baseline_and_missing_answers_can_be_chosen(browse, place: Path, keys: list[str]) -> None:
    short = add_run(place, "ccc", "short", problem_set(10))
    client = browse(Site(place))
    record = client.get(address([keys[0], short.key], f"&baseline={short.key}")).json()
    assert (record["baseline"], record["n_problems"]) == ("short", 3)
    assert "3 of 10" in record["notes"][0]
    record = client.get(address([keys[0], short.key], "&missing=wrong")).json()
    assert (record["n_problems"], record["systems"][1]["accuracy"]) == (10, 0.3)
    assert client.get(address(keys, "&baseline=nobody")).status_code == 404


def test_runs_on_several_problem_sets_are_refused_by_name(browse, place: Path, keys: list[str]) -> None:
    other = add_run(place, "cwcw", "elsewhere", problem_set(4, "products"))
    reply = browse(Site(place)).get(address([keys[0], other.key]))
    assert reply.status_code == 400
    assert "'sums'" in reply.json()["why"]
    assert "'products'" in reply.json()["why"]


def test_what_cannot_be_compared_is_told_so(browse, place: Path, keys: list[str], no_store: Path) -> None:
    client = browse(Site(place))
    ungraded = add_run(place, "", "nothing", problem_set(10))
    assert "regrade" in client.get(address([keys[0], ungraded.key])).json()["why"]
    assert client.get("/compare").status_code == 404
    assert client.get("/compare?run=zz").status_code == 404
    assert client.get(address(keys, "&grader=nobody")).status_code == 404
    assert client.get("/compare?" + "&".join(f"run={i}" for i in range(501))).status_code == 404
    assert browse(Site(no_store)).get(f"/compare?run={keys[0]}").status_code == 404
    few = add_run(place, "c", "few", problem_set(10))
    assert client.get(address([keys[0], few.key])).status_code == 400


def test_new_verdicts_change_a_comparison_that_was_kept(browse, place: Path, keys: list[str]) -> None:
    client = browse(Site(place))
    run = add_run(place, "cc", "growing", problem_set(10))
    before = client.get(address([keys[0], run.key])).json()
    add_run(place, "ccwwwwwwww", "growing", problem_set(10))
    after = client.get(address([keys[0], run.key])).json()
    assert (before["n_problems"], after["n_problems"]) == (2, 10)
    assert after["systems"][1]["correct"] == 2


def test_many_runs_have_no_matrix_and_a_pair_can_still_be_chosen(browse, place: Path) -> None:
    keys = [add_run(place, "cw" * 3 + "c" * (i % 5) + "w" * (4 - i % 5), f"run {i}").key for i in range(32)]
    client = browse(Site(place))
    record = client.get(address(keys)).json()
    assert record["matrix"] is None
    assert record["differing"] == []
    assert len(record["systems"]) == 32
    assert "best figure of 32" in record["finding"]
    record = client.get(address(keys, f"&a={keys[0]}&b={keys[4]}")).json()
    assert record["pair"]["only_b"] == 4
    assert len(record["differing"]) == 4
    assert client.get(address(keys[:IN_MATRIX])).json()["matrix"] is not None


def test_the_front_of_figures_alone_rises_with_cost(place: Path, keys: list[str]) -> None:
    with Store.open(place, readonly=True) as store:
        entrants = read_entrants(store, [store.find(key) for key in keys], GRADER)
        found = compare_entrants(store, entrants, GRADER)
    assert [system.name for system in plain_front(found, "tokens_out")] == ["one"]
    assert plain_front(found, "flops") == []


def test_stored_runs_on_several_sets_raise_before_anything_is_read(place: Path, keys: list[str]) -> None:
    other = add_run(place, "cwcw", "elsewhere", problem_set(4, "products"))
    with (
        Store.open(place, readonly=True) as store,
        pytest.raises(InvalidParameterError, match="2 problem sets"),
    ):
        read_entrants(store, [store.find(keys[0]), other], GRADER)


def test_names_in_a_comparison_stay_text(browse, place: Path) -> None:
    found = [add_run(place, text, hostile(name)).key for name, text in (("a", "ccww"), ("b", "wccw"))]
    page = browse(Site(place)).get(address(found).replace(".json", ""))
    assert page.status_code == 200
    assert is_text_only(page.text)
    reply = browse(Site(place)).get(
        "/compare", params={"run": found, "baseline": hostile("c"), "a": hostile("d")}
    )
    assert reply.status_code == 404
    assert is_text_only(reply.text)


def test_an_export_compares_the_newest_runs_of_each_problem_set(place: Path, keys: list[str]) -> None:
    newer = add_run(place, FIRST, "one", spec={"again": 1}).key
    add_run(place, "cwcw", "alone", problem_set(4, "products"))
    site = Site(place, is_live=False)
    (params,) = PAGES[0].places(site)
    record = PAGES[0].record(site, Asked(params, tuple(params.items())))
    assert {system["run"] for system in record["systems"]} == {newer, *keys[1:]}
    assert record["runs"] == params["runs"]


def test_what_is_kept_is_made_once_and_the_oldest_goes() -> None:
    made: list[str] = []
    kept = Kept[str](2)
    for key in ("a", "b", "a", "c", "b"):
        kept.get(key, lambda key=key: made.append(key) or key)
    assert made == ["a", "b", "c", "b"]


def test_what_could_not_be_made_is_tried_again() -> None:
    kept = Kept[float](2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 / 0)
    assert kept.get("a", lambda: 2.0) == 2.0
