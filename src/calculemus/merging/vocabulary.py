"""Vocabularies: which token has which row, read from a model's ``tokenizer.json`` as plain JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from calculemus.checkpoint.folder import read_json
from calculemus.errors import CheckpointError, CheckpointMismatchError

TOKENIZER = "tokenizer.json"
_MOST_IDS = 10_000_000
"""More rows than any model has; a larger id is damage, and would be a table of that size."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a model.

    Attributes:
        path: The file that they are from.
        ids: By token, added ones too.
        kind: What cuts words into tokens: BPE, Unigram, WordPiece or WordLevel.
        is_byte_level: Whether tokens are spelled in signs for bytes; a blank is ``Ġ`` then, else ``▁``.
        table: The whole file.
    """

    path: Path
    ids: Mapping[str, int]
    kind: str
    is_byte_level: bool
    table: Mapping[str, Any]

    @property
    def n_ids(self) -> int:
        """One more than the highest id."""
        return max(self.ids.values(), default=-1) + 1

    @property
    def spelling(self) -> str:
        """How tokens are written; tokens of another spelling cannot be recognised."""
        if self.is_byte_level:
            return "byte-level"
        return "word pieces" if self.kind == "WordPiece" else "plain"

    @cached_property
    def tokens(self) -> Mapping[int, tuple[str, ...]]:
        """The tokens of each id; more than one where an added token renames another."""
        found: dict[int, tuple[str, ...]] = {}
        for token, at in self.ids.items():
            found[at] = (*found.get(at, ()), token)
        return found


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """Return the vocabulary of the model in a folder; None where there is no ``tokenizer.json``.

    Raises:
        CheckpointError: The file is no tokenizer.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        return None
    table = read_json(folder, TOKENIZER)
    model = table.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocab, dict | list):
        raise _broken(path, "there is no 'model' with a 'vocab'")
    if isinstance(vocab, list) != (_kind(model) == "Unigram"):
        raise _broken(path, f"the tokens of a {_kind(model)} model are a {type(vocab).__name__}")
    ids = dict(_listed(path, vocab))
    ids |= dict(_added(path, table))
    wrong = next((token for token, at in ids.items() if type(at) is not int or not 0 <= at < _MOST_IDS), None)
    if wrong is not None:
        raise _broken(path, f"the token {wrong!r:.60} has the id {ids[wrong]!r:.60}")
    parts = (table.get("pre_tokenizer"), table.get("decoder"))
    return Vocabulary(path, ids, _kind(model), any("ByteLevel" in _types(part) for part in parts), table)


