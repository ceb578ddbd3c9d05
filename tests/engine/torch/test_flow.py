"""Requests come and go in any order, none is lost, and everything that was lent out is given back."""

import gc
from collections import Counter

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from calculemus.engine.base import Job
from calculemus.engine.requests import Prefix, Sample, Sampling, Score
from calculemus.engine.torch_engine import TorchEngine
from calculemus.engine.torch_engine.checkpoint import Checkpoint
from calculemus.engine.torch_engine.pages import FIRST
from calculemus.errors import EngineError
from calculemus.rng import Rng

SIX = Sampling(max_tokens=6)
PAGE_BYTES = 32 * 2 * 4 * (8 + 8) * 4
"""Tokens, layers, heads, widths of a key and a value, bytes of a number."""


def is_idle(engine: TorchEngine) -> bool:
    """Say whether no page is lent out and no node of the prefix tree held."""
    pages, tree = engine._batcher._lanes.pages, engine._machine.tree
    nodes, held = [tree._root], 0
    for node in nodes:
        nodes.extend(node.children.values())
        held += node.holders
    return not held and (pages.owner < 0).all() and pages.top == FIRST and not engine._batcher.n_rows


def test_an_engine_with_nothing_to_do_returns_at_once(engine_of) -> None:
    engine = engine_of("llama")
    assert engine.wait() == []
    engine.submit([])
    assert engine.wait() == []
    assert engine.cancel([3]) == []


def test_wait_returns_what_is_finished_and_no_sooner(engine_of, prompts_of) -> None:
    engine, prompts = engine_of("llama"), prompts_of(Rng(71), (9, 9, 9))
    engine.submit(
        [
            Job(i, Sample(p, Sampling(max_tokens=n)), (0,))
            for i, (p, n) in enumerate(zip(prompts, (20, 5, 5), strict=True))
        ]
    )
    assert sorted(done.ticket for done in engine.wait()) == [1, 2]
    assert [done.ticket for done in engine.wait()] == [0]
    assert engine.wait() == []


def test_free_rows_are_those_that_run_and_half_as_many_that_wait_less_those_that_are_promised(
    engine_of, prompts_of
) -> None:
    engine, (prompt,) = engine_of("llama"), prompts_of(Rng(72), (9,))
    assert engine.capabilities.rows == 8
    assert engine.free_rows() == 12
    engine.submit([Job(0, Sample(prompt, SIX, 3), (0, 1, 2)), Job(1, Score(prompt, ((5,), (6, 7))), ())])
    assert engine.free_rows() == 7
    engine.submit([Job(2, Sample(prompt, Sampling(1.0, max_tokens=30), 11), tuple(range(11)))])
    assert engine.free_rows() == 0  # not below, though four are too many
    engine.cancel([2])
    assert engine.free_rows() == 7
    while engine.wait():
        pass
    assert is_idle(engine)


def test_rows_that_wait_take_the_places_of_those_that_end_before_their_job_does(markov) -> None:
    stops = tuple(f" w{i}" for i in range(40, 48))
    asked = Sample("w3 w4", Sampling(1.0, max_tokens=60, stop=stops), 512)
    markov.submit([Job(0, asked, tuple(range(512))), Job(1, asked, tuple(range(512, 1024)))])
    assert markov.free_rows() == 0
    assert [done.ticket for done in markov.wait()] == [0]
    (other,) = markov.cancel([1])
    assert other.cost.tokens_discarded > 512  # it ran while the last rows of the first job did


def test_a_lone_row_that_ends_lets_the_next_one_in(engine_of, prompts_of, run) -> None:
    engine = engine_of("llama", rows=1)
    done = run(engine, [Sample(prompt, SIX) for prompt in prompts_of(Rng(73), (40, 2, 9, 33))])
    assert [len(one.reply[0].ids) for one in done] == [6] * 4


