"""What a merge came to, in words and for machines."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from calculemus.checkpoint import Checkpoint
from calculemus.checkpoint.fingerprint import fingerprint
from calculemus.cli.output import new_table, print_json, print_table, print_text
from calculemus.merging.executor import Merged
from calculemus.merging.model_card import Parent
from calculemus.merging.preparing import Prepared

_KIB = 1024


def facts(prepared: Prepared, parents: Sequence[Parent], merged: Merged) -> dict[str, Any]:
    """Return what is known of a merge that is done, as plain values."""
    moved = merged.bytes_read + merged.bytes_written
    return {
        "folder": str(merged.folder),
        "method": prepared.card.id,
        "seconds": merged.seconds,
        "bytes_read": merged.bytes_read,
        "bytes_written": merged.bytes_written,
        "bytes_per_second": moved / merged.seconds if merged.seconds > 0 else None,
        "peak_bytes": peak_bytes(),
        "n_tensors": len(prepared.plan.steps),
        "n_resumed": merged.n_resumed,
        "fingerprint": fingerprint(Checkpoint.open(merged.folder)),
        "parents": [asdict(parent) for parent in parents],
    }


def peak_bytes() -> int | None:
    """Return the most memory that this process had at once; None where the system does not say."""
    try:
        import resource
    except ImportError:  # a system without such figures
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


def print_merged(found: Mapping[str, Any]) -> None:
    """Print what a merge took, and the fingerprints of what went in and came out."""
    print_text(f"merged by {found['method']} into {found['folder']}: {found['n_tensors']} tensors")
    if found["n_resumed"]:
        print_text(f"{found['n_resumed']} of them were there from a merge that was interrupted")
    print_text(", ".join(_figures(found)))
    print_text("")
    table = new_table("role", "model", "fingerprint", left=3)
    for parent in found["parents"]:
        table.add_row(parent["role"], parent["name"], parent["fingerprint"])
    table.add_row("merged", found["folder"], found["fingerprint"])
    print_table(table)


def _figures(found: Mapping[str, Any]) -> list[str]:
    figures = [
        f"{found['seconds']:.2f} s",
        f"{_amount(found['bytes_read'])} read",
        f"{_amount(found['bytes_written'])} written",
    ]
    if found["bytes_per_second"]:
        figures.append(f"{_amount(found['bytes_per_second'])}/s")
    if found["peak_bytes"]:
        figures.append(f"{_amount(found['peak_bytes'])} of memory at most")
    return figures


def _amount(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def print_facts(found: Mapping[str, Any]) -> None:
    """Print it all as JSON."""
    print_json(dict(found))
