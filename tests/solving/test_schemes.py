"""Every solver says what it is made of."""

from typing import get_args

import pytest

from calculemus.solving import get_solver, list_solvers
from calculemus.solving.scheme import Operator, Scheme, Strategy, Structure


@pytest.mark.parametrize("name", [card.id for card in list_solvers()])
def test_a_solver_declares_its_scheme_in_the_words_there_are(name) -> None:
    scheme = get_solver(name).scheme
    assert isinstance(scheme, Scheme), f"{name}: give its class a 'scheme: ClassVar[Scheme]'"
    assert scheme.structure in get_args(Structure)
    assert scheme.strategy in get_args(Strategy)
    assert set(scheme.operators) <= set(get_args(Operator))
    assert len(set(scheme.operators)) == len(scheme.operators) > 0
    assert bool(scheme.scorers) is ("evaluate" in scheme.operators)
