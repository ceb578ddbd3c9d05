"""Alignment: models of other vocabularies as models of one, row by row, so that they can be merged.

An aligned model is the model itself with other tables of embeddings: only these are written, into a folder of
work files, and everything else is read from where it was. Its rules:

- A token that a model has keeps its embedding, to the bit.
- A token that it lacks gets the base's embedding, where the base has it: the model's task vector says nothing
  about it. Where the base has it not, it gets the mean of the models that have it.
- A row without a token (padding) stays what it is in a model that has it and no token there; else it is the
  row of the model whose vocabulary is taken, or zero.
- Where some models tie the head to the embeddings and others do not, all get a head of their own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.checkpoint import HEADS
from calculemus.checkpoint.folder import others
from calculemus.checkpoint.header import read_header
from calculemus.errors import CheckpointMismatchError, InvalidParameterError
from calculemus.events import note
from calculemus.files import replacing
from calculemus.merging.placing import Goal, Places, is_table, rows_of
from calculemus.merging.rows import write_tables
from calculemus.merging.structure import Layout, Source, StructureEdit
from calculemus.merging.vocabulary import TOKENIZER, Vocabulary, read_vocabulary, unite

TOKENIZER_FILES = (
    "added_tokens.json",
    "chat_template*",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenization_*.py",
    "tokenizer*.json",
    "tokenizer*.model",
    "*.tiktoken",
    "vocab.json",
    "vocab.txt",
)
"""Files that belong to the vocabulary; a generation configuration names tokens by their ids."""
_OF_OTHER_READERS = ("added_tokens.json", "merges.txt", "*.model", "*.tiktoken", "vocab.json", "vocab.txt")
"""Files that say the same as ``tokenizer.json``; they would contradict a united one."""
_TABLES = "vocabulary.safetensors"
_TOKEN_IDS = ("bos_token_id", "decoder_start_token_id", "eos_token_id", "pad_token_id", "unk_token_id")


@dataclass(frozen=True)
class Aligned:
    """Models of one vocabulary.

    Attributes:
        models: In the order in which they were given; one that needed no change is the same object.
        base: What they were made from, if there is such a model.
        vocabulary: The one that all have.
        n_rows: Of the embeddings.
        n_missing: For each model, how many tokens it lacked; the base comes last.
    """

    models: tuple[Checkpoint, ...]
    base: Checkpoint | None
    vocabulary: Vocabulary
    n_rows: int
    n_missing: tuple[int, ...]


@dataclass(frozen=True)
class CopyAll(StructureEdit):
    """All tensors of one model as they are: writes an aligned model out as a whole."""

    most: ClassVar[int | None] = 1

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return the table of the same tensors."""
        return Layout({name: (Source(0, name),) for name in models[0]})


def align_models(models: Sequence[Checkpoint], base: Checkpoint | None, policy: str, folder: Path) -> Aligned:
    """Give models one vocabulary.

    Args:
        models: Models that are to be merged.
        base: What they were made from.
        policy: ``base`` for the base's vocabulary, ``union`` for all tokens of all models, those of the base
            (or else of the first model) first, or ``source:MODEL`` for that of a model, which is named as it
            was opened or by its folder.
        folder: Where embeddings of changed models are written; they are read from there until the merge is
            done.

    Raises:
        InvalidParameterError: There is no such policy, no base, or no model of that name.
        CheckpointMismatchError: A model has no ``tokenizer.json``, or one of another kind.
        CheckpointError: A file cannot be read.
        OutputError: A file cannot be written.
    """
    given = [*models, *((base,) if base is not None else ())]
    reference = _reference(models, base, policy)
    vocabularies = [_vocabulary(model) for model in given]
    goal = _goal(given, vocabularies, reference, is_united=policy == "union")
    for model, vocabulary in zip(given, vocabularies, strict=True):
        _check_spelling(model, vocabulary, goal.vocabulary)
    is_untied = len({_has_head(model) for model in given}) > 1
    apart = [_untied(model) if is_untied else model for model in given]
    places = Places(apart, vocabularies, goal, None if base is None else len(models))
    aligned = [_aligned(number, apart, given, places, folder) for number in range(len(given))]
    if goal.is_united:
        _write_tokenizer(aligned, given, goal)
    n_missing = tuple(len(places.missing(number)) for number in range(len(given)))
    for model, vocabulary, n in zip(given, vocabularies, n_missing, strict=True):
        _tell(model, vocabulary, goal, n)
    return Aligned(
        tuple(aligned[: len(models)]),
        None if base is None else aligned[-1],
        goal.vocabulary,
        goal.n_rows,
        n_missing,
    )


def _reference(models: Sequence[Checkpoint], base: Checkpoint | None, policy: str) -> int:
    """Return the number of the model whose vocabulary is taken or extended; the base comes last."""
    if policy == "union":
        return 0 if base is None else len(models)
    if policy == "base":
        if base is None:
            raise InvalidParameterError(
                "aligning vocabularies: the policy is 'base' and there is no base; expected one. Name a "
                "base, or take 'union' or 'source:MODEL'"
            )
        return len(models)
    name = policy.removeprefix("source:")
    given = [*models, *((base,) if base is not None else ())]
    found = [i for i, model in enumerate(given) if policy != name and name in (model.name, _short(model))]
    if len(found) != 1:
        what = (
            f"there are {len(found)} models of the name '{name}'" if policy != name else f"it is '{policy}'"
        )
        raise InvalidParameterError(
            f"aligning vocabularies by the policy '{policy}': {what}; expected 'base', 'union' or "
            f"'source:' and one of {', '.join(model.name for model in given)}"
        )
    return found[0]


def _short(model: Checkpoint) -> str:
    return Path(model.name).name


