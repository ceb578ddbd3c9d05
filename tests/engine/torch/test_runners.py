"""Every way of running a model gives the tokens and log-probabilities of transformers on the same weights."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from calculemus.engine.requests import Sample, Sampling
from calculemus.rng import Rng
from calculemus.tiny import MODEL

RUNNERS = {
    "llama": "LlamaRunner",
    "llama-grouped-tied": "LlamaRunner",
    "llama-one-key-head": "LlamaRunner",
    "llama-wide-heads": "LlamaRunner",
    "llama-scaled": "LlamaRunner",
    "qwen2": "LlamaRunner",
    "qwen2-window": "LlamaRunner",
    "qwen3": "LlamaRunner",
    "mistral": "LlamaRunner",
    "gpt2": "HostedRunner",
    "gpt_neox": "HostedRunner",
    "gemma2": "HostedRunner",
    "phi": "HostedRunner",
    "opt": "HostedRunner",
    "mixtral": "HostedRunner",
    "gptj": "PlainRunner",
    "bloom": "PlainRunner",
    "mamba": "PlainRunner",
}
QUESTIONS = ("Tom has 12 apples and buys 7 more.", "A box holds 6 pens.", "Ann")
N_NEW = 24
PROMPTS = Rng(1).child("runners")
LENGTHS = (1, 2, 17, 31, 32, 33, 70)


@torch.no_grad()
def generated(model, ids) -> list[int]:
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=N_NEW,
        do_sample=False,
        pad_token_id=0,
    )
    return out[0, len(ids) :].tolist()


@pytest.mark.parametrize("kind", RUNNERS)
def test_greedy_tokens_and_their_logprobs_are_those_of_transformers(
    kind, engine_of, reference, next_logprobs, prompts_of, run
) -> None:
    engine, model = engine_of(kind), reference(kind)
    assert engine.capabilities.facts["runner"] == RUNNERS[kind]
    prompts = prompts_of(PROMPTS, LENGTHS)
    for prompt, done in zip(
        prompts, run(engine, [Sample(p, Sampling(max_tokens=N_NEW)) for p in prompts]), strict=True
    ):
        (completion,) = done.reply
        assert list(completion.ids) == generated(model, prompt.ids)
        whole = prompt.ids + completion.ids
        wanted = next_logprobs(model, whole)[len(prompt.ids) - 1 : -1]
        wanted = wanted.gather(1, torch.tensor(completion.ids)[:, None])[:, 0]
        assert completion.logprobs == pytest.approx(wanted.tolist(), abs=1e-4)


def test_the_model_that_ships_writes_what_transformers_writes_with_it(open_engine, run) -> None:
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(MODEL).eval(),
        AutoTokenizer.from_pretrained(MODEL),
    )
    prompts = [f"Q: {question} How many?\n{mode}:" for question in QUESTIONS for mode in "AP"]
    done = run(open_engine(MODEL), [Sample(prompt, Sampling(max_tokens=N_NEW)) for prompt in prompts])
    for prompt, one in zip(prompts, done, strict=True):
        wanted = generated(model, tokenizer(prompt)["input_ids"])
        assert list(one.reply[0].ids) == wanted
        assert one.reply[0].text == tokenizer.decode(wanted, skip_special_tokens=True)
