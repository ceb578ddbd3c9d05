"""Train, evaluate and compare sizes of the tiny model: ``make tiny``."""

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from cyclopts import App
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from calculemus.files import replacing
from calculemus.rng import Rng
from calculemus.tiny import MODEL, card
from calculemus.tiny.evaluate import Split, accuracy, by_steps, outcomes
from calculemus.tiny.model import Size, configuration, create
from calculemus.tiny.save import save
from calculemus.tiny.shipped import PHASES, READING, RECIPE, SEED, SIZE, SPLIT, tokenizer
from calculemus.tiny.text import MODES
from calculemus.tiny.train import Record, training

app = App(help=__doc__)
GRID = {
    "0.8 M": Size(d_model=128, n_layers=3, n_heads=4, d_ff=384, vocab_size=1536),
    "2 M": Size(d_model=192, n_layers=4, n_heads=6, d_ff=512, vocab_size=1536),
    "4 M": Size(d_model=256, n_layers=5, n_heads=8, d_ff=640, vocab_size=1536),
}
_LOGGED = 25
_SAVED = 50


def machine() -> str:
    """Name what bits depend on: versions and the processor."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{versions}, {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def records(model: PreTrainedModel, words: PreTrainedTokenizerBase, out: Path) -> Iterator[Record]:
    """Train, keeping a state in ``out`` from which the same command goes on after a stop."""
    kept = out / "state.pt"
    state = torch.load(kept, weights_only=True) if kept.exists() else {}
    if state:
        model.load_state_dict(state.pop("model"))
    for until, mixture in PHASES:
        for record in training(model, words, mixture, RECIPE, state, until):
            yield record
            if record.step % _SAVED == 0:
                with replacing(kept) as temporary:
                    torch.save({**state, "model": model.state_dict()}, temporary)
    kept.unlink(missing_ok=True)


def log(out: Path, losses: list[float], record: Record) -> None:
    """Append a line to the log, with the mean loss since the line before, and show it."""
    row = {**asdict(record), "loss": round(sum(losses) / len(losses), 4), "seconds": round(record.seconds)}
    with (out / "training.jsonl").open("a", encoding="utf-8") as file:
        print(json.dumps(row), file=file)
    print(json.dumps(row), file=sys.stderr, flush=True)
    losses.clear()


def forget(out: Path) -> None:
    """Drop from the log what comes after the state that training goes on from."""
    kept, file = out / "state.pt", out / "training.jsonl"
    if file.exists():
        reached = torch.load(kept, weights_only=True)["step"] if kept.exists() else 0
        lines = [
            line for line in file.read_text("utf-8").splitlines(True) if json.loads(line)["step"] <= reached
        ]
        file.write_text("".join(lines), "utf-8")


@app.command
def train(out: Path = MODEL) -> None:
    """Train the model that ships, anew from its seed, and evaluate it.

    Args:
        out: Folder of the model, and of the state while it is trained.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    forget(out)
    words = tokenizer()
    model = create(configuration(SIZE, words), Rng(SEED).child("tiny", "weights"))
    losses = []
    for record in records(model, words, out):
        losses.append(record.loss)
        if record.step % _LOGGED == 0 or record.step == RECIPE.steps:
            log(out, losses, record)
    save(model, words, out)
    settings = {
        "seed": SEED,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "size": SIZE.params(),
        "phases": [(until, mixture.params()) for until, mixture in PHASES],
        "recipe": RECIPE.params(),
        "split": asdict(SPLIT),
        "machine": machine(),
    }
    (out / "recipe.json").write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
    evaluate(out)


def measured(
    model: PreTrainedModel, words: PreTrainedTokenizerBase, split: Split
) -> dict[str, dict[str, Any]]:
    """Return the greedy accuracy in each mode: of all problems, and by number of steps."""
    figures = {}
    for mode in MODES:
        results = outcomes(model, words, split.items(), mode)
        print(f"{mode}: {accuracy(results)}", file=sys.stderr, flush=True)
        figures[mode] = {"all": asdict(accuracy(results))} | {str(n): asdict(e) for n, e in by_steps(results)}
    return figures


@app.command
def evaluate(folder: Path = MODEL) -> None:
    """Measure a model on the evaluation split, greedily; write ``evaluation.json`` and the card beside it.

    Args:
        folder: Of any causal language model in the format of Hugging Face that knows the two prompts.
    """
    words = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    figures = measured(model, words, SPLIT)
    (folder / "evaluation.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    if (folder / "recipe.json").exists():
        card.write(folder)


@app.command
def grid(steps: int, out: Path, sizes: tuple[str, ...] = tuple(GRID)) -> None:
    """Train each size for as many steps on the same problems, and append what each learned to a file.

    Args:
        steps: Of the optimiser.
        out: A JSON Lines file.
        sizes: Names of sizes.
    """
    torch.set_num_threads(1)
    words = tokenizer()
    recipe = replace(RECIPE, steps=steps)
    for name in sizes:
        model = create(configuration(GRID[name], words), Rng(SEED).child("tiny", "weights"))
        *_, last = training(model, words, READING, recipe)
        parameters = sum(weight.numel() for weight in model.parameters())
        figures = measured(model, words, Split(levels=READING.levels, per_level=100))
        row = {"size": name, "parameters": parameters, **asdict(last), "accuracy": figures}
        with out.open("a", encoding="utf-8") as file:
            print(json.dumps(row), file=file)


if __name__ == "__main__":
    app()
