"""Pre-flight on vocabularies: rows and tokens, padding, special tokens, chat templates."""

from collections.abc import Iterator, Sequence
from typing import Any

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.folder import read_json
from calculemus.errors import CheckpointError
from calculemus.merging.placing import has_embeddings, rows_of
from calculemus.merging.preflight_findings import Finding, align_command
from calculemus.merging.vocabulary import TOKENIZER, Vocabulary, read_vocabulary

_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


def check_tokens(models: Sequence[Checkpoint], base: Checkpoint | None) -> Iterator[Finding]:
    """Yield what vocabularies and tokenizers show.

    Raises:
        CheckpointError: A file beside the weights cannot be read.
    """
    given = [model for model in (*models, *((base,) if base is not None else ())) if has_embeddings(model)]
    reference = base if base in given else given[0] if given else None
    vocabularies: list[Vocabulary | None] = []
    for model in given:
        try:
            vocabularies.append(read_vocabulary(model.folder))
        except CheckpointError as error:
            vocabularies.append(None)
            yield Finding("error", "tokenizer", str(error))
        yield from _check_own(model, vocabularies[-1])
    for model, vocabulary in zip(given, vocabularies, strict=True):
        if reference is not None and model is not reference:
            yield from _compare(model, vocabulary, reference, vocabularies[given.index(reference)])
            yield from _compare_special(model, reference)


def _check_own(model: Checkpoint, vocabulary: Vocabulary | None) -> Iterator[Finding]:
    """Hold a model's rows against its own tokenizer and configuration."""
    n_rows = rows_of(model)
    said = model.config.get("vocab_size")
    if isinstance(said, int) and said != n_rows:
        yield Finding(
            "warning",
            "vocabulary",
            f"the configuration of {model.name} says {said} tokens and its embeddings have {n_rows} rows",
            "the same",
            f'Write "vocab_size": {n_rows} into {model.folder / "config.json"}',
        )
    if vocabulary is None:
        return
    if vocabulary.n_ids > n_rows:
        yield Finding(
            "error",
            "vocabulary",
            f"the tokenizer of {model.name} has ids up to {vocabulary.n_ids - 1}, its embeddings "
            f"{n_rows} rows",
            "a row for each id",
            "Take the tokenizer that it was trained with",
        )
    elif vocabulary.n_ids < n_rows:
        yield Finding("note", "padding", _padding(model, n_rows, vocabulary.n_ids))


def _padding(model: Checkpoint, n_rows: int, n_ids: int) -> str:
    step = next((size for size in (128, 64) if n_rows % size == 0), None)
    to = f", to a multiple of {step}" if step else ""
    return f"{model.name} has {n_rows} rows for {n_ids} tokens: {n_rows - n_ids} are padding{to}"


def _compare(
    model: Checkpoint, mine: Vocabulary | None, reference: Checkpoint, other: Vocabulary | None
) -> Iterator[Finding]:
    """Hold a vocabulary against the reference's: a row must mean the same token in both."""
    n_rows, expected = rows_of(model), rows_of(reference)
    sizes = f"{model.name} has {n_rows} rows in its embeddings and {reference.name} has {expected}"
    if mine is None or other is None:
        yield from _cannot_compare(model, mine, reference, other, sizes if n_rows != expected else "")
    elif mine.spelling != other.spelling:
        yield Finding(
            "error",
            "tokenizer",
            f"the tokens of {model.name} are {mine.spelling}, those of {reference.name} {other.spelling}",
            "tokenizers of one kind",
            "They share no tokens and cannot be aligned: leave it out",
        )
    else:
        found = [sizes] if n_rows != expected else []
        found += _unlike(mine, other)
        only = len(mine.ids.keys() ^ other.ids.keys())
        if found:
            what = "; ".join([*found, *([f"{only} tokens are in one of them alone"] if only else [])])
            what = what if n_rows != expected else f"{model.name} and {reference.name}: {what}"
            yield Finding(
                "error", "vocabulary", what, "the same token in each row", align_command(model, reference)
            )
        elif only:
            yield Finding(
                "warning",
                "vocabulary",
                f"{only} tokens are in {model.name} or {reference.name} alone, where the other has padding",
                "the same tokens",
                f"Untrained rows would be merged with trained ones. {align_command(model, reference)}",
            )


def _cannot_compare(
    model: Checkpoint, mine: Vocabulary | None, reference: Checkpoint, other: Vocabulary | None, sizes: str
) -> Iterator[Finding]:
    """Yield what can be said where a model comes without its tokenizer."""
    lacking = model if mine is None else reference
    advice = f"Save its tokenizer with a {TOKENIZER} into {lacking.folder} and check again"
    if sizes:
        yield Finding("error", "vocabulary", sizes, "the same number", advice)
    elif (mine is None) != (other is None):
        yield Finding(
            "note",
            "tokenizer",
            f"{lacking.name} has no {TOKENIZER}, so that its tokens cannot be compared",
            fix=advice,
        )


def _unlike(mine: Vocabulary, other: Vocabulary) -> list[str]:
    """Say how many tokens stand in rows that mean something else in the other model."""
    wrong = [
        token
        for token, at in mine.ids.items()
        if other.ids.get(token, at) != at
        or (token not in other.ids and at in other.tokens and not {*mine.tokens[at]} & {*other.tokens[at]})
    ]
    if not wrong:
        return []
    at = mine.ids[wrong[0]]
    there = other.tokens.get(at, ("padding",))[0]
    return [f"{len(wrong)} tokens mean other rows, such as row {at}: {wrong[0]!r:.40} and {there!r:.40}"]


def _compare_special(model: Checkpoint, reference: Checkpoint) -> Iterator[Finding]:
    """Hold special tokens and the chat template against the reference's, whose the merged model gets."""
    mine, other = _special(model), _special(reference)
    unlike = [name for name in _SPECIAL if name in mine and name in other and mine[name] != other[name]]
    if unlike:
        named = ", ".join(f"{name} {mine[name]!r:.40} and {other[name]!r:.40}" for name in unlike)
        yield Finding(
            "warning",
            "special tokens",
            f"{model.name} and {reference.name} have {named}",
            "the same",
            f"The merged model gets those of {reference.name}, and may not end where the other did",
        )
    ours, theirs = _template(model), _template(reference)
    if ours != theirs:
        yield Finding(
            "note",
            "chat template",
            f"{model.name} and {reference.name} have other ones; the merged model gets that of "
            f"{reference.name}",
            fix=f"For the other one, copy it from {model.folder} into the merged model's folder",
        )


def _special(model: Checkpoint) -> dict[str, Any]:
    """Return the special tokens that a tokenizer's configuration names."""
    found: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        for key, value in read_json(model.folder, name).items():
            token = value.get("content") if isinstance(value, dict) else value
            if key in _SPECIAL and isinstance(token, str):
                found[key] = token
    return found


def _template(model: Checkpoint) -> Any:
    path = model.folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text("utf-8", errors="replace")
    inside = read_json(model.folder, "chat_template.json").get("chat_template")
    return inside or read_json(model.folder, "tokenizer_config.json").get("chat_template")
