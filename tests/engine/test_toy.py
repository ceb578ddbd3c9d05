"""The enumerable model: its list of texts is complete, and it samples, scores and values by that list."""

import math
from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus import Rng
from calculemus.engine.base import Job
from calculemus.engine.draws import shape
from calculemus.engine.requests import Chat, Completion, Prefix, Sample, Sampling, Score, Value
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineError, InvalidParameterError

WHOLE = Sampling(temperature=1.0, max_tokens=99)


def models(**settings: Any) -> st.SearchStrategy[ToyLM]:
    return st.builds(
        lambda seed, symbols, length: ToyLM.random(Rng(seed), symbols, length, **settings),
        st.integers(0, 1000),
        st.sampled_from(["ab", "abc", "abcdef"]),
        st.integers(1, 4),
    )


def answer(lm: ToyLM, request: Any, seeds: tuple[int, ...] = ()) -> Any:
    lm.submit([Job(0, request, seeds)])
    while True:
        for done in lm.wait():
            if done.error is not None:
                raise done.error
            return done.reply


def distance(law: dict[Any, float], counts: Counter[Any]) -> float:
    """Total variation distance between a law and what was counted."""
    n = sum(counts.values())
    return sum(abs(law.get(key, 0) - counts[key] / n) for key in law.keys() | counts.keys()) / 2


def by_hand(lm: ToyLM, text: str) -> float:
    """The probability of a text, from the tables alone."""
    states, ends = [lm._start, *(lm._follow[lm.symbols.index(s)] for s in text)], len(lm.symbols)
    probability = math.prod(row[lm.symbols.index(s)] for row, s in zip(states, text, strict=False))
    return probability * (1.0 if len(text) == lm.max_length else states[-1][ends])


@settings(max_examples=20, deadline=None)
@given(models())
def test_every_text_is_listed_with_its_probability(lm: ToyLM) -> None:
    every = ["".join(t) for n in range(lm.max_length + 1) for t in product(lm.symbols, repeat=n)]
    expected = {text: p for text in every if (p := by_hand(lm, text)) > 0}
    assert lm.texts() == pytest.approx(expected)
    assert sum(lm.texts().values()) == pytest.approx(1)


def test_samples_follow_the_law() -> None:
    lm = ToyLM.random(Rng(2), "abc", 4)
    seeds = Rng(9).seeds(20_000)
    counts = Counter(lm.draw("", WHOLE, seed)[0].text for seed in seeds)
    # The expected distance of n draws from a law of k outcomes is below sqrt(k / (2 pi n)).
    assert distance(lm.texts(), counts) < 2 * math.sqrt(len(lm.texts()) / (2 * math.pi * len(seeds)))


@settings(max_examples=30, deadline=None)
@given(
    models(),
    st.builds(
        Sampling,
        temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        top_k=st.integers(0, 3),
        top_p=st.sampled_from([0.3, 0.8, 1.0]),
        min_p=st.sampled_from([0.0, 0.4]),
        max_tokens=st.integers(1, 5),
        stop=st.sampled_from([(), ("a",), ("ba", "b")]),
        keep_stop=st.booleans(),
    ),
    st.sampled_from(["", "Q: x\nA:", "Q: x\nA:ab", Prefix("Q:b", (0, 2))]),
    st.integers(0, 2**64 - 1),
)
def test_what_is_drawn_is_among_the_outcomes(lm: ToyLM, sampling: Sampling, prompt: Any, seed: int) -> None:
    outcomes = list(lm.outcomes(prompt, sampling))
    assert sum(p for _, p in outcomes) == pytest.approx(1)
    drawn, n_drawn = lm.draw(prompt, sampling, seed)
    assert drawn in [completion for completion, _ in outcomes]
    assert lm.draw(prompt, sampling, seed) == (drawn, n_drawn)
    assert n_drawn <= sampling.max_tokens
    if drawn.stopped_by is not None:
        assert drawn.stopped_by in sampling.stop
        assert drawn.finish == "stop"
    found = [stop for stop in sampling.stop if stop in drawn.text]
    assert bool(found) == (sampling.keep_stop and drawn.stopped_by is not None)


