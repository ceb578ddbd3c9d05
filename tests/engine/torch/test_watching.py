"""Hidden states can be seen and changed behind every layer, and nothing of it stays."""

import pytest
import torch

from calculemus.engine.base import Job
from calculemus.engine.requests import Embed, Prefix, Sample, Sampling, Score
from calculemus.engine.torch_engine import Seen
from calculemus.errors import EngineError
from calculemus.rng import Rng

KINDS = ["llama-grouped-tied", "qwen3", "gpt2", "gemma2", "gpt_neox", "opt"]
SIX = Sampling(max_tokens=6)


class Recorder:
    """Collects hidden states by layer, position and token."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int, int], torch.Tensor] = {}

    def __call__(self, seen: Seen) -> None:
        assert len(seen.hidden_states) == len(seen.input_ids) == len(seen.positions)
        for state, token, place in zip(
            seen.hidden_states, seen.input_ids.tolist(), seen.positions.tolist(), strict=True
        ):
            self.seen[seen.layer, place, token] = state.clone()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_seen_is_what_transformers_calls_hidden_states(
    kind, engine_of, reference, prompts_of, run
) -> None:
    engine = engine_of(kind)
    # No two prompts have the same token at the same place, so that each state has a name of its own.
    drawn = enumerate(prompts_of(Rng(31), (40, 7, 25)))
    prompts = [Prefix("", tuple(t - t % 3 + i for t in prompt.ids)) for i, prompt in drawn]
    recorder = Recorder()
    with engine.watching(recorder):
        done = run(engine, [Sample(prompt, SIX) for prompt in prompts])
    n_layers = engine.capabilities.facts["n_layers"]
    found = 0
    for prompt, one in zip(prompts, done, strict=True):
        ids = (prompt.ids + one.reply[0].ids)[:-1]  # the last token is sampled, and not run
        with torch.no_grad():
            out = reference(kind)(input_ids=torch.tensor([ids]), output_hidden_states=True)
        for layer in range(n_layers - 1):  # the last one comes with the last norm behind it
            for place, token in enumerate(ids):
                wanted = out.hidden_states[layer + 1][0, place]
                assert torch.allclose(recorder.seen[layer, place, token], wanted, atol=1e-4)
                found += 1
    assert found == (n_layers - 1) * (40 + 7 + 25 + 3 * 5)
    assert len(recorder.seen) == n_layers * (40 + 7 + 25 + 3 * 5)  # padding is not shown


@pytest.mark.parametrize("kind", KINDS)
def test_states_that_a_tap_returns_go_on_in_place_of_those_it_saw(
    kind, engine_of, reference, next_logprobs, prompts_of, ask
) -> None:
    engine, model, (prompt, tail) = engine_of(kind), reference(kind), prompts_of(Rng(32), (20, 9))
    push = torch.from_numpy(Rng(33).generator().normal(0, 3, 32).astype("float32"))
    request = Score(prompt, (tail.ids,))
    before = ask(engine, request)
    with engine.watching(lambda seen: seen.hidden_states + push if seen.layer == 0 else None):
        (pushed,) = ask(engine, request)
    layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    hook = layers[0].register_forward_hook(
        lambda _, __, out: (out[0] + push, *out[1:]) if isinstance(out, tuple) else out + push
    )
    wanted = next_logprobs(model, prompt.ids + tail.ids)[19:-1].gather(1, torch.tensor(tail.ids)[:, None])
    hook.remove()
    assert pushed.logprobs == pytest.approx(wanted[:, 0].tolist(), abs=1e-3)
    assert pushed.logprobs != pytest.approx(before[0].logprobs, abs=1e-1)
    assert ask(engine, request) == before


def test_taps_see_each_others_changes_in_order(engine_of, ask) -> None:
    engine, met = engine_of("llama"), []
    with (
        engine.watching(lambda seen: seen.hidden_states * 0 + 2.0),
        engine.watching(lambda seen: met.append(float(seen.hidden_states.mean()))),
    ):
        ask(engine, Embed(("ab",)))
    assert met == [2.0, 2.0]


def test_what_was_computed_inside_is_unknown_outside_and_the_other_way_round(engine_of, run) -> None:
    engine, request = engine_of("llama"), Sample("a b ab " * 6, SIX)
    n = engine.count_tokens(request)

    def cached() -> int:
        (done,) = run(engine, [request])
        return done.cost.tokens_cached

    assert (cached(), cached()) == (0, n - 1)
    with engine.watching(lambda _: None):
        assert (cached(), cached()) == (0, n - 1)
    assert cached() == 0


def test_a_tap_that_raises_ends_its_block_and_leaves_the_engine_as_it_was(engine_of, ask, run) -> None:
    engine, request = engine_of("llama"), Sample("12 ab", SIX)
    before = ask(engine, request)

    def fail(_: Seen) -> None:
        raise KeyError("no such direction")

    with pytest.raises(KeyError, match="no such direction"), engine.watching(fail):
        run(engine, [request])
    (left,) = engine.wait()
    assert isinstance(left.error, EngineError)
    assert "watched" in str(left.error)
    assert engine._batcher.n_rows == 0
    assert ask(engine, request) == before


def test_an_exception_in_the_block_removes_the_tap(engine_of, ask) -> None:
    engine, request = engine_of("llama"), Embed(("ab",))
    before = ask(engine, request)

    def divide() -> None:
        with engine.watching(lambda seen: seen.hidden_states * 0):
            assert ask(engine, request) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        divide()
    assert ask(engine, request) == before


def test_requests_that_the_block_leaves_behind_come_back_as_errors_and_teach_nothing(
    engine_of, ask, run
) -> None:
    engine, request = engine_of("llama"), Sample("12 ab " * 5, SIX)
    before = ask(engine, request)
    engine.forget()
    with engine.watching(lambda seen: seen.hidden_states * 2):
        engine.submit([Job(1, Sample("12 ab " * 5, Sampling(max_tokens=60)), (0,)), Job(2, request, (0,))])
        (first,) = engine.wait()
        assert (first.ticket, first.error) == (2, None)
    (left,) = engine.wait()
    assert (left.ticket, left.reply, type(left.error)) == (1, None, EngineError)
    assert left.cost.tokens_discarded == 6
    assert ask(engine, request) == before


def test_nothing_is_watched_while_requests_are_in_flight_nor_where_it_cannot_be(engine_of) -> None:
    engine = engine_of("llama")
    engine.submit([Job(0, Sample("ab", SIX), (0,))])
    with pytest.raises(EngineError, match="1 requests are in flight"), engine.watching(lambda _: None):
        pass
    engine.cancel([0])
    plain = engine_of("gptj")
    with pytest.raises(EngineError, match="runs plainly"), plain.watching(lambda _: None):
        pass
