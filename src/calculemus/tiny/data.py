"""What the model is trained on: an endless stream of generated problems, cut into batches.

Chunk c of the stream depends on the mixture, the seed and c, and on nothing else. No problem comes twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import torch
from transformers import PreTrainedTokenizerBase

from calculemus.params import AtLeast, Between, Configured
from calculemus.problems.generated import Generated, Spec
from calculemus.problems.generated.source import Split
from calculemus.rng import Rng
from calculemus.tiny.text import Mode, completion, prompt
from calculemus.tiny.tokenizer import marks

CHUNK = 2048
_SUMS = 8  # a drill
_SUM = re.compile(r" = <<[^<>]*>>\d+")


@dataclass(frozen=True)
class Mixture(Configured):
    """Problems of several levels, told in two modes, and drills.

    A drill is a row of the sums of several worked solutions, of which the results are to be learned. It
    teaches arithmetic with three times as many sums a token.

    Attributes:
        levels: Levels of the generator.
        weights: Shares of the levels, in their order.
        programs: Share of the rows that answer with a program.
        drills: Share of the rows that are drills; what is left are worked solutions.
        ops: Operations of all levels, where not their own.
        language: Of the questions and solutions.
        split: Of the generator; evaluation takes another one.
        seed: Of the generator and of the order.
    """

    levels: tuple[int, ...] = (1, 2, 3, 4)
    weights: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    programs: Annotated[float, Between(0, 1)] = 0.35
    drills: Annotated[float, Between(0, 1)] = 0.0
    ops: str = ""
    language: str = "en"
    split: Split = "train"
    seed: Annotated[int, AtLeast(0)] = 0

    def sources(self) -> list[Generated]:
        """Return the generator of each level."""
        own: dict[str, Any] = {"language": self.language} | ({"ops": self.ops} if self.ops else {})
        specs = [Spec(**{**Spec.level(level).params(), **own}) for level in self.levels]
        return [Generated(spec, self.split, self.seed) for spec in specs]


@dataclass(frozen=True)
class Example:
    """Token ids, and for each of them whether it is to be learned."""

    ids: list[int]
    learned: list[bool]


@dataclass(frozen=True)
class Batch:
    """Rows of nearly the same length; ``labels`` are -100 where nothing is to be learned."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    examples: int
    tokens: int


def examples(mixture: Mixture, tokenizer: PreTrainedTokenizerBase, chunk: int) -> list[Example]:
    """Return a chunk of the stream."""
    sources = mixture.sources()
    draws = Rng(mixture.seed).child("tiny", "mixture", chunk).generator()
    shares = [weight / sum(mixture.weights) for weight in mixture.weights]
    levels = draws.choice(len(sources), size=CHUNK, p=shares)
    kinds = draws.random(CHUNK)
    pairs, drills = [], []
    for place, (level, kind) in enumerate(zip(levels, kinds, strict=True)):
        source, index = sources[level], chunk * CHUNK + place
        if kind >= 1 - mixture.drills:
            drills.append(_sums(source, index))
        else:
            mode: Mode = "program" if kind < mixture.programs else "worked"
            pairs.append((prompt(source[index].question, mode), completion(source[index], mode)))
    return encode(pairs, tokenizer) + encode_drills(drills, tokenizer)


def _sums(source: Generated, index: int) -> list[str]:
    """Return the sums of some problems, of which no row of another kind is made."""
    found: list[str] = []
    further = 1
    while len(found) < _SUMS:
        found += _SUM.findall(source[index + (further << 40)].solution)
        further += 1
    return found[:_SUMS]


def encode(pairs: list[tuple[str, str]], tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    """Return the tokens of prompts and completions, each ended; the completions are to be learned."""
    end, _ = marks(tokenizer)
    prompts = _ids([asked for asked, _ in pairs], tokenizer)
    completions = _ids([told for _, told in pairs], tokenizer)
    return [
        Example([*asked, *told, end], [False] * len(asked) + [True] * (len(told) + 1))
        for asked, told in zip(prompts, completions, strict=True)
    ]


def encode_drills(drills: list[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    """Return the tokens of drills; of each sum, what follows its last equals sign is to be learned."""
    rows = []
    for sums in drills:
        parts = [
            part for text in sums for part in (text[: text.rindex("=") + 1], text[text.rindex("=") + 1 :])
        ]
        ids = _ids(parts, tokenizer)
        learned = [[place % 2 == 1] * len(part) for place, part in enumerate(ids)]
        rows.append(Example(list(chain.from_iterable(ids)), list(chain.from_iterable(learned))))
    return rows


def _ids(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    if not texts:
        return []
    encoded: Any = tokenizer(texts, add_special_tokens=False)  # declared for one text
    return encoded["input_ids"]


def collate(rows: list[Example], pad: int) -> Batch:
    """Return rows as one batch, padded on the right."""
    longest = max(len(row.ids) for row in rows)
    input_ids = torch.full((len(rows), longest), pad)
    labels = torch.full((len(rows), longest), -100)
    for place, row in enumerate(rows):
        ids = torch.tensor(row.ids)
        input_ids[place, : len(ids)] = ids
        labels[place, : len(ids)] = torch.where(torch.tensor(row.learned), ids, -100)
    return Batch(input_ids, labels, len(rows), sum(len(row.ids) for row in rows))


def rehearsed(
    mixture: Mixture, old: Mixture, rehearsal: float, tokenizer: PreTrainedTokenizerBase, chunk: int
) -> list[Example]:
    """Return a chunk of the stream in which a share of the examples is of what was learned before."""
    n = round(CHUNK * rehearsal)
    order = Rng(mixture.seed).child("tiny", "rehearsal", chunk).generator().permutation(CHUNK)
    found: list[Example] = []
    for each, places in ((old, order[:n]), (mixture, order[n:])):
        if len(places):
            every = examples(each, tokenizer, chunk)
            found += [every[at] for at in sorted(places)]
    return found


def steps(
    mixture: Mixture,
    tokenizer: PreTrainedTokenizerBase,
    rows: int,
    parts: int,
    start: int = 0,
    old: Mixture | None = None,
    rehearsal: float = 0.0,
) -> Iterator[list[Batch]]:
    """Yield the batches of one step after another, for ever.

    A step has ``rows`` rows in ``parts`` batches, from the shortest rows to the longest, so that little is
    spent on padding and each step sees all lengths.

    Args:
        mixture: What to draw from.
        tokenizer: Of the model.
        rows: Rows a step.
        parts: Batches a step.
        start: The step to begin at, as after a restart.
        old: What was learned before.
        rehearsal: Share of the rows that are of that.
    """
    chunk, place = divmod(start, CHUNK // rows)
    _, pad = marks(tokenizer)
    while True:
        order = Rng(mixture.seed).child("tiny", "order", chunk).generator()
        drawn = rehearsed(mixture, old or mixture, rehearsal, tokenizer, chunk)
        ranked = sorted(drawn, key=lambda example: len(example.ids))
        size = CHUNK // parts
        bands = [ranked[band * size : (band + 1) * size] for band in range(parts)]
        shuffled = [[band[at] for at in order.permutation(size)] for band in bands]
        width = rows // parts
        for step in range(place, CHUNK // rows):
            yield [collate(b[step * width : (step + 1) * width], pad) for b in shuffled]
        chunk, place = chunk + 1, 0
