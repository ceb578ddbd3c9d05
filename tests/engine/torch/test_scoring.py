"""Scores, values and embeddings, against a plain forward pass of transformers."""

import math
import shutil

import pytest
import torch

from calculemus.engine.base import Job
from calculemus.engine.requests import Embed, Prefix, Sample, Sampling, Score, Value
from calculemus.engine.torch_engine import ValueHead
from calculemus.errors import EngineCapabilityError, EngineError
from calculemus.rng import Rng

KINDS = ["llama-grouped-tied", "mistral", "gpt2", "opt", "gptj"]


@torch.no_grad()
def last_hidden(model, ids) -> torch.Tensor:
    """Return what transformers has behind the last norm, (token, width)."""
    return model.get_decoder()(input_ids=torch.tensor([list(ids)]))[0][0].double()


def weights(n: int, *names: str) -> torch.Tensor:
    return torch.from_numpy(Rng(3).child("head", *names).generator().normal(size=n).astype("float32"))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_logprobs_of_a_plain_forward_pass(
    kind, engine_of, reference, next_logprobs, prompts_of, run
) -> None:
    prompts = prompts_of(Rng(21), (1, 2, 30, 45))
    continuations = (*(p.ids for p in prompts_of(Rng(22), (1, 5, 40))), (), "ab 12", "ab 12", "")
    done = run(engine_of(kind), [Score(prompt, continuations) for prompt in prompts])
    for prompt, one in zip(prompts, done, strict=True):
        assert len(one.reply) == len(continuations)
        for scored, continuation in zip(one.reply, continuations, strict=True):
            assert scored.ids == continuation or isinstance(continuation, str)
            wanted = next_logprobs(reference(kind), prompt.ids + scored.ids)[len(prompt.ids) - 1 : -1]
            wanted = wanted.gather(1, torch.tensor(scored.ids, dtype=torch.long)[:, None])[:, 0]
            assert scored.logprobs == pytest.approx(wanted.tolist(), abs=1e-4)


def test_a_score_of_what_was_sampled_is_what_the_sample_said(engine_of, ask, prompts_of) -> None:
    engine, (prompt,) = engine_of("llama-grouped-tied"), prompts_of(Rng(23), (12,))
    (completion,) = ask(engine, Sample(prompt, Sampling(1.0, max_tokens=20)))
    (scored,) = ask(engine, Score(prompt, (completion.ids,)))
    assert scored.logprobs == completion.logprobs  # to the last bit
    assert scored.logprob == completion.logprob


def test_no_continuations_no_values_and_no_texts_are_empty_replies(engine_of, run) -> None:
    engine = engine_of("llama")
    assert [done.reply for done in run(engine, [Score("a", ()), Embed(())])] == [(), ()]


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_the_means_of_the_last_hidden_states(kind, engine_of, reference, texts, ask) -> None:
    some = ("12", "a b ab the é", "x " * 40)
    for found, text in zip(ask(engine_of(kind), Embed(some)), some, strict=True):
        wanted = last_hidden(reference(kind), texts.encode(text).ids).mean(dim=0)
        assert found == pytest.approx(wanted.tolist(), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_a_linear_map_of_the_last_hidden_state(kind, engine_of, reference, texts, ask) -> None:
    engine = engine_of(kind)
    squashes = {"none": lambda x: x, "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "tanh": math.tanh}
    for name, squash in squashes.items():
        head = ValueHead(weights(32, name) / 8, bias=0.25, squash=name)
        engine.add_value_head(name, head)
        prompts = ("12", "a b ab the", Prefix("", (5, 6, 7)) + " 1")
        for found, prompt in zip(ask(engine, Value(prompts, head=name)), prompts, strict=True):
            hidden = last_hidden(reference(kind), texts.encode(prompt).ids)[-1]
            assert found == pytest.approx(squash(float(hidden @ head.weight.double()) + 0.25), abs=1e-4)


@pytest.fixture
def headed(folder_of, tmp_path):
    """A checkpoint with a value head of the right width beside it."""
    shutil.copytree(folder_of("llama"), tmp_path / "model")
    ValueHead(weights(32), bias=-1.5, squash="sigmoid").save(tmp_path / "model" / "value_head.safetensors")
    return tmp_path / "model"


def test_heads_beside_a_checkpoint_are_found_by_name(headed, open_engine, ask) -> None:
    ValueHead(weights(32, "second")).save(headed / "correct_head.safetensors")
    engine = open_engine(headed)
    assert sorted(engine.value_heads) == ["correct", "value"]
    assert "Value" in engine.capabilities.kinds
    head = engine.value_heads["value"]
    assert (head.bias, head.squash, head.weight.tolist()) == (-1.5, "sigmoid", weights(32).tolist())
    assert ask(engine, Value(("ab",))) != ask(engine, Value(("ab",), head="correct"))


def test_an_engine_without_heads_offers_no_values(open_engine, folder_of) -> None:
    engine = open_engine(folder_of("llama"))
    assert "Value" not in engine.capabilities.kinds
    with pytest.raises(EngineCapabilityError, match=r"asked of the head 'value'; it has none\. Put"):
        engine.submit([Job(0, Sample("a"), (0,)), Job(1, Value(("a",)), ())])
    assert engine.wait() == []  # none of the jobs was taken


def test_an_unknown_head_is_refused_with_the_names_of_those_that_there_are(headed, open_engine) -> None:
    engine = open_engine(headed)
    with pytest.raises(EngineCapabilityError, match=r"the head 'values'; it has value\."):
        engine.submit([Job(0, Value(("a",), head="values"), ())])


def test_a_head_of_another_width_is_refused_when_the_model_is_opened(headed, open_engine) -> None:
    ValueHead(weights(31)).save(headed / "value_head.safetensors")
    with pytest.raises(EngineError, match=r"'value' has 31 weights; expected 32"):
        open_engine(headed)


def test_a_head_of_another_width_is_refused_when_it_is_added(engine_of) -> None:
    engine = engine_of("llama")
    with pytest.raises(EngineError, match=r"'big' has 33 weights; expected 32"):
        engine.add_value_head("big", ValueHead(weights(33)))
    assert "big" not in engine.value_heads


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\xff" * 64])
def test_a_head_that_cannot_be_read_is_an_error_that_names_its_file(content, headed, open_engine) -> None:
    (headed / "value_head.safetensors").write_bytes(content)
    with pytest.raises(EngineError, match=r"reading the value head '.*value_head\.safetensors'"):
        open_engine(headed)


def test_a_head_without_weights_or_with_an_unknown_squash_is_refused(tmp_path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "value_head.safetensors"
    save_file({"bias": torch.zeros(1)}, path)
    with pytest.raises(EngineError, match="expected safetensors with 'weight'"):
        ValueHead.load(path)
    save_file({"weight": torch.zeros(3)}, path, metadata={"squash": "cube"})
    with pytest.raises(EngineError, match="'cube'"):
        ValueHead.load(path)


def test_a_head_changes_the_digest_of_the_engine(headed, open_engine, folder_of) -> None:
    engine = open_engine(headed)
    before = engine.digest
    engine.add_value_head("value", ValueHead(weights(32, "other")))
    assert engine.digest != before
