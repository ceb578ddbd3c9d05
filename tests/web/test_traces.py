"""One problem of a run: its samples, its verdicts, and its trace as a tree."""

import re
from pathlib import Path

import pytest
from tests.web.conftest import hostile, is_text_only
from tests.web.shelf import add_run, problem_set

from calculemus import Cost, Problem, Solution, Trace
from calculemus.problems.problemset import ProblemSet
from calculemus.solution import Node
from calculemus.web.site import Site
from calculemus.web.traces import PAGES
from calculemus.web.trees import DEEPEST, NODES, ordered, tree


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


SEARCH = (
    Node("step", "root"),
    Node("step", "left", (0,), {"value": 0.25, "visits": 3}),
    Node("step", "right", (0,)),
    Node("code", "print(1)", (1,)),
    Node("output", "boom", (3,), {"status": "error"}),
    Node("step", "both", (2, 4), {"chosen": True}),
)


def test_a_tree_stands_branch_by_branch_and_only_branches_go_deeper() -> None:
    assert ordered(SEARCH) == [(0, 0), (1, 1), (3, 1), (4, 1), (2, 1), (5, 1)]
    found = {step["number"]: step for step in tree(SEARCH, ordered(SEARCH), 0)}
    assert found[5]["follows"] == [2, 4]
    assert found[2]["follows"] == [0]
    assert found[3]["follows"] == []
    assert found[4]["has_failed"]
    assert (found[3]["is_code"], found[1]["is_code"]) == (True, False)
    assert found[1]["facts"] == {"value": "0.25", "visits": "3"}
    assert found[5]["tags"] == ["chosen"]


