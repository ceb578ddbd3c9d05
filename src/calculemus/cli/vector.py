"""``calculemus vector``: what a model learned, as a file that is taken, looked at and added to models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calculemus.checkpoint import Patch
    from calculemus.merging.vectors import Between, VectorFacts

app = App(name="vector", help="Take out what a model learned as a file, look at it, and add it to models.")

AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON for machines.")]
_SHOWN_LAYERS = 8  # --json has all


@app.command
def extract(
    tuned: str,
    /,
    *,
    base: str,
    out: Path,
    dtype: Literal["F32", "BF16", "F16"] = "F32",
    as_json: AsJson = False,
) -> None:
    """Write the difference of a model and its base into a file, and say how exactly it leads back.

    Args:
        tuned: The model: a folder, a file or a hub id in the local cache; or an adapter for the base.
        base: What it was made from.
        out: The file, in safetensors format.
        dtype: Of the differences. F32 leads back to the bit but for numbers far smaller than the base's; 16
            bits take half the room.
        as_json: Print JSON for machines.
    """
    from dataclasses import asdict

    from calculemus.checkpoint import save_patch
    from calculemus.cli.checkpoints import open_checkpoint
    from calculemus.cli.output import check_place, print_json, print_text
    from calculemus.merging.vectors import measure_return

    check_place(out, "extracting a task vector")
    before = open_checkpoint(base)
    model = open_checkpoint(tuned, before)
    patch = save_patch(out, model, before, dtype)
    back = measure_return(patch, model, before)
    if as_json:
        print_json({"out": str(out), "base": patch.base, "tuned": patch.tuned, **asdict(back)})
        return
    exactly = (
        "added to the base, it gives the model to the bit"
        if not back.n_other
        else f"added to the base, it gives {back.n_other:,} of {back.n_numbers:,} numbers with other bits, "
        f"at most {back.largest_error:.2g} away"
    )
    print_text(f"{out}: {patch.deltas.n_bytes / 1e6:.1f} MB in {dtype}; {exactly}")


@app.command
def apply(
    target: str,
    /,
    *vectors: Path,
    out: Path,
    scale: Annotated[list[float] | None, Parameter(negative=())] = None,
) -> None:
    """Add stored task vectors to a model; a scale of -1 takes one away again.

    Args:
        target: The model: the vectors' base, or another one of the same make.
        vectors: Files that ``vector extract`` wrote.
        out: A new folder.
        scale: One for all vectors, or one for each in their order.
    """
    from calculemus.checkpoint import Patch
    from calculemus.checkpoint.fingerprint import fingerprint
    from calculemus.cli.checkpoints import open_checkpoint
    from calculemus.cli.output import print_text
    from calculemus.events import note
    from calculemus.merging.executor import Executor
    from calculemus.merging.patching import plan_patches

    model = open_checkpoint(target)
    patches = [Patch.open(path) for path in vectors]
    scales = scale * len(patches) if scale is not None and len(scale) == 1 else scale
    plan = plan_patches(model, patches, scales)
    mine = fingerprint(model)
    for path, patch in zip(vectors, patches, strict=True):
        if mine not in (patch.base, patch.tuned):
            note(f"{path} was taken from another model than {target}: what it holds is carried over")
    merged = Executor().merge(plan, out)
    speed = (merged.bytes_read + merged.bytes_written) / 1e9 / max(merged.seconds, 1e-9)
    print_text(
        f"{merged.folder}: {len(patches)} added in {merged.seconds:.1f} s, {merged.bytes_read / 1e6:.1f} MB "
        f"read and {merged.bytes_written / 1e6:.1f} MB written ({speed:.2f} GB/s)"
    )


@app.command
def info(*vectors: Path, target: str | None = None, as_json: AsJson = False) -> None:
    """Show how long task vectors are in which layers and parts, and how they lie to each other.

    Args:
        vectors: Files that ``vector extract`` wrote.
        target: A model; says whether the vectors fit it.
        as_json: Print JSON for machines.
    """
    from calculemus.checkpoint import Patch
    from calculemus.cli.checkpoints import open_checkpoint
    from calculemus.cli.output import print_json
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.vectors import compare, describe, match

    if not vectors:
        raise InvalidParameterError("showing task vectors: there are none; expected one file or more")
    patches = [Patch.open(path) for path in vectors]
    facts = [describe(patch) for patch in patches]
    between = compare([p.vector for p in patches], [f.norm for f in facts]) if len(patches) > 1 else None
    model = open_checkpoint(target) if target is not None else None
    matches = [match(patch, model) if model is not None else None for patch in patches]
    if as_json:
        print_json(_record(vectors, patches, facts, between, matches))
    else:
        _print(vectors, patches, facts, between, matches, target)


def _record(
    paths: "Sequence[Path]",
    patches: "Sequence[Patch]",
    facts: "Sequence[VectorFacts]",
    between: "Between | None",
    matches: "Sequence[str | None]",
) -> dict[str, Any]:
    import math

    records = [
        {
            "path": str(path),
            "base": patch.base,
            "tuned": patch.tuned,
            "n_parameters": found.n_parameters,
            "n_bytes": patch.deltas.n_bytes,
            "norm": found.norm,
            "by_layer": {"outside" if k is None else str(k): norm for k, norm in found.by_layer.items()},
            "by_part": found.by_part,
            "target": matched,
        }
        for path, patch, found, matched in zip(paths, patches, facts, matches, strict=True)
    ]
    if between is None:
        return {"vectors": records}
    cosines = [[None if math.isnan(cosine) else cosine for cosine in row] for row in between.cosines]
    return {
        "vectors": records,
        "cosines": cosines,
        "sign_conflicts": between.conflicts,
        "sign_conflicts_together": between.together,
    }


def _print(
    paths: "Sequence[Path]",
    patches: "Sequence[Patch]",
    facts: "Sequence[VectorFacts]",
    between: "Between | None",
    matches: "Sequence[str | None]",
    target: str | None,
) -> None:
    from calculemus.cli.output import print_named_rows, print_text

    names = [path.name for path in paths]
    rows = [
        [f"{f.norm:.4g}", f"{f.n_parameters:,}", f"{p.deltas.n_bytes / 1e6:.1f}", p.base[:12], p.tuned[:12]]
        for f, p in zip(facts, patches, strict=True)
    ]
    print_named_rows("vector", names, ["norm", "numbers", "MB", "base", "tuned"], rows)
    parts = list(dict.fromkeys(part for found in facts for part in found.by_part))
    table = [[f"{found.by_part.get(part, 0):.3g}" for part in parts] for found in facts]
    print_named_rows("\nnorm by part", names, parts, table)
    _print_layers(names, facts)
    if between is not None:
        cosines = [[f"{cosine:.3f}" for cosine in row] for row in between.cosines]
        print_named_rows("\ncosine", names, names, cosines)
        shares = [[f"{100 * share:.1f} %" for share in row] for row in between.conflicts]
        print_named_rows("\nsign conflicts", names, names, shares)
        share = f"{100 * between.together:.1f} %"
        print_text(f"\nof the numbers that any of them changes, {share} have a conflict of signs")
    for name, matched in zip(names, matches, strict=True):
        if matched is not None:
            print_text(f"{name} and {target}: {_MATCHES[matched]}")


_MATCHES = {
    "base": "it is the model that the vector starts from",
    "tuned": "it is the model that the vector leads to",
    "make": "another model of the same make; the vector fits",
    "no": "the vector does not fit: names or shapes of tensors differ",
}


def _print_layers(names: "Sequence[str]", facts: "Sequence[VectorFacts]") -> None:
    """Print norms by layer; of a deep model, runs of layers."""
    import math

    from calculemus.cli.output import print_named_rows

    layers = [k for k in dict.fromkeys(k for found in facts for k in found.by_layer) if k is not None]
    size = -(-len(layers) // _SHOWN_LAYERS) or 1
    groups = [layers[start : start + size] for start in range(0, len(layers), size)]
    heads = [str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups]
    rows = [
        [f"{math.hypot(*(found.by_layer.get(k, 0.0) for k in g)):.3g}" for g in [*groups, [None]]]
        for found in facts
    ]
    print_named_rows("\nnorm by layer", names, [*heads, "outside"], rows)
