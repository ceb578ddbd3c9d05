"""What a request costs: tokens that ran, were known, stand or do not, and the operations they took."""

import pytest

from calculemus.cost import Cost, forward_flops
from calculemus.engine.base import Job
from calculemus.engine.requests import Embed, Prefix, Sample, Sampling, Score, Value
from calculemus.engine.torch_engine import ValueHead, build
from calculemus.rng import Rng

SIX = Sampling(max_tokens=6)


@pytest.fixture(scope="module")
def sizes(reference):
    """Return weights that are multiplied with, layers and width of attention, by transformers' own model."""

    def find(kind: str) -> tuple[int, int, int]:
        model = reference(kind)
        head, table = model.get_output_embeddings().weight, model.get_input_embeddings().weight
        every = sum(parameter.numel() for parameter in model.parameters())
        return every - (0 if head is table else table.numel()), 2, 32

    return find


def tokens(cost: Cost) -> tuple[int | None, ...]:
    return cost.tokens_in, cost.tokens_cached, cost.tokens_out, cost.tokens_discarded


def test_one_row_costs_its_prompt_and_what_was_sampled_but_the_last_token(
    engine_of, prompts_of, run, sizes
) -> None:
    (prompt,) = prompts_of(Rng(51), (30,))
    (done,) = run(engine_of("llama"), [Sample(prompt, SIX)])
    assert tokens(done.cost) == (30, 0, 6, 0)
    assert done.cost.flops == forward_flops(*sizes("llama"), tokens=35)


def test_samples_of_one_prompt_compute_it_once(engine_of, prompts_of, run, sizes) -> None:
    (prompt,) = prompts_of(Rng(52), (30,))
    (done,) = run(engine_of("llama"), [Sample(prompt, Sampling(1.0, max_tokens=6), 5)])
    # The first row runs the prompt; the others take all of it but its last token, which each runs anew.
    assert tokens(done.cost) == (30 + 4, 4 * 29, 5 * 6, 0)
    flops = forward_flops(*sizes("llama"), tokens=35) + 4 * forward_flops(
        *sizes("llama"), tokens=6, cached=29
    )
    assert done.cost.flops == pytest.approx(flops, rel=1e-12)


def test_a_tree_of_prefixes_is_computed_edge_by_edge(engine_of, prompts_of, run, sizes) -> None:
    root, left, right, leaf = (p.ids for p in prompts_of(Rng(53), (40, 20, 25, 18)))
    engine, size = engine_of("llama"), sizes("llama")
    prompts = [root + left, root + right, root + left + leaf, root, root + left]
    known = [0, 40, 60 - 1, 40 - 1, 60 - 1]
    asked = [Sample(Prefix("", ids), SIX) for ids in prompts]
    found = []
    for request in asked:  # one after the other, so that each finds what those before it left
        found += run(engine, [request])
    known[2] = 60  # the first row ran the last token of its prompt when it sampled
    for done, ids, cached in zip(found, prompts, known, strict=True):
        assert tokens(done.cost) == (len(ids) - cached, cached, 6, 0)
        assert done.cost.flops == forward_flops(*size, len(ids) - cached + 5, cached)


def test_prompts_that_arrive_together_share_what_they_begin_with(engine_of, prompts_of, run) -> None:
    root, *tails = (p.ids for p in prompts_of(Rng(54), (40, 5, 9, 13)))
    done = run(engine_of("llama"), [Sample(Prefix("", root + tail), SIX) for tail in tails])
    assert sum(one.cost.tokens_in for one in done) == 40 + 5 + 9 + 13
    assert sorted(one.cost.tokens_cached for one in done) == [0, 40, 40]


def test_what_was_sampled_before_is_known_when_it_is_continued(engine_of, prompts_of, run) -> None:
    engine, (prompt,) = engine_of("llama"), prompts_of(Rng(55), (12,))
    (first,) = run(engine, [Sample(prompt, SIX)])
    (second,) = run(engine, [Sample(first.reply[0].prefix, SIX)])
    assert tokens(second.cost) == (1, 12 + 6 - 1, 6, 0)
    engine.forget()
    (again,) = run(engine, [Sample(first.reply[0].prefix, SIX)])
    assert tokens(again.cost) == (18, 0, 6, 0)


def test_a_score_costs_the_prompt_once_and_each_continuation(engine_of, prompts_of, run, sizes) -> None:
    prompt, *tails = (p.ids for p in prompts_of(Rng(56), (40, 5, 9)))
    (done,) = run(engine_of("llama"), [Score(Prefix("", prompt), (*tails, ()))])
    # The logits behind the prompt's last token are wanted, so each row runs it; its very last does not.
    assert tokens(done.cost) == (44 + 9, 2 * 39, 0, 0)
    size = sizes("llama")
    flops = forward_flops(*size, 44) + forward_flops(*size, 9, 39)
    assert done.cost.flops == pytest.approx(flops, rel=1e-12)


def test_values_and_embeddings_cost_the_tokens_that_they_read(engine_of, texts, run, sizes) -> None:
    import torch

    engine, text = engine_of("llama"), "a b 12 the " * 4
    n = len(texts.encode(text).ids)
    engine.add_value_head("value", ValueHead(torch.ones(32)))
    embedded, valued, again = (run(engine, [r])[0] for r in (Embed((text,)), Value((text,)), Embed((text,))))
    assert tokens(embedded.cost) == tokens(again.cost) == (n, 0, 0, 0)  # all states are wanted each time
    assert tokens(valued.cost) == (1, n - 1, 0, 0)
    assert embedded.cost.flops == forward_flops(*sizes("llama"), n)
    assert valued.cost.flops == forward_flops(*sizes("llama"), 1, n - 1)


