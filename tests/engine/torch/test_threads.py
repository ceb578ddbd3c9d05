"""Small models run on one thread, and the number of threads changes no reply."""

import pytest
import torch

from calculemus.engine.base import Job
from calculemus.engine.requests import Sample, Sampling
from calculemus.engine.torch_engine import TorchEngine
from calculemus.engine.torch_engine.threads import SMALL, choose_threads
from calculemus.tiny import MODEL


def replies(engine: TorchEngine) -> list[tuple[int, ...] | None]:
    sampling = [Sampling(max_tokens=40), Sampling(1.0, max_tokens=40)]
    prompts = [
        f"Q: Tom has {n} apples and buys {2 * n}. How many apples does Tom have?\nA:" for n in range(20)
    ]
    requests = [Sample(prompt, how) for prompt in prompts for how in sampling]
    engine.submit([Job(ticket, request, (ticket,)) for ticket, request in enumerate(requests)])
    found = {}
    while done := engine.wait():
        found |= {job.ticket: job.reply[0].ids for job in done}
    return [found[ticket] for ticket in range(len(requests))]


def test_a_number_that_is_given_holds_and_a_small_model_gets_one() -> None:
    assert [choose_threads(None, size) == 1 for size in (0, SMALL - 1)] == [True, True]
    assert choose_threads(3, SMALL - 1) == choose_threads(3, 10 * SMALL) == 3
    assert choose_threads(None, SMALL) == choose_threads(None, 10 * SMALL) >= 1


@pytest.mark.slow
def test_each_engine_works_with_its_own_number_of_threads() -> None:
    one, two = (TorchEngine(str(MODEL), rows=8, threads=threads) for threads in (None, 2))
    for engine, expected in ((one, 1), (two, 2), (one, 1)):
        engine.wait()
        assert torch.get_num_threads() == expected


@pytest.mark.slow
def test_the_number_of_threads_changes_no_reply() -> None:
    one, two = (replies(TorchEngine(str(MODEL), rows=16, threads=threads)) for threads in (1, 2))
    assert one == two
    assert len(set(one)) > 20
