"""Guessing a paper's room from the words of its title and abstract."""

from calculemus.card import ROOMS
from calculemus.feed.entry import FeedEntry
from calculemus.feed.matching import plain_title

_TITLE, _ABSTRACT = 3, 1
_FIRST = "solving"  # what most papers that give no sign are about

# Beginnings of words, in the plain letters of ``plain_title``.
_WORDS = {
    "solving": (
        *(
            "prompt",
            "inference time",
            "test time",
            "tree search",
            "mcts",
            "verifier",
            "code as",
            "program aided",
        ),
        *("intermediate step", "planning", "agent", "routing", "retriev", "tool", "modeling", "value model"),
    ),
    "merging": (
        *("merg", "task arithmetic", "task vector", "weight space", "lora", "adapter", "parameter efficient"),
        *("mixture of experts", "model fusion", "continual pre train", "fusion", "transfer", "adaptation"),
    ),
    "numerics": (
        *(
            "quantiz",
            "quantis",
            "speculative",
            "decoding",
            "low precision",
            "bit",
            "kv cache",
            "cache",
            "fp4",
        ),
        *("fp8", "int8", "hardware", "latency", "speedup", "gpu", "throughput", "compression", "cost model"),
    ),
    "training": (
        *("reinforcement", "policy optimization", "reward", "preference optimization", "dpo", "grpo", "ppo"),
        *("fine tuning", "post training", "rl", "self training", "pretraining recipe", "curriculum"),
    ),
    "probing": (
        *("interpret", "mechanis", "attention head", "circuit", "activation", "representation", "embedding"),
        *("probing", "probe", "why can", "reverse engineer", "understanding", "tokeniz", "length generaliz"),
        *("expressiv", "modality gap", "latent", "we find that", "transformers learn"),
    ),
    "proving": (
        *("theorem", "prover", "proving", "formal proof", "lean 4", "lean", "isabelle", "coq", "minif2f"),
        *("formal math", "formal verif", "autoformal"),
    ),
    "curating": (
        *("dataset", "data augment", "augmentation", "synthetic data", "data synthesis", "data generation"),
        *("instruction tuning", "high quality", "curat", "distill", "teacher", "new problems", "annotat"),
    ),
    "evaluating": (
        *("benchmark", "evaluat", "leaderboard", "metric", "checklist", "contamination", "judge", "grading"),
        *("robustness", "competition", "error types"),
    ),
}


def guess_room(entry: FeedEntry) -> str:
    """Guess the room of a paper: a word in the title counts three, one in the abstract one.

    Each word counts once in each of the two; among rooms with equal counts the first of ``ROOMS`` is taken,
    and ``solving`` where no word is found.
    """
    title, abstract = (f" {plain_title(text)}" for text in (entry.title, entry.abstract))
    counts = {
        room: sum(
            _TITLE * (f" {word}" in title) + _ABSTRACT * (f" {word}" in abstract) for word in _WORDS[room]
        )
        for room in ROOMS
    }
    return max(counts, key=counts.__getitem__) if any(counts.values()) else _FIRST