@settings(max_examples=20, deadline=None)
@given(models(), st.integers(0, 2**64 - 1))
def test_a_completion_knows_its_probability_and_score_agrees(lm: ToyLM, seed: int) -> None:
    drawn, _ = lm.draw("", WHOLE, seed)
    assert math.exp(drawn.logprob or 0) == pytest.approx(lm.texts()[drawn.text])
    assert drawn.ids is not None
    (by_ids, by_text) = answer(lm, Score("", (drawn.ids, drawn.text)))
    assert by_ids.logprobs == drawn.logprobs
    assert by_text.logprobs == (drawn.logprobs or ())[: len(drawn.text)]


@settings(max_examples=20, deadline=None)
@given(models(), st.integers(0, 2**64 - 1), st.integers(1, 3))
def test_going_on_from_a_piece_gives_the_law_of_the_whole(lm: ToyLM, seed: int, n: int) -> None:
    piece, _ = lm.draw("A:", Sampling(temperature=1.0, max_tokens=n), seed)
    law = lm.texts()
    whole = {text: p for text, p in law.items() if text.startswith(piece.text)}
    if piece.finish == "length":
        after = {piece.text + c.text: p for c, p in lm.outcomes(piece.prefix, WHOLE)}
        total = sum(whole.values())
        assert after == pytest.approx({text: p / total for text, p in whole.items()})


def test_greedy_takes_the_most_probable_symbol_each_time() -> None:
    lm = ToyLM("ab", [0.4, 0.6, 0], [[0.1, 0.1, 0.8], [0.5, 0.3, 0.2]], 4)
    assert [lm.draw("", Sampling(), seed)[0].text for seed in range(5)] == ["ba"] * 5


def test_a_value_is_the_expected_reward_of_what_will_be_written() -> None:
    lm = ToyLM.random(Rng(3), "abc", 4, rewards=lambda text: len(text) + 10 * text.count("c"))
    law = lm.texts()
    for state in ["", "a", "bc"]:
        ahead = {text: p for text, p in law.items() if text.startswith(state)}
        mean = sum(p * (len(t) + 10 * t.count("c")) for t, p in ahead.items()) / sum(ahead.values())
        assert lm.value(f"A:{state}") == pytest.approx(mean)
        assert answer(lm, Value((f"A:{state}",))) == (lm.value(f"A:{state}"),)
    drawn: Completion = lm.draw("A:", WHOLE, 5)[0]
    assert lm.value(drawn.prefix) == len(drawn.text) + 10 * drawn.text.count("c")


def test_the_noise_of_values_has_the_size_asked_for_and_stays() -> None:
    states = tuple(f"A:{''.join(t)}" for t in product("abcdef", repeat=3))
    lm = ToyLM.random(Rng(3), "abcdef", 4, rewards=len, noise=2.0)
    values = answer(lm, Value(states))
    errors = [value - lm.value(state) for value, state in zip(values, states, strict=True)]
    assert answer(lm, Value(states)) == values
    assert answer(lm, Value(states[::-1])) == values[::-1]
    n = len(errors)
    assert abs(sum(errors) / n) < 4 * 2 / math.sqrt(n)
    assert sum(e * e for e in errors) / n == pytest.approx(4, abs=4 * 4 * math.sqrt(2 / n))
    assert answer(lm, Value(states, "another head")) != values


@pytest.mark.parametrize(
    ("prompt", "state"),
    [
        ("What is ab?", ""),
        ("Q: ab\nA:", ""),
        ("Q: x\nA: ab", "ab"),
        ("abb", "abb"),
        (Chat((("user", "ab"), ("assistant", "ba"))), "ba"),
        (Prefix("anything", (0, 2, 1)), "ba"),
        (Prefix("A:bb", None), "bb"),
    ],
)
def test_what_was_written_so_far_is_read_behind_the_question(prompt: Any, state: str) -> None:
    lm = ToyLM.random(Rng(3), "ab", 5)
    law, after = lm.texts(), lm.outcomes(prompt, WHOLE)
    ahead = {text: p for text, p in law.items() if text.startswith(state)}
    expected = {text[len(state) :]: p / sum(ahead.values()) for text, p in ahead.items()}
    assert {c.text: p for c, p in after} == pytest.approx(expected)


