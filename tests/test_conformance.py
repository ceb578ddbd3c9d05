"""Every method that is built, and every grader profile, through every check that applies."""

import pytest

from calculemus.catalog import read_catalog
from calculemus.conformance import check_method
from calculemus.grading import PROFILES
from calculemus.solving import list_solvers

BUILT = [card.id for card in read_catalog() if card.entry]


def test_solvers_and_profiles_are_among_what_is_checked() -> None:
    assert {card.id for card in list_solvers()} <= set(BUILT)
    assert "default" in PROFILES


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BUILT, *PROFILES])
def test_what_is_built_keeps_to_every_rule_of_its_interface(name: str) -> None:
    report = check_method(name)
    assert [f"{fault.check}: {fault.message}" for fault in report.faults] == []
    assert report.count("passed") > report.count("skipped")
