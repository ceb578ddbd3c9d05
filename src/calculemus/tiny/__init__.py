"""The tiny world: a small decoder that ships inside, how it was trained, and relatives of it made on demand.

The model reads ``Q: {question}`` and, after ``A:``, writes a worked solution, after ``P:`` a program. It was
trained on generated problems alone. Torch is imported by the modules that need it, never by this one.

Example:
    >>> from calculemus.tiny import MODEL
    >>> sorted(file.name for file in MODEL.glob("*.safetensors"))
    ['model.safetensors']
"""

from pathlib import Path

__all__ = ["MODEL", "RELATIVES", "relative"]

MODEL = Path(__file__).parent / "model"
RELATIVES = ("drafter", "additive", "multiplicative", "programs", "calculese")


def relative(name: str, base: Path = MODEL, cache: Path | None = None) -> Path:
    """Return the folder of a relative of a model; train it first where the cache has none.

    Args:
        name: One of ``RELATIVES``.
        base: The folder of any causal language model in the format of Hugging Face.
        cache: Where relatives are kept; the user's cache folder if not given.

    Raises:
        InvalidParameterError: No relative of that name.
        MissingExtraError: Torch is not installed.
    """
    from calculemus.errors import MissingExtraError

    try:
        from calculemus.tiny.relatives import find_or_train
    except ModuleNotFoundError as error:
        module = error.name or "torch"
        raise MissingExtraError(f"making the relative '{name}'", module, "torch") from error
    return find_or_train(name, base, cache)
