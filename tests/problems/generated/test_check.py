"""The self-check: it finds what is planted, and counts what is there."""

from itertools import islice

import pytest

from calculemus.errors import ProblemError
from calculemus.problems.generated import Generated, Item, Spec
from calculemus.problems.generated.check import faults, verify_generated
from calculemus.problems.generated.dag import Dag, Quantity, Unit, unit_of
from calculemus.problems.generated.phrase import SLOTS, with_slots
from calculemus.problems.generated.programs import run_program


def tampered(item: Item, place: int, **slots: str) -> Item:
    """Return the item with other words in one of its rows."""
    entry, variant, words, is_step = item.rows[place]
    changed = (entry, variant, with_slots(words, **slots), is_step)
    swap = {id(item.rows[place]): changed}
    rows = [swap.get(id(row), row) for row in item.rows]
    shown = [swap.get(id(row), row) for row in item.telling.shown]
    return Item(item.origin, item.index, item.draft, item.telling._replace(rows=rows, shown=shown))


@pytest.fixture(params=range(6))
def item(request: pytest.FixtureRequest) -> Item:
    return Generated(Spec(steps=3, ops="basic"), seed=2)[request.param]


def test_a_sound_item_has_no_fault(item: Item) -> None:
    assert faults(item) == []


@pytest.mark.parametrize(
    ("place", "slots"),
    [
        (1, {"y": "12345"}),  # a wrong result in the solution
        (1, {"b": "12345"}),  # another number in question, solution and program
        (2, {"v": "nobody_knows"}),  # a name that the program does not have
        (3, {"N": "stones", "M": "lakes"}),  # a unit that does not fit
        (0, {"y": "{b}"}),  # a slot that was never filled
    ],
)
def test_a_planted_fault_is_found(item: Item, place: int, slots: dict[str, str]) -> None:
    assert faults(tampered(item, place, **slots))


def test_a_draft_that_breaks_a_constraint_is_found() -> None:
    item = Generated(Spec(steps=2, digits=2))[0]
    narrow = Generated(Spec(steps=2, digits=1))
    assert any("at most 1 digits" in fault for fault in faults(Item(narrow, 0, item.draft, item.telling)))
    longer = Generated(Spec(steps=3, digits=2))
    assert "2 steps, expected 3" in faults(Item(longer, 0, item.draft, item.telling))


def test_the_report_counts_every_item_once() -> None:
    report = verify_generated("generated:level=4,n=50,split=train")
    assert report.is_sound
    assert (report.rows, report.facts["checks"]["annotations"]) == (50, 200)
    assert report.facts["questions"]["repeated"] == 0
    items = list(islice(Generated(Spec.level(4)), 50))
    assert report.facts["checks"]["quantities"] == sum(len(item.dag.quantities) for item in items)


def test_the_report_lists_faults_by_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calculemus.problems.generated.check.faults", lambda item: [f"bad {item.index}"])
    report = verify_generated("generated:n=3,split=train")
    assert [finding.what for finding in report.wrong] == ["bad 0", "bad 1", "bad 2"]
    assert report.wrong[2].id == Generated(Spec.level(2))[2].id
    assert not report.is_sound


APPLES, PRICE, DOLLARS = Unit("apples"), Unit("dollars", "apples"), Unit("dollars")


@pytest.mark.parametrize(
    ("op", "units", "result"),
    [
        ("add", [APPLES, APPLES], APPLES),
        ("add", [APPLES, DOLLARS], None),
        ("mul", [APPLES, PRICE], DOLLARS),
        ("mul", [DOLLARS, PRICE], None),
        ("mul", [APPLES, Unit()], APPLES),
        ("div", [DOLLARS, PRICE], APPLES),
        ("div", [APPLES, PRICE], None),
        ("div", [APPLES, Unit()], APPLES),
        ("percent", [APPLES, Unit("percent")], APPLES),
        ("percent", [APPLES, Unit()], None),
        ("ratio", [APPLES, Unit(), Unit()], APPLES),
        ("ratio", [APPLES, Unit(), DOLLARS], None),
        ("remainder", [APPLES, Unit("apples", "boxes")], APPLES),
        ("ceil", [APPLES, Unit("apples", "boxes")], Unit("boxes")),
        ("ceil", [APPLES, Unit()], None),
    ],
)
def test_units_follow_the_operation(op: str, units: list[Unit], result: Unit | None) -> None:
    assert unit_of(op, units) == result


def test_a_graph_says_which_step_has_wrong_units() -> None:
    from fractions import Fraction

    price = Quantity("p", Fraction(2), PRICE)
    apples = Quantity("a", Fraction(3), APPLES)
    wrong = Quantity("s", Fraction(6), APPLES, "", "computed", "mul", ("a", "p"))
    (fault,) = Dag((price, apples, wrong), "s").unit_faults()
    assert fault == "s: mul of apples, dollars per apples does not give apples"


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "def solution():\n    import os\n    return 1",
        "def solution():\n    return open('x')",
        "def solution():\n    x = (lambda: 1)()\n    return x",
        "def solution():\n    return y",
        "def solution():\n    x = 2 ** 9\n    return x",
        "def solution():\n    x = 'a'\n    return x",
        "def solution():\n    x = 1",
        "def solution(:",
        "x = 1\nx",
    ],
)
def test_only_programs_of_the_generator_are_run(source: str) -> None:
    with pytest.raises(ProblemError, match="running a generated program"):
        run_program(source)


def test_a_program_is_computed_exactly() -> None:
    assert run_program("def solution():\n    a = 0.1\n    b = a * 3\n    return b") * 10 == 3
    assert run_program("def solution():\n    a = 7\n    b = -(-a // 2)\n    return b") == 4
    with pytest.raises(ZeroDivisionError):
        run_program("def solution():\n    a = 7\n    b = a // 0\n    return b")


def test_every_slot_has_one_letter() -> None:
    assert len(set(SLOTS)) == len(SLOTS)
