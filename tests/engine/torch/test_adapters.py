"""Low-rank adapters are merged as W + scale * B A, and those that do not fit are refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from calculemus.engine.requests import Sample, Sampling
from calculemus.errors import EngineError
from calculemus.rng import Rng

TARGETS = {"model.layers.0.self_attn.q_proj": (32, 32), "model.layers.1.mlp.down_proj": (32, 64)}
RANK = 4


def factors(target: str, shape: tuple[int, int], rank: int = RANK) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A and B of a module with weights of (output, input)."""
    generator = Rng(41).child(target).generator()
    n_out, n_in = shape
    drawn = generator.normal(0, 0.5, (rank, n_in)), generator.normal(0, 0.5, (n_out, rank))
    return torch.from_numpy(drawn[0]).float(), torch.from_numpy(drawn[1]).float()


def save_adapter(folder: Path, targets: dict[str, tuple[int, int]], **config) -> Path:
    """Write an adapter as PEFT does."""
    folder.mkdir(exist_ok=True)
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    tensors = {}
    for target, shape in targets.items():
        for side, factor in zip("AB", factors(target, shape), strict=True):
            tensors[f"base_model.model.{target}.lora_{side}.weight"] = factor
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def merged(folder: Path, changes: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the model of transformers with changes added to its weights."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        for target, delta in changes.items():
            model.get_submodule(target).weight += delta
    return model


@pytest.fixture
def completes_like(open_engine, tokenizer, next_logprobs, ask):
    """Check that a folder with adapters is the model given: the logprobs of a sampled completion tell."""

    def check(folder: Path, adapters: list[Path], model) -> None:
        engine = open_engine(folder, adapters=adapters, tokenizer=tokenizer)
        (completion,) = ask(engine, Sample("12 ab", Sampling(2.0, max_tokens=12)))
        ids = tuple(tokenizer("12 ab")["input_ids"]) + completion.ids
        wanted = next_logprobs(model, ids)[-13:-1].gather(1, torch.tensor(completion.ids)[:, None])
        assert completion.logprobs == pytest.approx(wanted[:, 0].tolist(), abs=1e-3)

    return check


SCALES = {
    "alpha by rank": ({}, dict.fromkeys(TARGETS, 2.0)),
    "alpha by the root of the rank": ({"use_rslora": True}, dict.fromkeys(TARGETS, 4.0)),
    "an alpha of its own": (
        {"alpha_pattern": {"mlp.down_proj": 2}},
        dict(zip(TARGETS, (2.0, 0.5), strict=True)),
    ),
    "an alpha of its own by pattern": (
        {"alpha_pattern": {r"layers\.0\..*_proj": 12, "proj": 1}},
        dict(zip(TARGETS, (3.0, 2.0), strict=True)),
    ),
}


@pytest.mark.parametrize("case", SCALES)
def test_an_adapter_adds_its_product_to_the_weights(case, folder_of, tmp_path, completes_like) -> None:
    config, scales = SCALES[case]
    folder, adapter = folder_of("llama"), save_adapter(tmp_path / "adapter", TARGETS, **config)
    products = {t: factors(t, shape)[1] @ factors(t, shape)[0] for t, shape in TARGETS.items()}
    completes_like(folder, [adapter], merged(folder, {t: scales[t] * products[t] for t in TARGETS}))


def test_weights_that_are_kept_the_other_way_round_are_changed_so(
    folder_of, tmp_path, completes_like
) -> None:
    target = "transformer.h.0.attn.c_attn"
    adapter = save_adapter(tmp_path / "adapter", {target: (96, 32)}, fan_in_fan_out=True)
    a, b = factors(target, (96, 32))
    completes_like(folder_of("gpt2"), [adapter], merged(folder_of("gpt2"), {target: 2.0 * (b @ a).t()}))


def test_several_adapters_add_up(folder_of, tmp_path, completes_like) -> None:
    folder = folder_of("llama")
    adapters = [save_adapter(tmp_path / f"{alpha}", TARGETS, lora_alpha=alpha) for alpha in (4, 12)]
    products = {t: factors(t, shape)[1] @ factors(t, shape)[0] for t, shape in TARGETS.items()}
    completes_like(folder, adapters, merged(folder, {t: 4.0 * product for t, product in products.items()}))


def test_an_adapter_changes_the_digest(folder_of, open_engine, tmp_path) -> None:
    folder = folder_of("llama")
    adapters = [save_adapter(tmp_path / f"{alpha}", TARGETS, lora_alpha=alpha) for alpha in (4, 12)]
    digests = {
        open_engine(folder, adapters=some).digest for some in ([], adapters[:1], adapters[1:], adapters)
    }
    assert len(digests) == 4


BAD = {
    "of another architecture": ({"transformer.h.0.attn.c_attn": (96, 32)}, {}, "which the model lacks"),
    "of another width": (
        {"model.layers.0.self_attn.q_proj": (48, 48)},
        {},
        r"has shape \(48, 48\), the weight has \(32, 32\)",
    ),
    "of another depth": ({"model.layers.7.self_attn.q_proj": (32, 32)}, {}, "which the model lacks"),
    "of another kind": (TARGETS, {"peft_type": "IA3"}, "of type IA3; expected LORA"),
    "with magnitudes": (TARGETS, {"use_dora": True}, "of type DoRA; expected LORA"),
    "with nothing in it": ({}, {}, "found 0 pairs"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_adapter_that_does_not_fit_is_refused(case, folder_of, open_engine, tmp_path) -> None:
    targets, config, message = BAD[case]
    adapter = save_adapter(tmp_path / "adapter", targets, **config)
    with pytest.raises(EngineError, match=message):
        open_engine(folder_of("llama"), adapters=[adapter])


def test_an_adapter_of_a_tied_output_layer_is_refused(folder_of, open_engine, tmp_path) -> None:
    adapter = save_adapter(tmp_path / "adapter", {"lm_head": (266, 32)})
    with pytest.raises(EngineError, match="whose weights are the input embeddings"):
        open_engine(folder_of("llama-grouped-tied"), adapters=[adapter])


def test_factors_that_do_not_fit_each_other_or_come_with_more_are_refused(
    folder_of, open_engine, tmp_path
) -> None:
    adapter, (target, shape) = save_adapter(tmp_path / "adapter", TARGETS), next(iter(TARGETS.items()))
    a, b = factors(target, shape)
    for tensors, message in (
        ({"lora_A": a, "lora_B": b[:, :3].contiguous()}, "two matrices that can be multiplied"),
        ({"lora_A": a}, r"beside them, \['.*lora_B\.weight'\]"),
        ({"lora_A": a, "lora_B": b, "bias_of_another_kind": b * 2}, "bias_of_another_kind"),
    ):
        named = {f"base_model.model.{target}.{name}.weight": tensor for name, tensor in tensors.items()}
        save_file(named, adapter / "adapter_model.safetensors")
        with pytest.raises(EngineError, match=message):
            open_engine(folder_of("llama"), adapters=[adapter])


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_damaged_adapter_is_refused_with_the_name_of_the_file(
    name, damage, folder_of, open_engine, tmp_path
) -> None:
    adapter = save_adapter(tmp_path / "adapter", TARGETS)
    if damage == "missing":
        (adapter / name).unlink()
    else:
        (adapter / name).write_bytes((adapter / name).read_bytes()[:-9])
    with pytest.raises(EngineError, match=f"adapter.*{name}"):
        open_engine(folder_of("llama"), adapters=[adapter])


def test_adapters_of_a_module_in_memory_are_refused(reference, tokenizer, open_engine, tmp_path) -> None:
    with pytest.raises(EngineError, match="as a module with adapters"):
        open_engine(reference("llama"), tokenizer=tokenizer, adapters=[tmp_path])
