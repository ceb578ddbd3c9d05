"""The door of the room: solvers by name, their cards, lists in text."""

import tomllib
from datetime import date
from pathlib import Path

import pytest

import calculemus.solving
from calculemus.errors import InvalidParameterError
from calculemus.solving import Solver, get_solver, list_solvers
from calculemus.solving.listing import read_lines, read_list
from calculemus.solving.steps import is_final
from calculemus.solving.templates import template_names

ROOM = Path(calculemus.solving.__file__).parent
IDS = [card.id for card in list_solvers()]


def test_the_solvers_are_those_that_have_a_card() -> None:
    baselines = {"cot", "direct", "least_to_most", "pal", "tir", "tot"}
    samplers = {"best_of_n", "mbr", "vote", "weighted_vote"}
    assert baselines | samplers <= set(IDS)
    assert sorted(IDS) == IDS


@pytest.mark.parametrize("name", IDS)
def test_a_card_stands_beside_its_module_and_is_complete(name) -> None:
    card = tomllib.loads((ROOM / f"{name}.toml").read_text("utf-8"))
    assert card["id"] == name
    assert (card["room"], card["interface"]) == ("solving", "Solver")
    assert card["entry"].partition(":")[0] == f"calculemus.solving.{name}"
    assert date.fromisoformat(card["date"])
    assert set(card["claim"]) == {"text", "baseline", "treatment", "metric", "direction", "reported"}
    assert set(card["scope"]) - {"not_established"} == {"shows", "does_not_show"}
    assert (ROOM / f"{name}_claim.py").exists() or name == "tir"  # which no model that ships can play
    assert card["summary"].count(". ") == 1
    assert isinstance(get_solver(card["claim"]["treatment"]), Solver)
    assert isinstance(get_solver(card["claim"]["baseline"]), Solver)


@pytest.mark.parametrize("name", IDS)
def test_a_solver_is_built_from_its_defaults_and_from_its_own_parameters(name) -> None:
    solver = get_solver(name)
    assert type(solver).from_params(solver.params()) == solver
    assert set(solver.prompts or ()) <= set(template_names())
    assert type(solver).__module__ == f"calculemus.solving.{name}"


def test_parameters_are_read_as_they_are_declared() -> None:
    solver = get_solver(" vote : n=8, temperature=1 ,early_stop=true,shots=none ")
    assert solver.params() == {
        "n": 8,
        "temperature": 1.0,
        "early_stop": True,
        "shots": None,
        "max_tokens": 512,
    }
    assert get_solver("cot:shots=3").params()["shots"] == 3
    assert get_solver("tot:search=dfs").params()["search"] == "dfs"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("vtoe", "there is no 'vtoe'; did you mean vote"),
        ("zzz", "there is no 'zzz'; there are adaptive_bon, "),
        ("", "there is no ''"),
        ("vote:temprature=1", "no parameter 'temprature'; did you mean temperature"),
        ("vote:n=eight", "'n' is 'eight'; expected a whole number, at least 1"),
        ("vote:n=2.5", "'n' is '2.5'; expected a whole number"),
        ("vote:n=0", "'n' is 0; expected a whole number, at least 1"),
        ("vote:temperature=nan", "'temperature' is nan; expected a finite number"),
        ("vote:early_stop=perhaps", "'early_stop' is 'perhaps'; expected true or false"),
        ("tot:search=sideways", "'search' is 'sideways'; expected one of 'bfs', 'dfs'"),
        ("vote:n", "found 'n' behind the name; expected param=value"),
        ("vote:n=", "found 'n=' behind the name"),
        ("vote:n=1,,n=2", "found ''"),
        ("vote:n=1,n=2", "'n' is given twice, as 1 and 2"),
        ("vote:n=8,temperature=0", "'temperature' is 0 with n=8"),
        ("cot:shots=-1", "'shots' is -1; expected a whole number or None, at least 0"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(spec, said) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        get_solver(spec)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1. a\n2) b\n(3) c\n4: d", ("a", "b", "c", "d")),
        ("Well:\n- a\n* b\n• c\nDone.", ("a", "b", "c")),
        ("Step 1: a\nsub-question 2. b", ("a", "b")),
        ('Ask "a?" and “b?”.', ("a?", "b?")),
        ('1. Say "a".\n2. b', ('Say "a".', "b")),
        ("8 - 6 = 2\n3.5 + 1 = 4.5", ()),
        ("1.\n2.  ", ()),
        ("", ()),
    ],
)
def test_a_list_is_read_from_numbers_bullets_or_quotes(text, items) -> None:
    assert read_list(text) == items


def test_lines_are_read_without_their_marks_and_once() -> None:
    text = "1. 8 - 6 = 2\n\n- 8 - 6 = 2\n 2 * 3 = 6 \n"
    assert read_lines(text) == ("8 - 6 = 2", "2 * 3 = 6")


@pytest.mark.parametrize(
    ("step", "final"),
    [
        ("#### 4", True),
        (r"so \boxed{4}", True),
        ("The answer is 4.", True),
        ("Answer: 4", True),
        ("2 + 2 = 4", False),
        ("We answer the first part.", False),
    ],
)
def test_a_step_is_the_last_one_if_it_states_the_answer(step, final) -> None:
    assert is_final(step) is final