@pytest.mark.parametrize("start", [0, 1, 37, NODES, 250])
def test_lists_that_open_on_a_page_end_on_it(start: int) -> None:
    nodes = [Node("step", str(i), ((i - 1) // 3,) if i else ()) for i in range(400)]
    page = tree(nodes, ordered(nodes), start)
    level = 0
    for step in page:
        level += step["opens"]
        assert level >= 0
        level -= step["closes"]
    assert level == 0
    assert [step["number"] for step in page] == [n for n, _ in ordered(nodes)[start : start + NODES]]


def test_a_chain_of_ten_thousand_and_a_comb_are_no_deeper_than_is_readable() -> None:
    chain = [Node("step", "", (i - 1,) if i else ()) for i in range(10_000)]
    assert {depth for _, depth in ordered(chain)} == {0}
    comb = [Node("step", "", (max(0, i - 2 + i % 2),) if i else ()) for i in range(2_001)]
    assert max(depth for _, depth in ordered(comb)) <= DEEPEST
    assert sorted(number for number, _ in ordered(comb)) == list(range(2_001))


def test_a_problem_has_what_was_asked_and_what_came_of_it(browse, place: Path) -> None:
    run = add_run(place, "cwuc", nodes=SEARCH)
    add_run(place, "wwww", grader="strict@2")  # the same run, looked at by another grader
    other = add_run(place, "wccc", "slide rule")
    client = browse(Site(place))
    record = client.get(f"/runs/{run.key}/problems/2.json").json()
    assert (record["question"], record["gold"], record["solution"]) == ("What is 2 + 0?", "2", "2 + 0 = 2")
    outcomes = {name: found["outcome"] for name, found in record["shown"]["verdicts"].items()}
    assert outcomes == {"default@1": "unparsed", "strict@2": "wrong"}
    assert record["shown"]["cost"] == {"tokens_out": 10}
    assert (record["before"], record["after"]) == (1, 3)
    assert [(each["key"], each["outcome"]) for each in record["elsewhere"] if each["key"] == other.key] == [
        (other.key, "correct")
    ]
    page = client.get(f"/runs/{run.key}/problems/2").text
    shown = re.findall(r'id="step-(\d+)"', page)
    assert [int(number) for number in shown] == [step["number"] for step in record["trace"]["nodes"]]
    assert page.count("<ul>") == page.count("</ul>") - page.count('<ul class="')
    assert "merges" in page
    assert f'href="/runs/{run.key}/problems/3"' in page


def test_each_sample_has_a_page_and_a_verdict(browse, place: Path) -> None:
    run = add_run(place, "cwwc", samples=2)
    client = browse(Site(place))
    record = client.get(f"/runs/{run.key}/problems/1.json?sample=1").json()
    assert record["shown"]["sample"] == 1
    assert [each["verdicts"]["default@1"]["outcome"] for each in record["samples"]] == ["wrong", "correct"]
    assert client.get(f"/runs/{run.key}/problems/1?sample=2").status_code == 404


def test_a_response_that_is_the_whole_trace_is_shown_once(browse, place: Path) -> None:
    text = "only one"
    run = add_run(place, "cw", solution=Solution(text, trace=Trace((Node("completion", text),))))
    client = browse(Site(place))
    assert client.get(f"/runs/{run.key}/problems/0.json").json()["trace"] is None
    assert client.get(f"/runs/{run.key}/problems/0").text.count(text) == 1


def test_a_long_trace_is_paged_and_a_long_step_is_linked(browse, place: Path) -> None:
    nodes = [
        Node("step", "x" * 1_000_000 if i == 1 else f"state {i}", ((i - 1) // 3,) if i else ())
        for i in range(350)
    ]
    run = add_run(place, "cw", nodes=nodes)
    client = browse(Site(place))
    address, seen = f"/runs/{run.key}/problems/0", []
    start = ""
    while start is not None:
        trace = client.get(f"{address}.json?from={start}").json()["trace"]
        seen += [step["number"] for step in trace["nodes"]]
        assert len(trace["nodes"]) <= NODES
        start = trace["after"]
    assert sorted(seen) == list(range(350))
    page = client.get(address).text
    assert len(page) < 200_000
    assert "996,000 more characters" in page
    assert client.get(f"{address}.json?node=1").json()["node"]["text"] == "x" * 1_000_000
    assert client.get(f"{address}?node=350").status_code == 404


def test_places_that_are_not_there_are_told_so(browse, place: Path) -> None:
    run = add_run(place, "cw")
    client = browse(Site(place))
    for wrong in ("2", "-1", "x", "1.5", "%2e%2e%2f%2e%2e", "999999999999999999999", "\u0662"):
        assert client.get(f"/runs/{run.key}/problems/{wrong}").status_code == 404, wrong
    assert client.get("/runs/zz/problems/0").status_code == 404
    assert client.get(f"/runs/{run.key}/problems/0?sample=x").status_code == 404


def test_a_problem_without_an_answer_is_a_page_too(browse, place: Path) -> None:
    run = add_run(place, "cw", problems=problem_set(5))
    page = browse(Site(place)).get(f"/runs/{run.key}/problems/4")
    assert page.status_code == 200
    assert "has no answer" in page.text


def test_texts_of_a_trace_stay_text(browse, place: Path) -> None:
    bad, name = hostile("x") + "\0\ud800", hostile("n")
    nodes = (
        Node(
            name,
            bad,
            (),
            {name: name, "value": float("nan"), "logprob": float("-inf"), "deep": {name: [bad]}},
        ),
        Node("code", bad, (0,), {"status": name}),
    )
    problems = ProblemSet(name, (Problem(name, name, name, name), Problem("b", "c", "d")))
    answer = Solution(bad, (bad,), Trace(nodes), Cost(tokens_out=1), failure=bad)
    run = add_run(place, "cw", name, problems, {"solver": name}, solution=answer, extracted=bad)
    add_run(place, "cw", name + "2", problems, {"solver": "b"})
    client = browse(Site(place))
    for query in ("", "?node=1"):
        page = client.get(f"/runs/{run.key}/problems/0{query}")
        assert page.status_code == 200
        assert is_text_only(page.text)
        assert "\0" not in page.text
    record = client.get(f"/runs/{run.key}/problems/0.json").json()
    assert record["question"] == name
    assert record["trace"]["nodes"][0]["text"].startswith(hostile("x") + "\0")


def test_an_export_has_the_first_problems_of_the_newest_runs(place: Path) -> None:
    run = add_run(place, "cw" * 4, samples=2)
    add_run(place, "c" * 60, "long", problem_set(60))
    found = list(PAGES[0].places(Site(place, is_live=False)))
    assert sum(params["key"] != run.key for params in found) == 50
    assert {(params["position"], params.get("sample")) for params in found if params["key"] == run.key} == {
        (str(position), sample) for position in range(4) for sample in (None, "1")
    }


def test_the_first_prompt_is_shown_where_the_spec_proves_it() -> None:
    from calculemus.solving import get_solver
    from calculemus.solving.templates import templates_digest
    from calculemus.study.live import describe
    from calculemus.study.opening import stored_opening

    solver, problem = get_solver("direct"), Problem("a", "What is 6 * 7?", "42")
    spec = {"kind": "live", "solver": describe(solver), "prompts": templates_digest(solver.prompts, "tiny")}
    found = stored_opening(spec, problem)
    assert found is not None
    assert found["set"] == "tiny"
    assert problem.question in found["text"]
    assert stored_opening({**spec, "prompts": "another"}, problem) is None
    assert stored_opening({**spec, "reads": "a file"}, problem) is None
    assert stored_opening({**spec, "solver": {"name": "Direct", "params": {"no": 1}}}, problem) is None
    assert stored_opening({"kind": "live", "solver": {"name": "Nobody", "params": {}}}, problem) is None
    assert stored_opening({}, problem) is None
