"""Drawn tokens have the probabilities that temperature, top-k, top-p and min-p leave them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.engine.draws import shape
from calculemus.engine.requests import Prefix, Sample, Sampling
from calculemus.engine.torch_engine import sampling as drawing
from calculemus.engine.torch_engine.sampling import Draws, draw
from calculemus.rng import Rng

SAMPLINGS = [
    Sampling(1.0),
    Sampling(0.5),
    Sampling(2.5),
    Sampling(1.0, top_k=1),
    Sampling(1.0, top_k=4),
    Sampling(0.7, top_k=1000),
    Sampling(1.0, top_p=0.6),
    Sampling(1.7, top_p=0.95),
    Sampling(1.0, top_p=1e-9),
    Sampling(1.0, min_p=0.2),
    Sampling(1.0, min_p=1.0),
    Sampling(1.5, top_k=6, top_p=0.8, min_p=0.05),
]


def draws(samplings: list[Sampling], uniforms: list[float]) -> Draws:
    def column(name: str, dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor([getattr(sampling, name) for sampling in samplings], dtype=dtype)

    return Draws(
        torch.arange(len(samplings)),
        torch.tensor(uniforms, dtype=torch.float64),
        column("temperature", torch.float32),
        column("top_k", torch.int64),
        column("top_p", torch.float64),
        column("min_p", torch.float32),
    )


def frequencies(logits: torch.Tensor, sampling: Sampling, n: int = 4096) -> list[float]:
    """Return how often each token is drawn by numbers that lie evenly in [0, 1)."""
    uniforms = [(i + 0.5) / n for i in range(n)]
    tokens, _ = draw(logits.expand(n, -1), draws([sampling] * n, uniforms))
    return (torch.bincount(tokens, minlength=len(logits)) / n).tolist()


def kept_by_hand(probs: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Return the probabilities that are left: float64, one token at a time, by rank."""
    heated = probs ** (1 / sampling.temperature)
    heated /= heated.sum()
    left, mass = np.zeros(len(probs)), 0.0
    for rank, token in enumerate(np.lexsort((np.arange(len(probs)), -heated))):
        in_k = not sampling.top_k or rank < sampling.top_k
        if in_k and mass < sampling.top_p and heated[token] >= sampling.min_p * heated.max():
            left[token] = heated[token]
        mass += heated[token]
    return left / left.sum()


@pytest.fixture(scope="module")
def logits() -> torch.Tensor:
    return torch.from_numpy(Rng(2).child("logits").generator().normal(0, 2, 60).astype(np.float32))


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
def test_numbers_that_lie_evenly_draw_each_token_by_its_probability(sampling, logits) -> None:
    wanted = kept_by_hand(torch.softmax(logits.double(), -1).numpy(), sampling)
    # A share of [0, 1) holds so many of 4096 even numbers, give or take one; shares lie side by side.
    assert frequencies(logits, sampling) == pytest.approx(wanted, abs=2 / 4096)


@settings(max_examples=60)
@given(
    st.lists(st.integers(-12, 12), min_size=1, max_size=40),
    st.sampled_from([0.3, 1.0, 4.0]),
    st.integers(0, 45),
    st.sampled_from([0.0517, 0.4931, 0.9987, 1.0]),
    st.sampled_from([0.0, 0.01, 0.3, 1.0]),
)
def test_tokens_that_can_be_drawn_are_those_of_the_reference(
    values, temperature, top_k, top_p, min_p
) -> None:
    sampling = Sampling(temperature, top_k, top_p, min_p)
    logits = torch.tensor(values, dtype=torch.float32) / 4  # many are equal: the first comes first
    probs = torch.softmax(logits.double(), dim=-1).tolist()
    found, wanted = frequencies(logits, sampling, 512), shape(probs, sampling)
    clear = abs(np.array(wanted) * 512 - 2) > 1.5  # of what is about as rare as a number, one may draw it
    assert np.array(found)[clear] == pytest.approx(np.array(wanted)[clear], abs=2.1 / 512)


