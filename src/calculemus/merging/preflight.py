"""Pre-flight: what stands in the way of a merge, found from headers and samples before any work.

It takes seconds for models of any size: headers are read whole, and of the tensors a few thousand short runs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calculemus.checkpoint import Checkpoint
from calculemus.errors import CheckpointError
from calculemus.merging.preflight_configs import check_configs
from calculemus.merging.preflight_costs import Costs, Speed, check_room, estimate
from calculemus.merging.preflight_findings import Finding, Severity
from calculemus.merging.preflight_headers import check_headers
from calculemus.merging.preflight_samples import check_samples
from calculemus.merging.preflight_tokens import check_tokens

Check = Callable[[Sequence[Checkpoint], Checkpoint | None], Iterator[Finding]]
_CHECKS: dict[str, Check] = {
    "headers": check_headers,
    "tokens": check_tokens,
    "configuration": check_configs,
    "numbers": check_samples,
}


@dataclass(frozen=True)
class Report:
    """What a look at models found.

    Attributes:
        findings: The worst first.
        costs: What a merge of them takes.
    """

    findings: tuple[Finding, ...]
    costs: Costs

    def of(self, severity: Severity) -> list[Finding]:
        """Return the findings of a severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    @property
    def errors(self) -> list[Finding]:
        """What stands in the way of a merge."""
        return self.of("error")

    @property
    def warnings(self) -> list[Finding]:
        """What may make it come out wrong."""
        return self.of("warning")

    @property
    def is_ready(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.errors

    def record(self) -> dict[str, Any]:
        """Return it as plain values."""
        findings = [asdict(finding) for finding in self.findings]
        return {"is_ready": self.is_ready, "findings": findings, "costs": asdict(self.costs)}


def preflight(
    models: Sequence[Checkpoint],
    base: Checkpoint | None = None,
    *,
    out: Path | None = None,
    dtype: str | None = None,
    speed: Speed | None = None,
) -> Report:
    """Look at models that are to be merged.

    Args:
        models: The models.
        base: What they were made from.
        out: Where the merged model is to go; its disk must have room.
        dtype: Of the merged model, as in ``plan_merge``.
        speed: Of the disks; measured in a fraction of a second if not given.
    """
    found: list[Finding] = []
    for topic, check in _CHECKS.items():
        try:
            found += check(models, base)
        except CheckpointError as error:
            found.append(Finding("error", topic, str(error)))
    costs = estimate(models, base, out, dtype, speed)
    found += check_room(costs)
    return Report(ordered(found), costs)


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings with the worst first, each once."""
    ranks = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: ranks[finding.severity]))
