"""``calculemus lora``: adapters made from models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from calculemus.merging.lora_extract import Extracted

app = App(name="lora", help="Make adapters of low rank from models.")


@app.command
def extract(
    tuned: str,
    /,
    *,
    base: str,
    rank: Annotated[int, Parameter(validator=Number(gte=1))],
    out: Path,
    dtype: Literal["F32", "BF16", "F16"] = "F32",
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Write what a model learned as an adapter of low rank, and say how much of it that keeps.

    Only linear layers are adapted; what changed in embeddings, norms and biases is left out and counted.

    Args:
        tuned: The model: a folder, a file or a hub id in the local cache.
        base: What it was made from, and what the adapter is for.
        rank: Of each layer's change.
        out: A new folder, in the format of PEFT.
        dtype: Of the adapter's numbers.
        as_json: Print JSON.
    """
    from dataclasses import asdict

    from calculemus.cli.checkpoints import open_checkpoint
    from calculemus.cli.output import print_json
    from calculemus.merging.lora_extract import extract_lora

    before = open_checkpoint(base)
    found = extract_lora(open_checkpoint(tuned, before), before, rank, out, dtype)
    if as_json:
        print_json({**asdict(found), "folder": str(found.folder), "kept": found.kept})
    else:
        _print(found)


def _print(found: "Extracted") -> None:
    from calculemus.cli.output import print_named_rows, print_text

    rows = [
        [f"{100 * layer.kept:.2f} %", f"{100 * layer.best:.2f} %", f"{layer.norm:.3g}", f"{layer.error:.3g}"]
        for layer in found.layers
    ]
    columns = ["energy kept", "at most", "norm", "error"]
    print_named_rows("layer", [layer.name for layer in found.layers], columns, rows)
    print_text(
        f"\n{found.folder}: rank {found.rank} keeps {100 * found.kept:.2f} % of the energy (sum of squares) "
        f"of all that changed, in {found.n_parameters:,} numbers"
    )
    if found.left_out:
        names = ", ".join(found.left_out[:3]) + (", ..." if len(found.left_out) > 3 else "")
        print_text(
            f"left out: {100 * found.left_out_energy:.2f} % of the energy, in {len(found.left_out)} tensors "
            f"that are no linear layers ({names})"
        )