def _listed(path: Path, vocab: Mapping[str, Any] | Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the model's tokens with their ids; Unigram lists them in order with their scores."""
    if isinstance(vocab, Mapping):
        yield from vocab.items()
        return
    for at, record in enumerate(vocab):
        if not isinstance(record, list) or len(record) != 2 or not isinstance(record[0], str):
            raise _broken(path, f"its token {at} is {record!r:.60}")
        yield record[0], at


def _added(path: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    records = table.get("added_tokens") or []
    if not isinstance(records, list):
        raise _broken(path, f"its added tokens are {records!r:.60}")
    for record in records:
        if not isinstance(record, dict) or not isinstance(record.get("content"), str):
            raise _broken(path, f"an added token is {record!r:.60}")
        yield record["content"], record.get("id")


def _kind(model: Mapping[str, Any]) -> str:
    """Return the kind of a model; old files do not say it."""
    if isinstance(model.get("type"), str):
        return model["type"]
    if isinstance(model["vocab"], list):
        return "Unigram"
    return (
        "BPE" if "merges" in model else "WordPiece" if "continuing_subword_prefix" in model else "WordLevel"
    )


def _types(part: Any) -> Sequence[str]:
    """Return the types of a step of the tokenizer and of the steps inside it, one level deep."""
    if not isinstance(part, dict):
        return ()
    inside = [*(part.get("pretokenizers") or ()), *(part.get("decoders") or ())]
    return [str(step.get("type")) for step in (part, *inside) if isinstance(step, dict)]


def _broken(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"reading {path}: {found}; expected a tokenizer with tokens and ids. Fetch it again"
    )


def unite(reference: Vocabulary, others: Sequence[Vocabulary]) -> Vocabulary:
    """Return a vocabulary with every token of several ones.

    Tokens of the first keep their ids; those of the others follow, in their order. Its text is cut the way
    the reference cuts it, but where merges of the others go on: they rank behind its own.

    Raises:
        CheckpointMismatchError: They are of different kinds, or its ids have gaps and its kind allows none.
    """
    ids = dict(reference.ids)
    added: list[dict[str, Any]] = []
    reached = reference.n_ids
    for other in others:
        if other.kind != reference.kind or other.spelling != reference.spelling:
            raise CheckpointMismatchError(
                f"uniting {reference.path} and {other.path}: they are {reference.kind} ({reference.spelling})"
                f" and {other.kind} ({other.spelling}); expected one kind. Align to the vocabulary of one of "
                "them instead"
            )
        extra = {record["content"]: record for record in other.table.get("added_tokens") or []}
        for token in sorted(other.ids.keys() - ids.keys(), key=lambda token: (other.ids[token], token)):
            ids[token] = reached
            reached += 1
            if token in extra:
                added.append({**extra[token], "id": ids[token]})
    if len(ids) == len(reference.ids):
        return reference
    table = json.loads(json.dumps(reference.table))  # a copy of its own, all the way down
    table["added_tokens"] = [*(table.get("added_tokens") or []), *added]
    _extend_model(table["model"], replace(reference, ids=ids), others)
    return replace(reference, ids=ids, table=table)


def _extend_model(model: dict[str, Any], united: Vocabulary, others: Sequence[Vocabulary]) -> None:
    """Add tokens to what cuts words."""
    if united.kind == "Unigram":
        _extend_list(model["vocab"], united, others)
        return
    # Added tokens too: readers number those that the model does not have behind its own, whatever their ids.
    model["vocab"].update(united.ids)
    if "merges" in model:
        _extend_merges(model, united, others)


def _extend_list(vocab: list[Any], united: Vocabulary, others: Sequence[Vocabulary]) -> None:
    """Lengthen a list whose places are the ids; added tokens take places in it, with the worst score."""
    scores: dict[str, float] = {}
    for other in others:
        for token, score in other.table["model"]["vocab"]:
            scores.setdefault(token, score)
    worst = min((score for _, score in vocab), default=0.0)
    for at in range(len(vocab), united.n_ids):
        if at not in united.tokens:
            raise CheckpointMismatchError(
                f"uniting vocabularies: {united.path} has no token of the id {at}; expected ids without "
                "gaps. Align to the vocabulary of one model instead"
            )
        token = united.tokens[at][0]
        vocab.append([token, scores.get(token, worst)])


def _extend_merges(model: dict[str, Any], united: Vocabulary, others: Sequence[Vocabulary]) -> None:
    """Append the merges of others, each behind those it builds on, as far as their tokens are there."""
    known = set(_merges(united))
    vocab, prefix = model["vocab"], str(model.get("continuing_subword_prefix") or "")
    for other in others:
        for left, right in _merges(other):
            if (left, right) in known or not {left, right, left + right.removeprefix(prefix)} <= vocab.keys():
                continue
            known.add((left, right))
            # In the form of the reference: pairs, or texts with a blank in between.
            is_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
            model["merges"].append(f"{left} {right}" if is_text else [left, right])


def _merges(vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    merges = vocabulary.table["model"].get("merges") or []
    if not isinstance(merges, list):
        raise _broken(vocabulary.path, f"its merges are {merges!r:.60}")
    for merge in merges:
        pair = merge.split(" ", 1) if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise _broken(vocabulary.path, f"a merge is {merge!r:.60}")
        yield pair[0], pair[1]
