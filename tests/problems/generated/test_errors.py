"""Worked solutions with one labelled error."""

import re
from collections import Counter
from itertools import islice

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.problems import gsm8k
from calculemus.problems.generated import Generated, Item, Spec
from calculemus.problems.generated.errors import KINDS, WrongSolution, all_errors, inject

ALWAYS = ("calculation", "missing_step", "irrelevant")  # every item of two steps has a place for these


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return [item for level in range(2, 9) for item in islice(Generated(Spec.level(level)), 20)]


def lines_of(text: str) -> list[str]:
    return text.split("\n")


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_error_all_is_right_and_at_it_something_is_not(items: list[Item], kind: str) -> None:
    seen = 0
    for item in items:
        wrong = inject(item, kind)
        if wrong is None:
            continue
        seen += 1
        right, told = lines_of(item.solution), lines_of(wrong.solution)
        assert told[: wrong.step - 1] == right[: wrong.step - 1]
        assert told[wrong.step - 1] != right[wrong.step - 1]
        assert told[-1] == f"#### {wrong.answer}" != right[-1]
        assert wrong.right != wrong.wrong
    assert seen > (0 if kind == "unit_conversion" else 50)
    assert seen == len(items) or kind not in ALWAYS


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_that_keeps_the_answer_is_told_apart(items: list[Item], kind: str) -> None:
    for item in items:
        for wrong in all_errors(item, kind):
            assert wrong.changes_answer == (wrong.answer != item.answer)
            assert wrong.solution.endswith(f"\n#### {wrong.answer}")
        kept = inject(item, kind, changes_answer=False)
        assert kept is None or (kept.answer == item.answer and kept.solution != item.solution)


def untrue(wrong: WrongSolution) -> list[int]:
    """The lines, from 1, whose annotation does not hold."""
    steps = gsm8k.parse(wrong.solution, markers=("####",)).steps
    return [n for n, s in enumerate(steps, 1) if not all(map(gsm8k.check_annotation, s.annotations))]


def test_a_calculation_error_alone_breaks_an_annotation_and_only_its_own(items: list[Item]) -> None:
    for kind in KINDS:
        for item in items[:60]:
            wrong = inject(item, kind)
            if wrong:
                assert untrue(wrong) == ([wrong.step] if kind == "calculation" else [])


def numerals(line: str) -> Counter[str]:
    return Counter(re.findall(r"\d+", line.partition("<<")[2].partition("=")[0]))


def signs(line: str) -> str:
    return re.sub(r"[^-+*/]", "", line.partition("<<")[2].partition("=")[0])


def test_each_kind_changes_what_it_says(items: list[Item]) -> None:
    for item in items:
        right = lines_of(item.solution)
        for kind in ("calculation", "counting", "context_value", "previous_value", "operator"):
            wrong = inject(item, kind)
            if wrong is None or item.dag.steps[wrong.step - 1].op in ("remainder", "ceil"):
                continue
            old, new = right[wrong.step - 1], lines_of(wrong.solution)[wrong.step - 1]
            if kind == "calculation":
                assert numerals(old) == numerals(new)
            if kind == "operator":
                assert numerals(old) == numerals(new)
                assert signs(old) != signs(new)
            elif kind != "counting" or len(item.dag.steps[wrong.step - 1].inputs) == 2:
                assert signs(old) == signs(new)
            if kind in ("context_value", "previous_value"):
                (put,) = numerals(new) - numerals(old)
                values = {str(quantity.value) for quantity in item.dag}
                assert put in values
        missing = inject(item, "missing_step")
        added = inject(item, "irrelevant")
        assert missing is not None
        assert added is not None
        assert len(lines_of(missing.solution)) == len(right) - 1
        assert len(lines_of(added.solution)) == len(right) + 1


def test_all_that_follows_the_error_is_computed_from_it(items: list[Item]) -> None:
    for item in items[:100]:
        dag, names = item.dag, [step.id for step in item.dag.steps]
        for wrong in all_errors(item, "calculation"):
            changed = dag.evaluate({names[wrong.step - 1]: int(wrong.wrong)})  # type: ignore[dict-item]  # whole numbers are exact
            told = gsm8k.parse(wrong.solution, markers=("####",)).annotations
            assert [a.value for a in told] == [str(changed[name]) for name in names]


def test_with_distractors_an_irrelevant_number_is_one_of_them() -> None:
    for item in islice(Generated(Spec(steps=3, distractors=2)), 40):
        wrong = inject(item, "irrelevant")
        assert wrong is not None
        line = lines_of(wrong.solution)[wrong.step - 1]
        assert any(str(quantity.value) in numerals(line) for quantity in item.dag.distractors)


def test_another_number_gives_another_error_and_the_same_number_the_same(items: list[Item]) -> None:
    item = items[-1]
    several = [inject(item, "calculation", number=number) for number in range(20)]
    assert several == [inject(item, "calculation", number=number) for number in range(20)]
    assert len({wrong.solution for wrong in several if wrong}) > 5


def test_an_unknown_kind_is_refused_with_the_known_ones(items: list[Item]) -> None:
    with pytest.raises(InvalidParameterError, match="'kind' is 'typo'; expected one of calculation"):
        inject(items[0], "typo")
