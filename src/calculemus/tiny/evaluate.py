"""What a model gets right on generated problems: greedily, in both modes, by number of steps."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from calculemus.problems.generated import Generated, Item, Spec
from calculemus.problems.generated import source as generated
from calculemus.stats import proportion
from calculemus.stats.estimate import Estimate
from calculemus.tiny.programs import result
from calculemus.tiny.text import Mode, prompt

_ROWS = 250
_MOST_NEW_TOKENS = 256
_ANSWER = re.compile(r"#### (-?\d+)\s*$")


@dataclass(frozen=True)
class Split:
    """Problems to evaluate on: the first ones of each level of a split that training never sees."""

    levels: tuple[int, ...] = (1, 2, 3, 4)
    per_level: int = 250
    split: generated.Split = "iid"
    seed: int = 0

    def items(self) -> list[Item]:
        """Return the problems, level by level."""
        sources = [Generated(Spec.level(level), self.split, self.seed) for level in self.levels]
        return [source[index] for source in sources for index in range(self.per_level)]


@dataclass(frozen=True)
class Outcome:
    """One problem and what the model wrote."""

    item: Item
    text: str
    answer: str | None

    @property
    def is_correct(self) -> bool:
        """Say whether the answer is the problem's."""
        return self.answer == self.item.answer


@torch.inference_mode()
def complete(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[str]:
    """Return the greedy completions of some prompts."""
    generate: Any = model.generate  # declared for tensors and modules alone
    ordered = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    written = [""] * len(prompts)
    for start in range(0, len(ordered), _ROWS):
        places = ordered[start : start + _ROWS]
        given = tokenizer([prompts[place] for place in places], padding=True, return_tensors="pt")
        ids = generate(
            **given, do_sample=False, max_new_tokens=_MOST_NEW_TOKENS, pad_token_id=tokenizer.pad_token_id
        )
        new = ids[:, given["input_ids"].shape[1] :]
        for place, text in zip(places, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True):
            written[place] = text
    return written


def answer_of(text: str, mode: Mode) -> str | None:
    """Return the answer of a completion: after ``####``, or what its program returns; None where none is."""
    if mode == "worked":
        found = _ANSWER.search(text)
        return found[1] if found else None
    value = result(text.strip())
    return None if value is None else str(value)


def outcomes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], mode: Mode
) -> list[Outcome]:
    """Return what a model makes of some problems."""
    texts = complete(model, tokenizer, [prompt(item.question, mode) for item in items])
    return [Outcome(i, text, answer_of(text, mode)) for i, text in zip(items, texts, strict=True)]


def accuracy(results: Sequence[Outcome]) -> Estimate:
    """Return the share of right answers with Wilson's interval."""
    return proportion(sum(outcome.is_correct for outcome in results), len(results))


def by_steps(results: Sequence[Outcome]) -> Iterator[tuple[int, Estimate]]:
    """Yield the accuracy for each number of steps."""
    for steps in sorted({outcome.item.spec.steps for outcome in results}):
        yield steps, accuracy([outcome for outcome in results if outcome.item.spec.steps == steps])
