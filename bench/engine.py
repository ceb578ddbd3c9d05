"""Tokens a second of TorchEngine beside transformers: the same weights, prompts and limits, in one run.

The model is a Llama of a million random weights, float32. ``generate`` runs a left-padded batch, told by a
stopping criterion which rows are through; it runs as one batch and in batches of 64, and the faster counts.
``generate_batch`` is the continuous batching of transformers. Contestants take turns; each one's best round
counts. Greedy tokens are compared on every prompt. Ratios are against ``generate``.

Usage: python bench/engine.py [ROUNDS]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    ContinuousBatchingConfig,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.utils import logging as transformers_logging

import _random_model as random_model
from calculemus.engine.base import Job
from calculemus.engine.requests import Prefix, Sample, Sampling
from calculemus.engine.torch_engine import TorchEngine
from calculemus.rng import Rng

Rows = list[list[int]]
THREADS = 2


@dataclass(frozen=True)
class Workload:
    """Prompts as token ids, and how long each completion is; drawn where a temperature is given."""

    name: str
    prompts: Rows
    lengths: Sequence[int]
    temperature: float = 0.0


def workloads() -> list[Workload]:
    """Return the workloads, ragged and greedy last."""
    generator = Rng(0).child("bench", "engine").generator()

    def prompts(lengths: Sequence[int]) -> Rows:
        return [generator.integers(4, random_model.VOCAB_SIZE, n).tolist() for n in lengths]

    uniform = Workload("uniform: 128 x (48 + 64)", prompts([48] * 128), [64] * 128)
    lengths = generator.integers(8, 129, 256).tolist()
    ragged = prompts(generator.integers(16, 81, 256).tolist())
    name = "256 x (16..80 + 8..128)"
    return [
        uniform,
        Workload(f"sampled: {name}", ragged, lengths, 0.8),
        Workload(f"ragged: {name}", ragged, lengths),
    ]


class Limits(StoppingCriteria):
    """Ends each row at its own length."""

    def __init__(self, n_prompt: int, lengths: Sequence[int]) -> None:
        self._n_prompt, self._lengths = n_prompt, torch.tensor(lengths)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Say which rows are through."""
        return self._lengths <= input_ids.shape[1] - self._n_prompt


def generate(model: Any, work: Workload, batch: int) -> Rows:
    """Run left-padded batches, one after the other."""
    found: Rows = []
    for start in range(0, len(work.prompts), batch):
        prompts, lengths = work.prompts[start : start + batch], work.lengths[start : start + batch]
        width = max(map(len, prompts))
        input_ids = torch.tensor([[random_model.PAD] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        chosen = {"temperature": work.temperature, "top_p": 0.95, "top_k": 0} if work.temperature else {}
        out = model.generate(
            input_ids,
            attention_mask=mask,
            max_new_tokens=max(lengths),
            do_sample=bool(work.temperature),
            stopping_criteria=StoppingCriteriaList([Limits(width, lengths)]),
            pad_token_id=random_model.PAD,
            **chosen,
        )
        found += [row[width : width + n].tolist() for row, n in zip(out, lengths, strict=True)]
    return found


def generate_batch(model: Any, work: Workload) -> Rows:
    """Run continuous batching, each row with its own limit."""
    found: dict[str, list[int]] = {}
    settings = ContinuousBatchingConfig(num_blocks=256, max_batch_tokens=512, max_memory_percent=0.2)
    with model.continuous_batching_context_manager(
        continuous_batching_config=settings, warmup=False
    ) as manager:
        for i, (prompt, n) in enumerate(zip(work.prompts, work.lengths, strict=True)):
            manager.add_request(prompt, request_id=str(i), max_new_tokens=n, eos_token_id=-1)
        while len(found) < len(work.prompts):
            result = manager.get_result(timeout=60)
            if result is None or result.error:
                raise RuntimeError(f"generate_batch: {result and result.error}")
            if result.is_finished():
                found[result.request_id] = list(result.generated_tokens)
    return [found[str(i)] for i in range(len(work.prompts))]


def calculemus(engine: TorchEngine, work: Workload) -> Rows:
    """Run the engine, with nothing kept from earlier rounds."""
    engine.forget()
    jobs = []
    for i, (prompt, n) in enumerate(zip(work.prompts, work.lengths, strict=True)):
        top_p = 0.95 if work.temperature else 1.0
        sampling = Sampling(temperature=work.temperature, top_p=top_p, max_tokens=n)
        jobs.append(Job(i, Sample(Prefix("", tuple(prompt)), sampling), (i,)))
    engine.submit(jobs)
    found: Rows = [[] for _ in jobs]
    while done := engine.wait():
        for one in done:
            found[one.ticket] = list(one.reply[0].ids)
    return found


def contest(work: Workload, systems: dict[str, Callable[[Workload], Rows]], rounds: int) -> float:
    """Print one workload's table and return the ratio to ``generate``."""
    best, rows = dict.fromkeys(systems, float("inf")), {}
    for _ in range(rounds):
        for name, system in systems.items():
            start = time.perf_counter()
            try:
                rows[name] = system(work)
            except Exception as error:  # a contestant that fails is shown as such
                rows[name] = []
                print(f"{name}: {error!r}", file=sys.stderr)
            else:
                best[name] = min(best[name], time.perf_counter() - start)
    n_tokens = sum(work.lengths)
    print(f"\n{work.name}, {n_tokens} tokens, load {os.getloadavg()[0]:.1f}")
    print(f"{'':26}{'seconds':>10}{'tokens/s':>10}{'equal':>12}")
    for name in systems:
        same = sum(a == b for a, b in zip(rows[name], rows["calculemus"], strict=False))
        equal = "" if work.temperature else f"{same}/{len(work.prompts)}"
        print(f"{name:26}{best[name]:10.2f}{n_tokens / best[name]:10.0f}{equal:>12}")
    slower = min(seconds for name, seconds in best.items() if name.startswith("generate,"))
    ratio = slower / best["calculemus"]
    print(f"ratio: {ratio:.2f}")
    return ratio


def main() -> None:
    torch.set_num_threads(THREADS)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        random_model.save_checkpoint(
            Path(folder), random_model.make_config(), Rng(0).child("weights"), has_end=False
        )
        engine = TorchEngine(folder, rows=256, threads=THREADS)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, float32, {THREADS} threads, torch {torch.__version__}")
    for work in workloads():
        n = len(work.prompts)
        systems: dict[str, Callable[[Workload], Rows]] = {
            "calculemus": lambda w: calculemus(engine, w),
            f"generate, batch {n}": lambda w, n=n: generate(model, w, n),
            "generate, batch 64": lambda w: generate(model, w, 64),
        }
        if not work.temperature:
            systems["generate_batch"] = lambda w: generate_batch(model, w)
        contest(work, systems, rounds)


if __name__ == "__main__":
    main()
