"""Small models on disk, engines on them, and what transformers says of the same weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from calculemus.engine.base import Done, Job
from calculemus.engine.requests import Prefix
from calculemus.engine.torch_engine import TorchEngine
from calculemus.engine.torch_engine.text import Texts
from calculemus.rng import Rng

PAD, END = 0, 1
SPECIAL = ("<pad>", "<end>")
PIECES = (" 1", " 2", "12", "ab", "\n\n", " the", "a b", "\nQ:")
TAILS = ("é!", "€ 1")
"""Pieces that begin inside a character: the first byte is left out."""
COMMON = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 160,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": PAD,
    "attn_implementation": "eager",
}
SCALED = {"rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SCALED["original_max_position_embeddings"] = 32
KINDS: Mapping[str, Mapping[str, Any]] = {
    "llama": {"num_key_value_heads": 4},
    "llama-grouped-tied": {"tie_word_embeddings": True},
    "llama-one-key-head": {"num_key_value_heads": 1, "num_attention_heads": 2},
    "llama-wide-heads": {"head_dim": 24, "attention_bias": True, "mlp_bias": True},
    "llama-scaled": {"rope_parameters": {"rope_type": "llama3", **SCALED}},
    "qwen2": {},
    "qwen2-window": {"use_sliding_window": True, "sliding_window": 12, "max_window_layers": 1},
    "qwen3": {"head_dim": 16},
    "mistral": {"sliding_window": 20},
    "gpt2": {"n_embd": 32, "n_head": 4, "n_layer": 2},
    "gpt_neox": {},
    "gemma2": {"head_dim": 16, "sliding_window": 24, "query_pre_attn_scalar": 16},
    "phi": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "mixtral": {"num_local_experts": 4},
    "gptj": {"rotary_dim": 8},
    "bloom": {},
    "phi3": {
        "original_max_position_embeddings": 40,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": [1.0] * 4,
            "long_factor": [2.0, 3.0, 4.0, 5.0],
            "factor": 4.0,
            "original_max_position_embeddings": 40,
        },
    },
    "llama4_text": {"head_dim": 8, "num_local_experts": 2, "intermediate_size_mlp": 64},
    "mamba": {"state_size": 4},
}


def byte_tokenizer(pieces: Sequence[str] = PIECES, **settings: Any) -> PreTrainedTokenizerFast:
    """Return a tokenizer of all bytes and some longer pieces, which it takes where a whole text is one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    longer = [level.pre_tokenize_str(piece)[0][0] for piece in pieces]
    longer += [level.pre_tokenize_str(tail)[0][0][1:] for tail in TAILS]
    vocab = {token: i for i, token in enumerate([*SPECIAL, *alphabet, *longer])}
    tokenizer = Tokenizer(models.BPE(vocab, [], ignore_merges=True))
    tokenizer.pre_tokenizer = level
    tokenizer.decoder = decoders.ByteLevel()
    named = {"pad_token": "<pad>", "eos_token": "<end>", **settings}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=160, **named)


def randomise(model: Any, rng: Rng) -> Any:
    """Give a model weights under which its most probable token stands out."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            drawn = torch.from_numpy(rng.child(name).generator().standard_normal(weight.shape))
            if weight.ndim == 1:
                weight.copy_(0.1 * drawn + float("norm" in name or "ln_" in name))
            else:
                weight.copy_((1.0 if "embed" in name else 1.5 / weight.shape[-1] ** 0.5) * drawn)
    return model.eval()


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A test that sets another number of threads leaves none to the next."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the random models; no token of it ends a text."""
    return byte_tokenizer(eos_token=None)


@pytest.fixture(scope="session")
def texts_of() -> Callable[..., Texts]:
    """Return the engine's view of a tokenizer, for a model with so many embeddings."""

    def make(tokenizer: Any, n_ids: int | None = None, **config: Any) -> Texts:
        table = SimpleNamespace(weight=np.zeros((n_ids or len(tokenizer), 1)))
        model = SimpleNamespace(
            get_input_embeddings=lambda: table, config=SimpleNamespace(**config), generation_config=None
        )
        return Texts(tokenizer, model)

    return make


@pytest.fixture(scope="session")
def texts(texts_of, tokenizer) -> Texts:
    """The engine's view of the random models' tokenizer."""
    return texts_of(tokenizer)


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    """See ``byte_tokenizer``."""
    return byte_tokenizer


