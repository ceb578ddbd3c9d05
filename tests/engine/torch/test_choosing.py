"""A model runs in a faster way only where that gives what the model itself gives, at any length."""

import pytest
import torch

from calculemus.engine.requests import Embed, Prefix, Sample, Sampling, Score
from calculemus.engine.torch_engine import choosing
from calculemus.errors import EngineError
from calculemus.rng import Rng


@pytest.fixture
def scores_like(ask, prompts_of, next_logprobs):
    """Check an engine's scores of a long text against a plain forward pass; its last token is not run."""

    def check(engine, model, n: int) -> None:
        ids = prompts_of(Rng(91), (n,))[0].ids
        (scored,) = ask(engine, Score(Prefix("", ids[:5]), (ids[5:],)))
        wanted = next_logprobs(model, ids[:-1])[4:].gather(1, torch.tensor(ids[5:])[:, None])[:, 0]
        assert scored.logprobs == pytest.approx(wanted.tolist(), abs=1e-3)

    return check


@pytest.mark.parametrize(
    ("context", "runner", "found"),
    [
        (None, "HostedRunner", 40),
        (40, "HostedRunner", 40),
        (41, "PlainRunner", 41),
        (160, "PlainRunner", 160),
    ],
)
def test_positions_that_change_with_the_length_are_kept_to_lengths_where_they_do_not(
    context, runner, found, folder_of, open_engine, tokenizer, reference, scores_like
) -> None:
    engine = open_engine(folder_of("phi3"), context=context, tokenizer=tokenizer)
    assert (engine.capabilities.facts["runner"], engine.capabilities.context) == (runner, found)
    scores_like(engine, reference("phi3"), found)
    scores_like(engine, reference("phi3"), 30)


@pytest.mark.parametrize(("chunk", "runner"), [(48, "PlainRunner"), (160, "HostedRunner")])
def test_what_a_module_hides_by_its_mask_alone_is_not_left_out(
    chunk, runner, folder_of, open_engine, tokenizer, scores_like
) -> None:
    from transformers import AutoModelForCausalLM

    folder = folder_of("llama4_text", attention_chunk_size=chunk)
    assert chunk > choosing.N_CHECKED  # too long to show in the comparison of logits
    engine = open_engine(folder, tokenizer=tokenizer)
    assert engine.capabilities.facts["runner"] == runner
    scores_like(engine, AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval(), 150)


@pytest.mark.parametrize("kind", ["mistral", "qwen2-window", "gemma2"])
def test_windows_that_the_configuration_names_are_kept_to(kind, engine_of, reference, scores_like) -> None:
    scores_like(engine_of(kind), reference(kind), 150)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gptj"])
@pytest.mark.parametrize("context", [2, 3, 5, 9])
def test_the_smallest_contexts_work(kind, context, folder_of, open_engine, tokenizer, engine_of, ask) -> None:
    engine = open_engine(folder_of(kind), context=context, tokenizer=tokenizer)
    assert engine.capabilities.facts["runner"] == engine_of(kind).capabilities.facts["runner"]
    assert engine.capabilities.deterministic is True
    (completion,) = ask(engine, Sample("x" * (context - 1), Sampling(max_tokens=9)))
    (wanted,) = ask(engine_of(kind), Sample("x" * (context - 1), Sampling(max_tokens=1)))
    assert completion.ids == wanted.ids


@pytest.mark.parametrize("kind", ["llama-grouped-tied", "gpt2", "gptj"])
def test_bfloat16_is_near_what_transformers_has_in_it(
    kind, folder_of, open_engine, tokenizer, ask, next_logprobs
) -> None:
    from transformers import AutoModelForCausalLM

    engine = open_engine(folder_of(kind), dtype="bfloat16", tokenizer=tokenizer)
    assert engine.capabilities.facts["dtype"] == "bfloat16"
    (completion,) = ask(engine, Sample("12 ab the", Sampling(max_tokens=12)))
    model = AutoModelForCausalLM.from_pretrained(folder_of(kind), dtype=torch.bfloat16).eval()
    ids = tuple(tokenizer("12 ab the")["input_ids"]) + completion.ids
    wanted = next_logprobs(model, ids)[-13:-1].gather(1, torch.tensor(completion.ids)[:, None])
    assert completion.logprobs == pytest.approx(wanted[:, 0].tolist(), abs=0.5)
    assert len(ask(engine, Embed(("ab",)))[0]) == 32


def test_a_model_that_fails_however_it_is_run_is_refused(folder_of, open_engine, monkeypatch) -> None:
    def fail(*_, **__) -> None:
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(choosing.PlainRunner, "run", fail)
    with pytest.raises(EngineError, match=r"running the model .*GPTJForCausalLM cannot be run: .*no kernel"):
        open_engine(folder_of("gptj"))


def test_parameters_are_counted_without_a_table_that_is_only_read(engine_of, reference) -> None:
    for kind, table in (("llama", 268 * 32), ("llama-grouped-tied", 0)):
        every = sum(parameter.numel() for parameter in reference(kind).parameters())
        assert engine_of(kind).capabilities.facts["parameters"] == every - table
