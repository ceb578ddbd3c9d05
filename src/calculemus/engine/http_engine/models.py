"""Which models a server offers, and what it says about the one that is meant."""

import difflib
from collections.abc import Sequence
from typing import Any

from calculemus.engine.http_engine.address import Address
from calculemus.engine.http_engine.caller import Caller
from calculemus.engine.http_engine.outcome import Failed, Spent
from calculemus.engine.http_engine.reading import read_models
from calculemus.errors import EngineError

Record = dict[str, Any]

_STABLE = ("root", "parent", "owned_by", "quantization")  # the rest of a record changes with each start
_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length")


async def list_models(caller: Caller) -> list[Record]:
    """Return the records of the models on offer; none where the server does not list them.

    Raises:
        EngineError: There is no server.
    """
    result = await caller.attempt("/models", None, read_models, spent=Spent(), retries=3, patience=1)
    if not isinstance(result, Failed):
        return result.value
    if result.is_silence:
        raise EngineError(result.message)
    return []


def choose_model(address: Address, records: Sequence[Record]) -> str:
    """Return the name of the model to use.

    Raises:
        EngineError: The address names none and the server does not offer exactly one.
    """
    if address.model is not None:
        return address.model
    names = [record["id"] for record in records]
    if len(names) != 1:
        raise EngineError(
            f"{address.name}: the address names no model and the server offers {len(names)}: "
            f"{_shown(names)}; expected one. Put its name behind '#': {address.base}#MODEL"
        )
    return names[0]


def suggest(model: str, records: Sequence[Record]) -> str:
    """Return a sentence on the models on offer, to end a report with; empty where ``model`` is one."""
    names = [record["id"] for record in records]
    if not names or model in names:
        return ""
    near = difflib.get_close_matches(model, names, n=3, cutoff=0.4)
    if near:
        return f". The server offers no '{model}'; did you mean {' or '.join(map(repr, near))}?"
    return f". The server offers no '{model}', but {_shown(names)}"


def stable_record(model: str, records: Sequence[Record]) -> Record:
    """Return what the server says about a model and will say again after a restart."""
    record = _record(model, records)
    return {key: record[key] for key in _STABLE if isinstance(record.get(key), str)}


def context_of(model: str, records: Sequence[Record]) -> int | None:
    """Return the longest prompt and completion together, where the server says so."""
    record = _record(model, records)
    meta = record.get("meta")
    values = [record.get(key) for key in _CONTEXT]
    values += [meta.get(key) for key in ("n_ctx", "n_ctx_train")] if isinstance(meta, dict) else []
    return next((value for value in values if type(value) is int and value > 0), None)


def _record(model: str, records: Sequence[Record]) -> Record:
    return next((record for record in records if record["id"] == model), {})


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:8])) or "none"
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
