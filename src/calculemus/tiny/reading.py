"""Reading what lies beside a model's weights."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer in the folder of a model."""
    return AutoTokenizer.from_pretrained(folder)
