"""Requests that cannot be done come back as errors before anything runs; the others are done."""

from collections.abc import Iterator

import pytest
import torch

from calculemus import Problem
from calculemus.engine.requests import Embed, Prefix, Sample, Sampling, Score, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.torch_engine import ValueHead
from calculemus.errors import EngineError, InvalidParameterError
from calculemus.solving.base import Solver

CONTEXT = 160
ONE = Sampling(max_tokens=1)


def n_ids(n: int) -> Prefix:
    return Prefix("", tuple(5 + i % 200 for i in range(n)))


LONG = {
    "a sample": (Sample(n_ids(CONTEXT), ONE), Sample(n_ids(CONTEXT - 1), ONE), "at most 159"),
    "a score": (Score(n_ids(100), ((5,), (6,) * 61)), Score(n_ids(100), ((5,), (6,) * 60)), "at most 160"),
    "a value": (Value((n_ids(CONTEXT + 1),)), Value((n_ids(CONTEXT),)), "at most 160"),
    "an embedding": (Embed(("ab", "x" * (CONTEXT + 1))), Embed(("ab", "x" * CONTEXT)), "at most 160"),
}


@pytest.mark.parametrize("kind", ["llama", "gptj"])
@pytest.mark.parametrize("case", LONG)
def test_what_is_longer_than_the_context_is_refused_and_what_just_fits_is_not(
    kind, case, engine_of, run
) -> None:
    engine, (long, fitting, limit) = engine_of(kind), LONG[case]
    engine.add_value_head("value", ValueHead(torch.ones(32)))
    refused, done, other = run(engine, [long, fitting, Sample("ab", ONE)])
    assert isinstance(refused.error, EngineError)
    assert f"a prompt of {CONTEXT if case == 'a sample' else CONTEXT + 1} tokens" in str(refused.error)
    assert limit in str(refused.error)
    assert refused.reply is None
    assert set(refused.cost.known().values()) == {0}
    assert done.error is other.error is None
    assert engine._batcher.n_rows == 0


def test_the_longest_row_of_a_request_is_what_is_counted(engine_of) -> None:
    engine = engine_of("llama")
    requests = [
        (Sample(n_ids(7), ONE, 3), 7),
        (Score(n_ids(7), ((5,), (5, 6, 7), "ab")), 10),
        (Value((n_ids(7), n_ids(9), "ab")), 9),
        (Embed(("x", "xyz")), 3),
        (Embed(()), 0),
    ]
    assert [engine.count_tokens(request) for request, _ in requests] == [n for _, n in requests]


@pytest.mark.parametrize("stop", [("",), ("a", "")])
def test_an_empty_stop_text_is_refused(stop, engine_of, run) -> None:
    bad, good = run(engine_of("llama"), [Sample("ab", Sampling(stop=stop)), Sample("ab", ONE)])
    assert "a stop text is empty; expected one character at least" in str(bad.error)
    assert good.error is None


class AskTwice(Solver):
    """Asks for two greedy samples."""

    def solve(self, problem, ctx) -> Iterator:
        replies = yield Sample(problem.question, ONE, 2)
        return ctx.solution(replies[0])


def test_two_samples_at_temperature_0_are_refused_before_the_engine_sees_them(engine_of, monkeypatch) -> None:
    engine = engine_of("llama")
    monkeypatch.setattr(type(engine), "submit", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(InvalidParameterError, match="2 samples at temperature 0, which are identical"):
        Scheduler(engine).check(AskTwice(), Problem("p", "1 + 1?", "2"))


class AskLong(Solver):
    """Asks with a prompt that the context does not hold."""

    def solve(self, problem, ctx) -> Iterator:
        (reply,) = yield Sample(problem.question * 100, ONE)
        return ctx.solution(reply)


def test_a_prompt_longer_than_the_context_is_refused_before_a_run(engine_of) -> None:
    with pytest.raises(EngineError, match=r"the prompt has 600 tokens; .* takes 160"):
        Scheduler(engine_of("llama")).check(AskLong(), Problem("p", "1 + 1?", "2"))
