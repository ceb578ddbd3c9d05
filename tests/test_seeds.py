"""Seeds of the rows of a request."""

from hypothesis import given
from hypothesis import strategies as st

from calculemus import Rng


@given(st.integers(), st.lists(st.text(max_size=4) | st.integers(), max_size=4), st.integers(0, 20))
def test_seeds_are_the_low_halves_of_the_keys_of_the_children(
    seed: int, path: list[str | int], n: int
) -> None:
    rng = Rng(seed, tuple(path))
    assert rng.seeds(n) == tuple(rng.child(index).key % 2**64 for index in range(n))


@given(st.integers(0, 30), st.integers(0, 30))
def test_more_seeds_begin_with_the_same_ones(few: int, more: int) -> None:
    rng = Rng(3, ("vote", "p/1", 0, 2))
    assert rng.seeds(few + more)[:few] == rng.seeds(few)
