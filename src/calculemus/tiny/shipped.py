"""What made the model that ships: its size, its data, its training and its evaluation."""

from itertools import chain

from transformers import PreTrainedTokenizerFast

from calculemus.tiny.data import Mixture
from calculemus.tiny.evaluate import Split
from calculemus.tiny.model import Size
from calculemus.tiny.tokenizer import build, generated_texts, pieces
from calculemus.tiny.train import Recipe

SEED = 0
SIZE = Size(d_model=128, n_layers=5, n_heads=4, d_ff=384, vocab_size=1536)
# Reading comes first, then most of what is left to learn is arithmetic, then all of it with larger numbers.
READING = Mixture(levels=(1, 2, 3, 4, 5), weights=(0.15, 0.2, 0.25, 0.25, 0.15), programs=0.35)
SUMS = Mixture(levels=(1, 2, 3, 4), weights=(0.15, 0.25, 0.3, 0.3), programs=0.2, drills=0.4)
ALL = Mixture(levels=(1, 2, 3, 4, 5), weights=(0.05, 0.15, 0.2, 0.3, 0.3), programs=0.3, drills=0.25)
PHASES: tuple[tuple[int | None, Mixture], ...] = ((250, READING), (350, SUMS), (None, ALL))  # up to a step
RECIPE = Recipe(steps=560, rows=128, parts=4, optimizer="muon", lr=3e-3, matrix_lr=1e-2)
SPLIT = Split(levels=(1, 2, 3, 4, 5), per_level=200, split="iid")
LANGUAGES = ("en", "calculese")


def tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer, with the words of English first: another language changes none of their ids."""
    return build(chain.from_iterable(pieces(generated_texts(language)) for language in LANGUAGES))
