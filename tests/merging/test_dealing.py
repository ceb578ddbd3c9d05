"""The control that deals the figures of two arms by lot."""

from calculemus.claim import Contrast, Measured
from calculemus.claims.judge import judge
from calculemus.merging.dealing import ONE, OTHER, deal, dealt
from calculemus.rng import Rng

UNITS = [f"u{i}" for i in range(40)]
LOW = Measured(dict.fromkeys(UNITS, (0.0,)))
HIGH = Measured(dict.fromkeys(UNITS, (1.0,)))


def test_every_figure_is_dealt_once() -> None:
    one, other = deal(LOW, HIGH, ONE), deal(LOW, HIGH, OTHER)
    for unit in UNITS:
        assert {one.outcomes[unit], other.outcomes[unit]} == {(0.0,), (1.0,)}
    assert sum(figure for (figure,) in one.outcomes.values()) == len(UNITS) / 2


def test_an_effect_that_holds_is_undecided_once_dealt() -> None:
    contrast = Contrast("b against a", "a", "b")
    assert judge(contrast, LOW, HIGH, Rng(0)).verdict == "holds"
    control = dealt(contrast)
    found = judge(control, deal(LOW, HIGH, control.baseline), deal(LOW, HIGH, control.treatment), Rng(0))
    assert found.verdict == "undecided"


def test_a_control_of_equality_asks_for_more() -> None:
    assert dealt(Contrast("b equals a", "a", "b", "equal", margin=0.1)).direction == "higher"