@pytest.fixture(scope="session")
def folder_of(tokenizer, tmp_path_factory) -> Callable[..., Path]:
    """Make a random model of a kind, once; it never ends a text."""

    @cache
    def make(kind: str, **changes: Any) -> Path:
        settings = {**COMMON, "vocab_size": len(tokenizer), **KINDS.get(kind, {}), **changes}
        config = AutoConfig.for_model(kind.partition("-")[0], **settings)
        model = randomise(AutoModelForCausalLM.from_config(config), Rng(0).child(kind))
        folder = tmp_path_factory.mktemp("models") / kind
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def markov_folder(tmp_path_factory) -> Callable[..., Path]:
    """Make a model whose next token depends on the last one alone, by a table of probabilities.

    Its hidden state behind the last norm is the square root of the vocabulary's size at the last token's
    place, and 0 elsewhere.
    """

    def make(table: np.ndarray, tokenizer: PreTrainedTokenizerFast, **settings: Any) -> Path:
        n = len(table)
        size = {"hidden_size": n, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 16}
        given = {**COMMON, **size, "vocab_size": n, "rms_norm_eps": 1e-12, "eos_token_id": END, **settings}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **given))
        logprobs = np.log(np.maximum(table, 1e-30))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.fill_(float("norm" in name))
            model.get_input_embeddings().weight.copy_(torch.eye(n))
            model.lm_head.weight.copy_(torch.from_numpy(logprobs.T.copy() / n**0.5))
        folder = tmp_path_factory.mktemp("markov")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def open_engine() -> Iterator[Callable[..., TorchEngine]]:
    """Make an engine that is closed at the end."""
    engines: list[TorchEngine] = []

    def make(source: Any, **settings: Any) -> TorchEngine:
        engines.append(TorchEngine(source, **{"rows": 8, **settings}))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture(scope="session")
def engine_of(folder_of, tokenizer) -> Iterator[Callable[..., TorchEngine]]:
    """Return the engine of a kind of model, made once, with nothing kept from earlier requests."""
    made: dict[str, TorchEngine] = {}

    def find(kind: str = "llama", **settings: Any) -> TorchEngine:
        key = f"{kind}-{sorted(settings.items())}"
        if key not in made:
            # Its tokenizer is given: for some kinds transformers would put another end of text in its place.
            made[key] = TorchEngine(folder_of(kind), **{"rows": 8, "tokenizer": tokenizer, **settings})
        made[key].forget()
        return made[key]

    yield find
    for engine in made.values():
        engine.close()


@pytest.fixture(scope="session")
def reference(folder_of) -> Callable[..., Any]:
    """Return the model of transformers on the weights of a kind."""

    @cache
    def find(kind: str) -> Any:
        return AutoModelForCausalLM.from_pretrained(folder_of(kind), attn_implementation="eager").eval()

    return find


@pytest.fixture(scope="session")
def next_logprobs() -> Callable[[Any, Sequence[int]], torch.Tensor]:
    """Return the log-probabilities of what follows each token, by a plain forward pass of transformers."""

    @torch.no_grad()
    def compute(model: Any, ids: Sequence[int]) -> torch.Tensor:
        logits = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]
        return torch.log_softmax(logits.double(), dim=-1)

    return compute


@pytest.fixture(scope="session")
def run() -> Callable[..., list[Done]]:
    """Run requests with seeds on an engine, and return what came of each, in their order."""

    def run_all(engine: TorchEngine, requests: Sequence[Any], seeds: Any = None) -> list[Done]:
        given = seeds or [range(getattr(request, "n", 1)) for request in requests]
        jobs = [Job(i, request, tuple(s)) for i, (request, s) in enumerate(zip(requests, given, strict=True))]
        engine.submit(jobs)
        back: list[Done] = []
        while done := engine.wait():
            back += done
        assert sorted(done.ticket for done in back) == list(range(len(jobs)))
        return sorted(back, key=lambda done: done.ticket)

    return run_all


@pytest.fixture(scope="session")
def ask(run) -> Callable[..., Any]:
    """Run one request alone and return its reply; raises what it failed with."""

    def run_one(engine: TorchEngine, request: Any, seeds: Sequence[int] | None = None) -> Any:
        (done,) = run(engine, [request], None if seeds is None else [seeds])
        if done.error is not None:
            raise done.error
        return done.reply

    return run_one


@pytest.fixture(scope="session")
def prompts_of() -> Callable[..., list[Prefix]]:
    """Return prompts of random tokens, of the lengths that are wanted."""

    def make(rng: Rng, lengths: Sequence[int], vocab_size: int = 266) -> list[Prefix]:
        generator = rng.generator()
        return [Prefix("", tuple(generator.integers(2, vocab_size, n).tolist())) for n in lengths]

    return make


@pytest.fixture(scope="session")
def markov_table() -> np.ndarray:
    """Probabilities of each token after each; a text never ends."""
    table = Rng(9).child("markov").generator().dirichlet(np.full(48, 0.3), 48)
    table[:, END] = 0
    return table / table.sum(axis=1, keepdims=True)


@pytest.fixture(scope="session")
def markov(markov_folder, markov_table) -> Iterator[TorchEngine]:
    """An engine on the model of that table, with room for many rows."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(48)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder = markov_folder(markov_table, PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w1"))
    engine = TorchEngine(folder, rows=512)
    yield engine
    engine.close()
