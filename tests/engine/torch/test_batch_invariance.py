"""A reply depends on its request and seeds alone: not on what runs beside or before it, nor on threads."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from calculemus.engine.base import Job
from calculemus.engine.requests import Embed, Prefix, Sample, Sampling, Score
from calculemus.engine.torch_engine import TorchEngine, build
from calculemus.rng import Rng
from calculemus.tiny import MODEL

KINDS = ("llama-grouped-tied", "mistral", "gpt2", "gemma2", "gptj")
SAMPLINGS = (
    Sampling(max_tokens=8),
    Sampling(1.0, max_tokens=8),
    Sampling(1.3, top_k=5, max_tokens=5),
    Sampling(0.8, top_p=0.9, max_tokens=8),
    Sampling(1.1, min_p=0.05, max_tokens=6),
    Sampling(0.9, top_k=40, top_p=0.95, min_p=0.01, max_tokens=8),
)
Asked = list[tuple[Any, tuple[int, ...]]]


@pytest.fixture(scope="module")
def workload(prompts_of) -> Asked:
    """Requests with seeds: prompts of many lengths, several of which begin alike."""
    rng = Rng(5).child("workload")
    (root,) = prompts_of(rng, (40,))
    tails = prompts_of(rng.child("tails"), (1, 3, 20, 33, 64, 80, 17))
    prompts = [*tails, *(Prefix("", root.ids + tail.ids) for tail in tails[:5])]
    seeds = rng.seeds(3 * len(prompts))
    asked: Asked = []
    for i, prompt in enumerate(prompts):
        sampling = SAMPLINGS[i % len(SAMPLINGS)]
        n = 3 if i % 4 == 1 else 1
        asked.append((Sample(prompt, sampling, n), seeds[3 * i : 3 * i + n]))
    asked.append((Score(root, tuple(tail.ids for tail in tails)), ()))
    asked.append((Embed(("12 1", "the longer of both " * 3)), ()))
    return asked


def collect(engine: TorchEngine, found: list[Any]) -> list[Any]:
    """Wait for all that is in flight; note what came of each, to the last bit."""
    while back := engine.wait():
        for done in back:
            assert done.error is None
            found[done.ticket] = [getattr(row, "logprobs", row) for row in done.reply]
            found[done.ticket] += [row.ids for row in done.reply if hasattr(row, "ids")]
    return found


def outcomes(engine: TorchEngine, asked: Asked, order: Sequence[int] | None = None) -> list[Any]:
    """Return what comes of requests that are sent all at once, in the order given."""
    engine.submit([Job(i, *asked[i]) for i in (order if order is not None else range(len(asked)))])
    return collect(engine, [None] * len(asked))


def one_by_one(engine: TorchEngine, asked: Asked) -> list[Any]:
    """Return what comes of requests that are sent one after the other, with nothing kept between them."""
    found: list[Any] = []
    for one in asked:
        engine.forget()
        found += outcomes(engine, [one])
    return found


@pytest.fixture(scope="module")
def alone(engine_of, workload):
    """Return what a kind's requests come to, each alone on an engine that knows nothing."""
    found: dict[str, Any] = {}

    def find(kind: str) -> Any:
        if kind not in found:
            found[kind] = one_by_one(engine_of(kind), workload)
        return found[kind]

    return find


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 3, 7, 64])
def test_replies_are_the_same_for_any_number_of_rows_and_any_order(
    kind, rows, engine_of, alone, workload
) -> None:
    order = Rng(rows).child("order").generator().permutation(len(workload)).tolist()
    engine = engine_of(kind, rows=rows)
    assert engine.capabilities.deterministic is True
    assert outcomes(engine, workload, order) == alone(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_replies_are_the_same_where_prompts_run_in_small_pieces(
    kind, folder_of, open_engine, tokenizer, alone, workload, monkeypatch
) -> None:
    monkeypatch.setattr(build, "STEP_TOKENS", 16)
    engine = open_engine(folder_of(kind), rows=3, tokenizer=tokenizer, context=124)
    largest = engine.capabilities.facts["row counts"][-1]
    # Many prompts are longer; a module that runs plainly takes any, but not always three at once.
    assert largest < (180 if kind == "gptj" else 40)
    assert outcomes(engine, workload) == alone(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_replies_are_the_same_when_prompts_are_known_already(kind, engine_of, alone, workload) -> None:
    engine = engine_of(kind)
    assert outcomes(engine, workload) == alone(kind)
    assert outcomes(engine, workload) == alone(kind)  # of each prompt all but the last token is known now


@pytest.mark.parametrize("kind", KINDS)
def test_replies_are_the_same_after_others_were_cancelled_on_the_way(
    kind, engine_of, alone, workload
) -> None:
    engine, n = engine_of(kind), len(workload)
    longer = Sampling(1.0, max_tokens=40)
    others = [Job(n + i, Sample(w.prompt, longer), s[:1]) for i, (w, s) in enumerate(workload[:-2])]
    mine = [Job(i, *one) for i, one in enumerate(workload)]
    engine.submit([job for pair in zip(others, mine, strict=False) for job in pair] + mine[len(others) :])
    found: list[Any] = [None] * n
    for done in engine.wait():
        found[done.ticket] = [row.logprobs for row in done.reply] + [row.ids for row in done.reply]
    assert len(engine.cancel([job.ticket for job in others])) == len(others)
    assert collect(engine, found) == alone(kind)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["llama-grouped-tied", "gpt2"]
)  # a module that runs plainly has its own sums
def test_replies_are_the_same_with_two_threads(
    kind, folder_of, open_engine, tokenizer, alone, workload
) -> None:
    wanted = alone(kind)
    engine = open_engine(folder_of(kind), rows=16, tokenizer=tokenizer, threads=2)
    assert outcomes(engine, workload[:7]) == wanted[:7]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("kind", KINDS[:4])
def test_replies_are_the_same_where_memory_holds_a_row_or_two(
    kind, folder_of, open_engine, tokenizer, alone, workload
) -> None:
    # Two layers, up to four key heads of 16 and their values, four bytes each.
    engine = open_engine(folder_of(kind), rows=16, tokenizer=tokenizer, kv_bytes=700 * 2 * 4 * 32 * 4)
    assert outcomes(engine, workload) == alone(kind)


def test_a_model_that_mixes_experts_promises_nothing_that_it_does_not_keep(engine_of, workload) -> None:
    engine = engine_of("mixtral", rows=16)
    promised = engine.capabilities.deterministic
    assert promised is None or outcomes(engine, workload) == one_by_one(engine, workload)


def test_another_seed_draws_another_completion(engine_of, workload, run) -> None:
    engine = engine_of("llama-grouped-tied", rows=64)
    (sampled,) = run(engine, [Sample(workload[0][0].prompt, Sampling(9.0, max_tokens=8), 40)])
    assert len({completion.ids for completion in sampled.reply}) == 40


def test_equal_seeds_draw_equal_completions_and_longer_ones_go_on_from_them(engine_of, workload, run) -> None:
    engine, prompt = engine_of("llama-grouped-tied"), workload[0][0].prompt
    short, long = (Sample(prompt, Sampling(1.0, max_tokens=n), 2) for n in (4, 9))
    first, again, longer = (
        done.reply for done in run(engine, [short, short, long], [(7, 7), (7, 8), (7, 8)])
    )
    assert first[0].ids == first[1].ids == again[0].ids == longer[0].ids[:4]
    assert again[1].ids == longer[1].ids[:4] != again[0].ids


@pytest.mark.slow
def test_five_hundred_prompts_on_the_model_that_ships_in_batches_of_any_size(open_engine) -> None:
    seeds = Rng(3).seeds(500)
    asked: Asked = []
    for i, seed in enumerate(seeds):
        question = f"Q: Tom has {i % 90} apples and buys {i // 3} more. How many?\nA:"
        asked.append((Sample(question, Sampling(0.9 * (i % 2), top_p=0.95, max_tokens=3)), (seed,)))
    found = []
    for rows in (1, 7, 64, 256):
        order = Rng(rows).generator().permutation(len(asked)).tolist()
        found.append(outcomes(open_engine(MODEL, rows=rows), asked, order))
    assert found[0] == found[1] == found[2] == found[3]