@pytest.mark.parametrize("which", [0, 1, 2])
def test_rows_that_wait_for_a_common_beginning_go_on_whoever_is_cancelled(
    which, engine_of, prompts_of, ask
) -> None:
    engine, (root, *tails) = engine_of("llama"), prompts_of(Rng(74), (40, 3, 4, 5))
    asked = [Sample(Prefix("", root.ids + tail.ids), SIX) for tail in tails]
    wanted = [ask(engine, request) for request in asked]
    for n_waits in (0, 1):
        engine.forget()
        first = Job(9, Sample(tails[0], Sampling(max_tokens=1)), (0,))
        engine.submit([first, *(Job(i, request, (0,)) for i, request in enumerate(asked))])
        if n_waits:
            assert [done.ticket for done in engine.wait()] == [9]
        assert len(engine.cancel([which])) == 1
        found = {}
        while back := engine.wait():
            found |= {done.ticket: done.reply for done in back if done.ticket != 9}
        assert found == {i: wanted[i] for i in range(3) if i != which}
        assert is_idle(engine)


def test_a_beginning_that_is_kept_for_a_row_is_let_go_with_the_row(engine_of, prompts_of) -> None:
    engine, (root, *tails) = engine_of("llama", rows=2), prompts_of(Rng(78), (40, 3, 4, 5))
    asked = [
        Sample(Prefix("", root.ids + tail.ids), Sampling(max_tokens=n))
        for tail, n in zip(tails, (1, 6, 6), strict=True)
    ]
    engine.submit([Job(i, request, (0,)) for i, request in enumerate(asked)])
    assert [done.ticket for done in engine.wait()] == [0]  # one of the others runs now, one waits
    assert len(engine.cancel([1, 2])) == 2
    assert is_idle(engine)


@pytest.mark.parametrize("seed", range(4))
def test_no_request_is_lost_or_answered_twice_however_it_is_sent_and_cancelled(
    seed, engine_of, prompts_of, run
) -> None:
    rng = Rng(75).child(seed)
    generator = rng.generator()
    roots = prompts_of(rng.child("roots"), (33, 18))
    tails = prompts_of(rng.child("tails"), generator.integers(1, 50, 40).tolist())
    asked = [
        Sample(
            Prefix("", roots[i % 2].ids + tail.ids),
            Sampling(1.0, max_tokens=int(generator.integers(1, 20))),
            1 + i % 3,
        )
        for i, tail in enumerate(tails)
    ]
    engine = engine_of("llama")
    wanted = [one.reply for one in run(engine, asked)]
    engine.forget()
    waiting, answered, cancelled = list(range(len(asked))), Counter(), Counter()
    while waiting or engine._works:
        n = int(generator.integers(0, 5))
        engine.submit([Job(i, asked[i], tuple(range(asked[i].n))) for i in waiting[:n]])
        waiting = waiting[n:]
        if generator.random() < 0.3:
            some = generator.integers(0, len(asked), 3).tolist()
            cancelled.update(done.ticket for done in engine.cancel(some))
        for done in engine.wait():
            answered[done.ticket] += 1
            assert done.reply == wanted[done.ticket]
    assert answered + cancelled == Counter(range(len(asked)))
    assert is_idle(engine)


def test_forgetting_is_refused_while_requests_are_in_flight(engine_of) -> None:
    engine = engine_of("llama")
    engine.submit([Job(0, Sample("ab", SIX), (0,))])
    with pytest.raises(EngineError, match="1 requests are in flight"):
        engine.forget()
    assert len(engine.wait()) == 1
    engine.forget()


def test_rows_wait_where_memory_holds_fewer_than_the_engine_has(
    open_engine, folder_of, prompts_of, run
) -> None:
    kv_bytes = 18 * PAGE_BYTES  # a third of it is the prefix tree's, one page takes padding
    engine = open_engine(folder_of("llama"), kv_bytes=kv_bytes)
    prompts = prompts_of(Rng(76), (100,) * 6)
    held = []
    with engine.watching(lambda _: held.append(engine._batcher._lanes.pages._reserved.sum())):
        done = run(engine, [Sample(prompt, Sampling(max_tokens=28)) for prompt in prompts])
    assert max(held) == 2 * 4 < 11  # pages of two rows; a third one does not fit
    assert [len(one.reply[0].ids) for one in done] == [28] * 6


