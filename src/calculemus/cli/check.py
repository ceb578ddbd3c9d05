"""``calculemus check``: what stands in the way of a merge, before any work."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from calculemus.checkpoint import Checkpoint
    from calculemus.merging.preflight_costs import Costs
    from calculemus.merging.preflight_findings import Finding


def check(
    *models: str,
    base: str | None = None,
    out: Path | None = None,
    dtype: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Check that models can be merged; reads headers and samples only, in seconds for any size.

    The exit status is 0 where nothing stands in the way, and 1 where something does.

    Args:
        models: Folders, files or hub ids in the local cache; adapters too, if there is a base.
        base: The model that the others were made from.
        out: Where the merged model is to go; its disk must have room.
        dtype: Of the merged model.
        as_json: Print JSON.
    """
    from calculemus.cli.output import print_json
    from calculemus.errors import InvalidParameterError
    from calculemus.merging.preflight import ordered, preflight

    if not models:
        raise InvalidParameterError("checking models: there are none; expected one or more to be merged")
    findings, opened, opened_base = _open_all(models, base)
    report = preflight(opened, opened_base, out=out, dtype=dtype) if opened else None
    found = ordered([*findings, *(report.findings if report else ())])
    is_ready = not any(finding.severity == "error" for finding in found)
    if as_json:
        print_json(_record(found, report.costs if report else None))
    else:
        _print(found, report.costs if report else None, len(models))
    return 0 if is_ready else 1


def _open_all(
    names: tuple[str, ...], base: str | None
) -> "tuple[list[Finding], list[Checkpoint], Checkpoint | None]":
    """Open what can be opened; what cannot is a finding."""
    from calculemus.cli.checkpoints import open_checkpoint
    from calculemus.errors import CheckpointError
    from calculemus.merging.preflight_findings import Finding

    findings: list[Finding] = []

    def try_open(name: str, under: "Checkpoint | None" = None) -> "Checkpoint | None":
        try:
            return open_checkpoint(name, under)
        except CheckpointError as error:
            findings.append(Finding("error", "files", str(error)))
            return None

    opened_base = try_open(base) if base is not None else None
    tried = [try_open(name, opened_base) for name in names]
    return findings, [model for model in tried if model is not None], opened_base


def _record(found: "tuple[Finding, ...]", costs: "Costs | None") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "is_ready": not any(finding.severity == "error" for finding in found),
        "findings": [asdict(finding) for finding in found],
        "costs": asdict(costs) if costs else None,
    }


def _print(found: "tuple[Finding, ...]", costs: "Costs | None", n_models: int) -> None:
    from calculemus.cli.output import print_text

    for finding in found:
        print_text(f"{finding.severity}: {finding}")
    counts = [
        f"{n} {severity}{'s' if n != 1 else ''}"
        for severity in ("error", "warning", "note")
        if (n := sum(finding.severity == severity for finding in found))
    ]
    of = f"{n_models} model{'s' if n_models != 1 else ''}"
    print_text(f"{of} checked: {', '.join(counts) or 'nothing found'}")
    if costs is not None:
        about = "" if costs.seconds is None else f", about {costs.seconds:.3g} s"
        free = "" if costs.bytes_free is None else f"; {costs.bytes_free / 1e9:.1f} GB are free"
        print_text(
            f"a merge reads {costs.bytes_read / 1e9:.2f} GB and writes {costs.bytes_written / 1e9:.2f} GB in "
            f"one pass{about}{free}"
        )