def test_a_model_that_runs_plainly_runs_each_row_whole_and_once(
    folder_of, open_engine, tokenizer, prompts_of, run, monkeypatch
) -> None:
    monkeypatch.setattr(build, "STEP_TOKENS", 16)
    engine = open_engine(folder_of("gptj"), rows=3, context=124, tokenizer=tokenizer)
    lengths, own = [], engine._machine.runner._run
    monkeypatch.setattr(
        engine._machine.runner, "_run", lambda ids, rows: lengths.append(len(ids)) or own(ids, rows)
    )
    prompt, *tails = (p.ids for p in prompts_of(Rng(62), (20, 60, 70, 80)))
    assert sum(map(len, tails)) > engine.capabilities.facts["row counts"][-1]  # not all fit into a step
    run(engine, [Score(Prefix("", prompt), tuple(tails))])
    assert lengths == [79, 89, 99]


@pytest.mark.parametrize("kind", ["llama-grouped-tied", "qwen3", "gpt2", "opt", "mixtral"])
def test_operations_are_counted_with_the_weights_of_the_model_itself(
    kind, engine_of, prompts_of, run, sizes
) -> None:
    (prompt,) = prompts_of(Rng(57), (10,))
    (done,) = run(engine_of(kind), [Sample(prompt, SIX)])
    parameters, n_layers, width = sizes(kind)
    width *= 2 if kind == "qwen3" else 1  # four heads of 16 beside a width of 32
    assert done.cost.flops == forward_flops(parameters, n_layers, width, 15)


def test_a_model_that_runs_plainly_is_charged_what_it_computes_anew(
    engine_of, prompts_of, run, sizes
) -> None:
    engine, size, (prompt,) = engine_of("gptj"), sizes("gptj"), prompts_of(Rng(58), (20,))
    sampled, again = (run(engine, [Sample(prompt, SIX)])[0] for _ in range(2))
    assert tokens(sampled.cost) == tokens(again.cost) == (20, 0, 6, 0)
    assert sampled.cost.flops == sum(forward_flops(*size, n) for n in range(20, 26))
    (scored,) = run(engine, [Score(prompt, ((5, 6, 7), ()))])
    assert tokens(scored.cost) == (22, 0, 0, 0)
    assert scored.cost.flops == forward_flops(*size, 22)


def test_a_cancelled_request_is_charged_what_ran_and_nothing_of_it_stands(
    engine_of, prompts_of, sizes, run
) -> None:
    engine, size = engine_of("llama"), sizes("llama")
    long, short = prompts_of(Rng(59), (30, 20))
    engine.submit([Job(0, Sample(long, Sampling(max_tokens=50)), (0,)), Job(1, Sample(short, SIX), (0,))])
    (done,) = engine.wait()
    (gone,) = engine.cancel([0, 1, 7])
    assert (done.ticket, gone.ticket, gone.reply, gone.error) == (1, 0, None, None)
    assert tokens(gone.cost) == (30, 0, 0, 6)  # both prompts ran in one step, and then six steps both
    assert gone.cost.flops == forward_flops(*size, 35)
    (again,) = run(engine, [Sample(long, SIX)])
    assert again.cost.tokens_cached == 29  # what it computed was kept


def test_of_samples_that_are_cancelled_those_that_had_ended_are_discarded_too(markov, run) -> None:
    markov.forget()
    stops = tuple(f" w{i}" for i in range(42, 48))
    asked, seeds = Sample("w3 w4", Sampling(1.0, max_tokens=99, stop=stops), 12), tuple(range(12))
    (whole,) = run(markov, [asked], [seeds])
    lengths = [len(row.ids) for row in whole.reply]
    # Of each row the token is discarded in which its stop text ends.
    assert tokens(whole.cost) == (2 + 11, 11, sum(lengths), 12)
    assert min(lengths) < 6 < max(lengths) - 1
    markov.submit([Job(0, asked, seeds), Job(1, Sample("w5 w3", SIX), (0,))])
    (done,) = markov.wait()
    (gone,) = markov.cancel([0])
    # The other request took a step for its prompt and six for its tokens; these began with the first step.
    assert (done.ticket, gone.cost.tokens_out) == (1, 0)
    assert gone.cost.tokens_discarded == sum(min(n + 1, 7) for n in lengths)


def test_a_request_that_is_cancelled_in_the_queue_costs_nothing(engine_of, prompts_of) -> None:
    engine = engine_of("llama", rows=1)
    first, second = (Sample(p, SIX) for p in prompts_of(Rng(60), (30, 20)))
    engine.submit([Job(0, first, (0,)), Job(1, second, (0,))])
    (gone,) = engine.cancel([1])
    assert tokens(gone.cost) == (0, 0, 0, 0)
    assert gone.cost.flops == gone.cost.seconds_engine == gone.cost.peak_bytes == 0
    assert [done.ticket for done in engine.wait()] == [0]


def test_seconds_are_shared_out_and_memory_is_that_of_the_rows_at_once(engine_of, prompts_of, run) -> None:
    engine = engine_of("llama", rows=4)
    (prompt,) = prompts_of(Rng(61), (30,))
    alone, many = run(engine, [Sample(prompt, SIX), Sample(prompt, Sampling(1.0, max_tokens=40), 3)])
    per_page = 32 * 2 * 4 * (8 + 8) * 4  # tokens, layers, heads, widths of a key and a value, bytes
    assert alone.cost.peak_bytes == 2 * per_page  # 36 tokens
    assert many.cost.peak_bytes == 3 * 3 * per_page  # three rows of 70
    assert many.cost.seconds_engine > alone.cost.seconds_engine > 0
    assert many.cost.seconds_queue >= 0
    assert (many.cost.seconds_sandbox, many.cost.bytes_read, many.cost.bytes_written) == (0, 0, 0)