def test_another_table_reward_or_noise_is_another_digest() -> None:
    variants = [
        ToyLM.random(Rng(3)),
        ToyLM.random(Rng(4)),
        ToyLM.random(Rng(3), max_length=3),
        ToyLM.random(Rng(3), rewards=len),
        ToyLM.random(Rng(3), rewards={"a": 1.0}),
        ToyLM.random(Rng(3), rewards=len, noise=1.0),
    ]
    assert len({lm.digest for lm in variants}) == len(variants)
    assert ToyLM.random(Rng(3), rows=4).digest == variants[0].digest


@pytest.mark.parametrize(
    ("symbols", "start", "follow"),
    [
        ("aa", [0.5, 0.5, 0], [[0, 0, 1]] * 2),
        ("ab", [0.5, 0.5, 0], [[0, 0, 1]]),
        ("ab", [0.5, 0.5], [[0, 0, 1]] * 2),
        ("ab", [0.5, 0.6, 0], [[0, 0, 1]] * 2),
        ("ab", [0.5, 0.5, 0], [[0, 0, 1], [-1, 1, 1]]),
    ],
)
def test_tables_that_are_no_probabilities_are_refused(symbols: str, start: list[float], follow: Any) -> None:
    with pytest.raises(InvalidParameterError, match="toy: "):
        ToyLM(symbols, start, follow, 3)


def test_what_it_cannot_write_it_does_not_score() -> None:
    with pytest.raises(EngineError, match="expected the symbols 'abc'"):
        answer(ToyLM.random(Rng(3)), Score("", ("abx",)))


def test_nothing_follows_the_end_of_a_text() -> None:
    lm = ToyLM.random(Rng(3))
    ended = lm.draw("A:", WHOLE, 1)[0]
    (scored,) = answer(lm, Score(ended.prefix, ("a",)))
    assert scored.logprobs == (-math.inf,)


def test_without_rewards_nothing_has_a_value() -> None:
    with pytest.raises(InvalidParameterError, match="no rewards"):
        ToyLM.random(Rng(3)).value("A:")
    assert "Value" not in ToyLM.random(Rng(3)).capabilities.kinds


def test_the_filters_keep_what_their_definitions_say() -> None:
    probabilities = [0.1, 0.4, 0.2, 0.3]
    assert shape(probabilities, Sampling(temperature=0.0)) == [0, 1, 0, 0]
    assert shape(probabilities, Sampling(temperature=1.0)) == pytest.approx(probabilities)
    assert shape(probabilities, Sampling(temperature=1.0, top_k=2)) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert shape(probabilities, Sampling(temperature=1.0, top_p=0.7)) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert shape(probabilities, Sampling(temperature=1.0, min_p=0.5)) == pytest.approx(
        [0, 4 / 9, 2 / 9, 3 / 9]
    )
    squared = [p**2 / 0.3 for p in probabilities]
    assert shape(probabilities, Sampling(temperature=0.5)) == pytest.approx(squared)


def test_two_rows_of_a_request_are_the_two_seeds() -> None:
    lm = ToyLM.random(Rng(3))
    seeds = Rng(1).seeds(5)
    together = answer(lm, Sample("", WHOLE, 5), seeds)
    alone = [answer(lm, Sample("", WHOLE), (seed,))[0] for seed in seeds]
    assert list(together) == alone
    assert len({completion.text for completion in together}) > 1


@settings(max_examples=10, deadline=None)
@given(models(), st.integers(0, 99))
def test_a_completion_goes_on_from_any_of_its_tokens(lm: ToyLM, seed: int) -> None:
    (whole,) = answer(lm, Sample("Q:", Sampling(1.0, pieces=True)), (seed,))
    assert (len(whole.pieces), "".join(whole.pieces)) == (len(whole.ids), whole.text)
    for place in range(len(whole.ids)):
        written = "".join(whole.pieces[:place])
        prefix = Prefix(whole.start.text + written, whole.start.ids + whole.ids[:place])
        (rest,) = answer(lm, Score(prefix, (whole.ids[place:],)))
        assert rest.logprobs == whole.logprobs[place:]
    (plain,) = answer(lm, Sample("Q:", Sampling(1.0)), (seed,))
    assert (plain.pieces, plain.start, plain.text) == (None, None, whole.text)