def _vocabulary(model: Checkpoint) -> Vocabulary:
    found = read_vocabulary(model.folder)
    if found is None:
        raise CheckpointMismatchError(
            f"aligning {model.name}: there is no {TOKENIZER} beside its weights; expected one. Load its "
            "tokenizer with transformers and save it there with save_pretrained"
        )
    n_rows = rows_of(model)
    if found.n_ids > n_rows:
        raise CheckpointMismatchError(
            f"aligning {model.name}: its tokenizer has ids up to {found.n_ids - 1} and its embeddings "
            f"{n_rows} rows; expected a row for each. Take the tokenizer that it was trained with"
        )
    return found


def _goal(
    given: Sequence[Checkpoint], vocabularies: Sequence[Vocabulary], reference: int, *, is_united: bool
) -> Goal:
    mine, n_rows = vocabularies[reference], rows_of(given[reference])
    if not is_united:
        return Goal(mine, n_rows, reference, is_united=False)
    united = unite(mine, [vocab for number, vocab in enumerate(vocabularies) if number != reference])
    # New tokens take rows of padding first; then the rows are padded to what they were padded to.
    step = next(size for size in (128, 64, 32, 16, 8, 4, 2, 1) if n_rows % size == 0)
    padded = -(-united.n_ids // step) * step if n_rows > mine.n_ids else united.n_ids
    return Goal(united, max(n_rows, padded), reference, is_united=united is not mine)


def _check_spelling(model: Checkpoint, vocabulary: Vocabulary, goal: Vocabulary) -> None:
    if vocabulary.spelling != goal.spelling:
        raise CheckpointMismatchError(
            f"aligning {model.name}: its tokens are {vocabulary.spelling}, those of {goal.path.parent} are "
            f"{goal.spelling}; expected one spelling. Such vocabularies share no tokens: leave it out"
        )


def _has_head(model: Checkpoint) -> bool:
    return any(name in model.entries for name in HEADS)


def _untied(model: Checkpoint) -> Checkpoint:
    """Return a model with a head of its own, which is its embeddings if it was tied."""
    if _has_head(model) or not model.is_tied:
        return model
    head = replace(model.entry(HEADS[0]), name=HEADS[0])
    return replace(model, entries={**model.entries, HEADS[0]: head})


def _aligned(
    number: int, apart: Sequence[Checkpoint], given: Sequence[Checkpoint], places: Places, folder: Path
) -> Checkpoint:
    """Return a model with the goal's rows; itself, if it has them and the goal's tokenizer already."""
    model, source = apart[number], given[places.goal.reference]
    is_same = places.is_identity(number)
    if is_same and model is given[number] and not places.goal.is_united and _same_files(model, source):
        return given[number]
    work = folder / f"model{number}"
    work.mkdir(parents=True, exist_ok=True)
    entries = dict(model.entries)
    if not is_same:
        tables = [places.table(number, entry) for entry in entries.values() if is_table(entry, model)]
        write_tables(work / _TABLES, tables)
        entries.update((entry.name, entry) for entry in read_header(work / _TABLES).entries)
    changes = {"tie_word_embeddings": False} if model is not given[number] else {}
    _copy_files(work, model, source, places.goal.is_united)
    _write_config(work, model.config, source.config, places.goal.n_rows, changes)
    return Checkpoint(model.name, work, entries)


def _tokenizer_files(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in others(folder) if any(path.match(p) for p in TOKENIZER_FILES)}


def _same_files(model: Checkpoint, source: Checkpoint) -> bool:
    mine, theirs = _tokenizer_files(model.folder), _tokenizer_files(source.folder)
    return mine.keys() == theirs.keys() and all(
        mine[name].read_bytes() == theirs[name].read_bytes() for name in mine
    )


def _copy_files(work: Path, model: Checkpoint, source: Checkpoint, is_united: bool) -> None:
    """Put beside the tables what a model needs: its own files, with the tokenizer of the other."""
    tokenizer = _tokenizer_files(source.folder)
    own = [path for path in others(model.folder) if not any(path.match(p) for p in TOKENIZER_FILES)]
    for path in (*own, *tokenizer.values()):
        if path.name == "config.json" or (is_united and any(path.match(p) for p in _OF_OTHER_READERS)):
            continue
        with replacing(work / path.name) as temporary:
            temporary.write_bytes(path.read_bytes())


def _write_config(
    work: Path, mine: Mapping[str, Any], source: Mapping[str, Any], n_rows: int, changes: Mapping[str, Any]
) -> None:
    if not mine:
        return
    config = {name: value for name, value in mine.items() if name not in _TOKEN_IDS}
    config |= {name: source[name] for name in _TOKEN_IDS if name in source}
    inner = config.get("text_config")
    if isinstance(inner, dict) and "vocab_size" in inner:
        config["text_config"] = {**inner, "vocab_size": n_rows}
    if "vocab_size" in config or "text_config" not in config:
        config["vocab_size"] = n_rows
    _write_json(work / "config.json", {**config, **changes})


def _write_tokenizer(aligned: Sequence[Checkpoint], given: Sequence[Checkpoint], goal: Goal) -> None:
    """Write the united tokenizer beside all models."""
    for model, before in zip(aligned, given, strict=True):
        if model is not before:
            _write_json(model.folder / TOKENIZER, goal.vocabulary.table)


def _write_json(path: Path, table: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _tell(model: Checkpoint, vocabulary: Vocabulary, goal: Goal, n_missing: int) -> None:
    n_dropped = len(vocabulary.ids.keys() - goal.vocabulary.ids.keys())
    if n_missing or n_dropped:
        note(
            f"aligning {model.name}: it lacks {n_missing} of {len(goal.vocabulary.ids)} tokens, which get "
            f"the embeddings of the base or of the other models; {n_dropped} of its own are left out"
        )
