"""The table: what may be done on it, commands that can be obeyed, and a grader that does it all again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.errors import InvalidParameterError, ProblemError
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.problems import load
from calculemus.problems.tabletop import INTERFACE, SIZE, World, check, obey

TABLE = World({"red box": (1, 2), "blue box": (3, 4), "green box": (5, 5)})
names = st.sampled_from([*TABLE.places, "pink box"])
cells = st.integers(-1, SIZE)
calls = st.one_of(
    st.tuples(st.just("move"), st.tuples(names, cells, cells)),
    st.tuples(st.just("put_first_on_second"), st.tuples(names, names)),
)


@given(st.lists(calls, max_size=12))
def test_whatever_is_done_boxes_stand_on_the_table_or_on_one_other_box(done) -> None:
    world = TABLE
    for function, args in done:
        try:
            reply, after = world.call(function, args)
        except ProblemError:
            continue
        assert reply is None
        world = after
    assert list(world.places) == list(TABLE.places)
    assert len(set(world.under.values())) == len(world.under)  # one box on each at most
    for upper, lower in world.under.items():
        assert world.places[upper] == world.places[lower]
    grounded = [place for name, place in world.places.items() if name not in world.under]
    assert len(set(grounded)) == len(grounded)
    assert all(0 <= n < SIZE for place in grounded for n in place)
    assert len(grounded) >= 1


@pytest.mark.parametrize(
    ("function", "args", "why"),
    [
        ("move", ("pink box", 0, 0), "no 'pink box'"),
        ("move", ("red box", 3, 4), "a box stands there"),
        ("move", ("red box", 0, SIZE), "no place"),
        ("move", ("red box", 0.5, 0), "no place"),
        ("move", ("red box", 1), "wrong arguments"),
        ("move", (["red box"], 1, 1), "no \\['red box'\\]"),
        ("put_first_on_second", ("red box", "red box"), "on itself"),
        ("mvoe", ("red box", 1, 1), "did you mean move"),
        ("describe", (), "it has get_names"),
    ],
)
def test_what_the_table_does_not_allow_is_said(function, args, why) -> None:
    with pytest.raises(ProblemError, match=why):
        TABLE.call(function, args)


def test_a_box_below_another_stays_where_it_is() -> None:
    _, world = TABLE.call("put_first_on_second", ("red box", "blue box"))
    assert world.call("get_under", ("red box",))[0] == "blue box"
    assert world.call("get_pos", ("red box",))[0] == (3, 4)
    assert world.call("put_first_on_second", ("red box", "blue box"))[1] == world
    for function, args in (("move", ("blue box", 0, 0)), ("put_first_on_second", ("green box", "blue box"))):
        with pytest.raises(ProblemError, match="'red box' stands on it"):
            world.call(function, args)
    _, world = world.call("move", (), {"name": "red box", "x": 0, "y": 0})
    assert world.describe() == "blue box at (3, 4); green box at (5, 5); red box at (0, 0)"
    assert TABLE.describe() == "blue box at (3, 4); green box at (5, 5); red box at (1, 2)"


def test_sets_are_drawn_alike_and_begin_alike() -> None:
    few, more = load("tabletop:n=5,steps=3"), load("tabletop:n=20,steps=3")
    assert few.problems == more.problems[:5]
    assert load("tabletop:n=20,steps=3", limit=5).problems == few.problems
    assert load("tabletop:n=5,steps=3,seed=1").problems != few.problems
    assert {kind for p in load("tabletop:n=60").problems for kind in p.meta["kinds"]} == {
        "move", "put", "swap", "row", "stack"
    }  # fmt: skip
    assert all(problem.question.count(", then ") == 2 for problem in few)
    with pytest.raises(InvalidParameterError):
        load("tabletop:steps=99")


def test_the_grader_does_what_the_answer_says_and_compares() -> None:
    grader = get_grader("tabletop")
    problem = Problem(
        "t", "Put the red box on the blue box.", "blue box at (3, 4); red box on blue box",
        meta={"world": {"red box": [1, 2], "blue box": [3, 4]}},
    )  # fmt: skip
    right = "get_pos('red box')\nput_first_on_second('red box', second='blue box')\n"
    answers = {
        right: "correct",
        "move('red box', 0, 0)\n" + right: "correct",
        "move('red box', 0, 0)": "wrong",
        "": "wrong",
        "move('red box', 3, 4)": "unparsed",
        "I put it there.": "unparsed",
        "__import__('os').getcwd()": "unparsed",
        "move('red box', 1 + 1, 0)": "unparsed",
        "(" * 9000: "unparsed",
    }
    assert {text: grader.grade(problem, text).outcome for text in answers} == answers
    assert grader.grade(problem, None).outcome == "error"
    assert grader.grade(Problem("q", "?", "1/2"), "0.5").correct
    assert check(problem, problem.answer)[0] is None
    with pytest.raises(ProblemError, match="expected a call"):
        obey(TABLE, "x = 1")


def test_the_interface_is_what_the_world_answers() -> None:
    assert list(INTERFACE) == ["get_names", "get_pos", "get_under", "move", "put_first_on_second"]
    assert TABLE.call("get_names")[0] == list(TABLE.places)
