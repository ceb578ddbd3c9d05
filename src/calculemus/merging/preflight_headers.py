"""Pre-flight on headers: names, shapes, heads, number formats, quantised and adapted weights."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from calculemus.checkpoint import Checkpoint, Entry
from calculemus.checkpoint.checkpoint import HEADS
from calculemus.merging.layers import address
from calculemus.merging.matching import why_other_names, why_other_shape
from calculemus.merging.preflight_findings import Finding, align_command

_QUANTISED_NAMES = (
    ".qweight",
    ".qzeros",
    ".absmax",
    ".quant_map",
    ".g_idx",
    ".weight_packed",
    ".weight_scale",
)
_SHOWN = 3
_UNQUANTISED = "Take the model that it was made from, in 16 or 32 bits"


def check_headers(models: Sequence[Checkpoint], base: Checkpoint | None) -> Iterator[Finding]:
    """Yield what the headers show.

    Raises:
        CheckpointError: A configuration cannot be read.
    """
    given = [*models, *((base,) if base is not None else ())]
    reference = base if base is not None else models[0]
    for model in given:
        yield from _check_kind(model)
    yield from _check_heads(given)
    for model in models:
        if model is not reference:
            yield from _check_names(model, reference)
            yield from _check_shapes(model, reference)
    yield from _check_dtypes(given, reference, has_base=base is not None)


def _check_kind(model: Checkpoint) -> Iterator[Finding]:
    """Look for weights that are not numbers of the model: quantised ones, or an adapter's."""
    method = model.config.get("quantization_config")
    names = [name for name in model if name.endswith(_QUANTISED_NAMES)]
    narrow = [e.name for e in model.entries.values() if e.dtype.n_bytes == 1 and len(e.shape) > 1]
    if method or names or narrow:
        kind = method.get("quant_method", "") if isinstance(method, dict) else ""
        sign = f"its configuration says so ({kind or 'quantization_config'})" if method else ""
        sign = sign or f"'{(names or narrow)[0]}' is {model.entries[(names or narrow)[0]].dtype.name}"
        yield Finding(
            "error",
            "quantised",
            f"the weights of {model.name} are quantised: {sign}",
            "floating-point numbers",
            _UNQUANTISED,
        )
    adapters = [name for name in model if ".lora_" in name]
    if adapters:
        yield Finding(
            "error",
            "adapter",
            f"{model.name} is an adapter: it has '{adapters[0]}'",
            "a model, or an adapter together with its base",
            "Name the model that it was trained on as --base",
        )


def _check_heads(given: Sequence[Checkpoint]) -> Iterator[Finding]:
    """Look for models of which some have a head of their own and others none."""
    having = [any(name in model.entries for name in HEADS) for model in given]
    if all(having) or not any(having):
        return
    for model, has_head in zip(given, having, strict=True):
        if has_head:
            continue
        other = given[having.index(True)]
        if model.is_tied:
            what = f"{model.name} ties its head to its embeddings, {other.name} has a head of its own"
            fix = align_command(model, other)
        else:
            what = f"{model.name} has no head and does not say that it is tied, {other.name} has one"
            fix = f'If it is tied, write "tie_word_embeddings": true into {model.folder / "config.json"}'
        yield Finding("error", "tied head", what, "the same in all models", fix)


def _check_names(model: Checkpoint, reference: Checkpoint) -> Iterator[Finding]:
    missing = [name for name in reference if name not in model.entries and name not in HEADS]
    more = [name for name in model if name not in reference.entries and name not in HEADS]
    if not missing and not more:
        return
    parts = [
        f"{what} {len(names)} ({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"
        for what, names in (("lacks", missing), ("has beside them", more))
        if names
    ]
    yield Finding(
        "error",
        "names",
        f"of the {len(reference)} tensors of {reference.name}, {model.name} {' and '.join(parts)}",
        "the same names",
        why_other_names(missing or more),
    )


def _check_shapes(model: Checkpoint, reference: Checkpoint) -> Iterator[Finding]:
    """Look for tensors of other shapes; those that differ in the rows of the vocabulary come with it."""
    causes: dict[str, list[str]] = {}
    for name, entry in reference.entries.items():
        other = model.entries.get(name)
        if other is not None and other.shape != entry.shape and not _is_vocabulary(entry, other):
            causes.setdefault(why_other_shape(entry, other), []).append(name)
    for cause, names in causes.items():
        entry, other = reference.entries[names[0]], model.entries[names[0]]
        more = f", and {len(names) - 1} more differ" if len(names) > 1 else ""
        yield Finding(
            "error",
            "shapes",
            f"'{names[0]}' has the shape {entry.shape} in {reference.name} and {other.shape} in "
            f"{model.name}{more}",
            "the same",
            cause,
        )


def _is_vocabulary(entry: Entry, other: Entry) -> bool:
    return address(entry.name).part in ("embed", "head") and entry.shape[1:] == other.shape[1:]


def _check_dtypes(given: Sequence[Checkpoint], reference: Checkpoint, *, has_base: bool) -> Iterator[Finding]:
    shares = {model.name: _main_dtype(model) for model in given}
    if len(set(shares.values())) > 1:
        out = f"that of {reference.name}" if has_base else "the widest, or float32 where two are as wide"
        yield Finding(
            "note",
            "number formats",
            f"{', '.join(f'{name} is mostly {dtype}' for name, dtype in shares.items())}; the merge computes "
            f"in float32 and writes {out}",
            fix="To choose it: calculemus merge ... --dtype bfloat16",
        )
    for model in given:
        name = _of_other_kind(model, reference)
        if name is not None:
            yield Finding(
                "error",
                "number formats",
                f"'{name}' is {reference.entries[name].dtype.name} in {reference.name} and "
                f"{model.entries[name].dtype.name} in {model.name}",
                "floating-point numbers in both, or in neither",
                _UNQUANTISED,
            )


def _of_other_kind(model: Checkpoint, reference: Checkpoint) -> str | None:
    """Return the first tensor that holds floating-point numbers in one of two models alone."""
    for name, entry in reference.entries.items():
        other = model.entries.get(name)
        if other is not None and other.dtype.is_float != entry.dtype.is_float:
            return name
    return None


def _main_dtype(model: Checkpoint) -> str:
    """Return the number format of most of a model's numbers."""
    sizes: Counter[str] = Counter()
    for entry in model.entries.values():
        sizes[entry.dtype.name] += math.prod(entry.shape)
    return sizes.most_common(1)[0][0] if sizes else "nothing"