def test_a_row_that_memory_can_never_hold_is_refused_and_one_that_it_just_holds_is_not(
    open_engine, folder_of, ask
) -> None:
    engine = open_engine(folder_of("llama"), kv_bytes=6 * PAGE_BYTES)  # three pages are left for rows
    (completion,) = ask(engine, Sample("x" * 90, SIX))
    assert len(completion.ids) == 6
    with pytest.raises(EngineError, match=r"a row of up to 97 tokens .* Lower max_tokens"):
        ask(engine, Sample("x" * 90, Sampling(max_tokens=7)))


def test_an_engine_without_memory_for_a_row_is_refused(open_engine, folder_of) -> None:
    for kv_bytes in (0, -1, PAGE_BYTES):
        with pytest.raises(EngineError, match=rf"may take {kv_bytes} bytes; expected room for 64 tokens"):
            open_engine(folder_of("llama"), kv_bytes=kv_bytes)


def test_a_small_prefix_tree_forgets_and_nothing_goes_wrong(
    open_engine, folder_of, engine_of, prompts_of, run
) -> None:
    rng = Rng(77)
    roots = prompts_of(rng, (50, 60, 40))
    asked = [
        Sample(Prefix("", roots[i % 3].ids + t.ids), SIX)
        for i, t in enumerate(prompts_of(rng.child(1), (5,) * 24))
    ]
    engine = open_engine(folder_of("llama"), kv_bytes=18 * PAGE_BYTES)  # room for 192 tokens in the tree
    replies = [one.reply for one in run(engine, asked)]
    assert (
        replies
        == [one.reply for one in run(engine, asked)]
        == [one.reply for one in run(engine_of("llama"), asked)]
    )
    assert is_idle(engine)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gptj"])
def test_a_module_in_memory_runs_like_its_folder_and_is_left_as_it_was(
    kind, folder_of, engine_of, tokenizer, ask
) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder_of(kind)).eval()
    ids = torch.tensor([tokenizer("a b 12 ab")["input_ids"]])
    with torch.no_grad():
        before = model(ids).logits
    engine = TorchEngine(model, tokenizer=tokenizer, rows=8)
    assert engine.capabilities.facts["runner"] == engine_of(kind).capabilities.facts["runner"]
    assert ask(engine, Sample("12 ab", SIX)) == ask(engine_of(kind), Sample("12 ab", SIX))
    engine.close()
    with torch.no_grad():
        assert torch.equal(model(ids).logits, before)
    assert not any(module._forward_hooks for module in model.modules())


def test_closing_stops_what_is_in_flight_frees_the_model_and_may_happen_twice(folder_of) -> None:
    def n_models() -> int:
        gc.collect()
        return sum(type(thing) is LlamaForCausalLM for thing in gc.get_objects())

    before = n_models()
    engine = TorchEngine(folder_of("llama"), rows=2)
    assert n_models() == before  # the lean pass has taken the weights over
    engine.submit([Job(0, Sample("ab", SIX), (0,))])
    engine.close()
    engine.close()
    assert engine.wait() == []


def test_the_digest_names_weights_tokenizer_dtype_and_context(
    folder_of, open_engine, tokenizer, make_tokenizer
) -> None:
    folder = folder_of("llama")
    one = open_engine(folder)
    assert one.digest == open_engine(folder, rows=3, name="other").digest
    others = [
        open_engine(folder, context=100),
        open_engine(folder, dtype="bfloat16"),
        open_engine(folder, tokenizer=make_tokenizer(eos_token="<end>")),
        open_engine(folder_of("qwen2"), tokenizer=tokenizer),
    ]
    assert len({one.digest, *(engine.digest for engine in others)}) == 5


def test_the_digest_of_a_model_in_memory_is_that_of_its_weights_and_tokenizer(
    tokenizer, make_tokenizer
) -> None:
    def digest(model, tokenizer) -> str:
        return Checkpoint(model, tokenizer, None, (), "a model", is_tokenizer_given=False).digest()

    model = torch.nn.Linear(2, 3)
    model.register_buffer("n_steps", torch.tensor(7))
    before = digest(model, tokenizer)
    assert digest(model, tokenizer) == before != digest(model, make_tokenizer(pieces=["ab"]))
    model.n_steps += 1
    assert digest(model, tokenizer) != before
