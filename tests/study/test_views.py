"""The problems of a comparison, one by one, with every system's samples."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Problem, Verdict
from calculemus.problems.problemset import ProblemSet
from calculemus.store import Store
from calculemus.study.compare import compare
from calculemus.study.recorded import open_recorded
from calculemus.study.views import problem_views

N = 12
SET = ProblemSet(
    "s", tuple(Problem(f"s/{i}", f"q{i}", str(i), f"worked {i}", meta={"steps": i % 3}) for i in range(N))
)


class Exact:
    """Right is what equals the answer."""

    name = "exact"
    version = 1

    def grade(self, problem: Problem, response: str | None) -> Verdict:
        return Verdict("correct" if response == problem.answer else "wrong", response, "text", "exact@1")


Tries = list[list[str]]
TRIES = st.lists(st.lists(st.sampled_from("0123456789x"), max_size=3), min_size=N, max_size=N)


def systems_of(folder: Path, tables: list[Tries]) -> list[str]:
    specs = []
    for number, tries in enumerate(tables):
        path = folder / f"s{number}.jsonl"
        rows = [{"id": f"s/{i}", "response": texts} for i, texts in enumerate(tries) if texts]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows[::-1]))
        specs.append(f"recorded:{path}")
    return specs


@settings(max_examples=25, deadline=None)
@given(st.lists(TRIES.filter(lambda tries: sum(map(bool, tries)) > 1), min_size=1, max_size=3))
def test_views_are_the_answers_joined_by_hand(
    tmp_path_factory: pytest.TempPathFactory, tables: list[Tries]
) -> None:
    folder = tmp_path_factory.mktemp("views")
    systems = [system for spec in systems_of(folder, tables) for system in open_recorded(spec)]
    common = [i for i in range(N) if all(tries[i] for tries in tables)]
    for missing, expected in (("wrong", range(N)), ("common", common)):
        if len(expected) < 2:
            continue
        with Store.open(folder / "store.db") as store:
            comparison = compare(store, systems, SET, Exact(), missing=missing)
            views = list(problem_views(store, comparison, SET))
        assert [view.id for view in views] == [f"s/{i}" for i in expected]
        for i, view in zip(expected, views, strict=True):
            assert (view.question, view.answer, view.solution, view.steps) == (
                f"q{i}", str(i), f"worked {i}", i % 3,
            )  # fmt: skip
            shown = [[(s.outcome, s.extracted, s.how, s.response) for s in mine] for mine in view.samples]
            assert shown == [
                [("correct" if text == str(i) else "wrong", text, "text", text) for text in tries[i]]
                for tries in tables
            ]


def test_views_are_read_page_by_page(tmp_path: Path) -> None:
    (spec,) = systems_of(tmp_path, [[[str(i)] for i in range(N)]])
    with Store.open(tmp_path / "store.db") as store:
        comparison = compare(store, open_recorded(spec), SET, Exact())
        views = problem_views(store, comparison, SET)
        assert next(views).id == "s/0"
        assert next(views).id == "s/1"