def test_a_wide_nucleus_is_found_beyond_the_first_look() -> None:
    logits = torch.from_numpy(Rng(4).generator().normal(0, 0.1, 1300).astype(np.float32))
    sampling = Sampling(1.0, top_p=0.9)
    wanted = kept_by_hand(torch.softmax(logits.double(), -1).numpy(), sampling)
    n_kept = int((wanted > 0).sum())
    assert n_kept > 8 * drawing.FIRST_LOOK
    ranked = np.argsort(-wanted, kind="stable")
    numbers = (wanted.cumsum() - wanted / 2).tolist()  # one in the middle of each token's share
    tokens, _ = draw(logits.expand(1300, -1), draws([sampling] * 1300, numbers))
    assert set(tokens.tolist()) == set(ranked[:n_kept].tolist())


def test_a_row_draws_alike_alone_and_among_greedy_and_other_rows(logits) -> None:
    samplings = [*SAMPLINGS, *reversed(SAMPLINGS)]
    numbers = Rng(6).generator().random(len(samplings)).tolist()
    rows = torch.stack([logits.roll(i) for i in range(len(samplings))])
    single = [
        draw(rows[i : i + 1], draws([samplings[i]], [numbers[i]]))[0].item() for i in range(len(samplings))
    ]
    assert draw(rows, draws(samplings, numbers))[0].tolist() == single
    every_other = list(range(0, len(samplings), 2))
    some = draws([samplings[i] for i in every_other], [numbers[i] for i in every_other])
    mixed, _ = draw(rows, Draws(torch.tensor(every_other), *(getattr(some, n) for n in Draws.__slots__[1:])))
    greedy = rows.argmax(dim=-1).tolist()
    assert mixed.tolist() == [greedy[i] if i % 2 else single[i] for i in range(len(samplings))]


def test_the_largest_number_and_the_smallest_temperature_draw_a_token_that_can_be_drawn(logits) -> None:
    below_one = math.nextafter(1.0, 0.0)
    (last,) = draw(logits[None], draws([Sampling(1.0, top_k=3)], [below_one]))[0].tolist()
    assert last == max(logits.topk(3).indices.tolist())
    cold, _ = draw(logits[None], draws([Sampling(1e-30)], [below_one]))
    assert cold.item() == logits.argmax()


def test_logprobs_are_those_of_the_untempered_model(logits) -> None:
    tokens, logprobs = draw(logits[None], draws([Sampling(0.3, top_k=2)], [0.9]))
    wanted = torch.log_softmax(logits.double(), dim=-1)[tokens[0]]
    assert logprobs.item() == pytest.approx(wanted.item(), abs=1e-6)


@pytest.mark.parametrize(
    "sampling",
    [Sampling(1.0), Sampling(0.6, top_k=4), Sampling(1.4, top_p=0.8), Sampling(1.0, min_p=0.3)],
    ids=repr,
)
def test_an_engine_draws_by_the_exact_probabilities(sampling, markov, markov_table, run) -> None:
    n, start = 2000, 20
    request = Sample(Prefix("", (start,)), Sampling(**{**vars(sampling), "max_tokens": 1}), n)
    (done,) = run(markov, [request], [Rng(8).child(repr(sampling)).seeds(n)])
    found = np.bincount([row.ids[0] for row in done.reply], minlength=len(markov_table)) / n
    wanted = np.array(shape(markov_table[start].tolist(), sampling))
    assert not found[wanted == 0].any()
    spread = np.sqrt(wanted * (1 - wanted) / n)
    assert (abs(found - wanted) <= 4.5 * spread + 1e-12).all()  # 4.5 sigma: one false alarm in 2000 runs
    for row in done.reply[:50]:
        assert row.logprobs[0] == pytest.approx(math.log(markov_table[start, row.ids[0]]), abs=1e-4)
