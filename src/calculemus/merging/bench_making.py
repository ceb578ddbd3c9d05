"""Making a merge by the name of its method, with what the making read and wrote."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from calculemus.card import Card
from calculemus.catalog import load, read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.errors import InvalidParameterError
from calculemus.merging.base import TensorMerge
from calculemus.merging.bench_panel import Panel
from calculemus.merging.calibration import CalibratedMerge, Trial
from calculemus.merging.contest import plan as plan_of
from calculemus.merging.contest import tuned
from calculemus.merging.executor import Executor
from calculemus.merging.plan import Plan
from calculemus.named import build, parse_named
from calculemus.rng import Rng

if TYPE_CHECKING:
    from calculemus.tuning.tasks import Score, Split

_INTERFACES = ("TensorMerge", "CalibratedMerge")


@dataclass(frozen=True)
class Made:
    """A merge on disk.

    Attributes:
        model: The merged model.
        method: What it was made by, with the settings that were chosen.
        bytes_read: Of tensors, tuning included.
        bytes_written: Of tensors, with what a calibration keeps.
    """

    model: Checkpoint
    method: str
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class MeteredTrial(Trial):
    """A trial that counts what is read through it.

    Attributes:
        read: Bytes of each plan that was merged in memory.
    """

    read: list[int] = field(default_factory=list)

    def measure_plan(self, plan: Plan, split: "Split" = "dev") -> "Mapping[str, Score]":
        """Return what a merge is worth, and count what it reads."""
        self.read.append(n_bytes_read(plan))
        return super().measure_plan(plan, split)

    @property
    def bytes_read(self) -> int:
        """Of plans, and of the models where all their weights were asked for."""
        whole = self.base.n_bytes if "base_weights" in vars(self) else 0
        whole += sum(model.n_bytes for model in self.models) if "tuned_weights" in vars(self) else 0
        return whole + sum(self.read)


def n_bytes_read(plan: Plan) -> int:
    """Return the bytes that one pass of a plan reads."""
    return sum(step.n_bytes_read for step in plan.steps)


def runnable(*folders: Path) -> Iterator[Card]:
    """Yield the cards of all built methods that merge experts of one base.

    Args:
        folders: More folders with cards; see ``read_catalog``.
    """
    for card in read_catalog(*folders):
        if card.entry and card.interface in _INTERFACES:
            yield card


def why_not(kind: type, n: int) -> str:
    """Say why a method cannot merge so many experts; nothing where it can."""
    if issubclass(kind, TensorMerge) and kind.is_ordered:
        return "its models have parts of their own to play; they are no experts of one base"
    most = kind.most if issubclass(kind, TensorMerge) else None
    if issubclass(kind, TensorMerge | CalibratedMerge) and (
        n < kind.fewest or (most is not None and n > most)
    ):
        wanted = f"{most}" if most == kind.fewest else f"{kind.fewest} to {most or 'any number of'}"
        return f"it takes {wanted} beside the base, and there are {n}"
    return ""


def method_of(text: str, *folders: Path) -> TensorMerge | CalibratedMerge:
    """Return a method by its name and settings.

    Args:
        text: ``ties:density=0.5``.
        folders: More folders with cards of methods.

    Raises:
        CardError: There is no such method.
        InvalidParameterError: It lacks such a setting, or is no merge of experts.
    """
    name, values = parse_named(text)
    method = build(load(read_catalog(*folders).get(name)), values)
    if not isinstance(method, TensorMerge | CalibratedMerge):
        raise InvalidParameterError(
            f"merging experts by '{name}': it is a {type(method).__name__}; expected a TensorMerge or a "
            "CalibratedMerge. 'calculemus list --room merging' shows those that there are"
        )
    return method


def make_tuned(panel: Panel, pattern: str, values: Sequence[float], folder: Path, seed: int) -> Made:
    """Make the merge whose setting does best on the rows to choose by; see ``contest.tuned``."""
    text = tuned(panel, pattern, values, seed)
    read = sum(n_bytes_read(plan_of(panel, pattern.format(value))) for value in values)
    made = make(panel, text, folder, seed)
    return Made(made.model, text, made.bytes_read + read, made.bytes_written)


def make(panel: Panel, text: str, folder: Path, seed: int, *folders: Path) -> Made:
    """Make a merge of all experts of a panel.

    Args:
        panel: The models.
        text: A method with settings, ``ties:density=0.5``.
        folder: A new folder.
        seed: Of the method's draws.
        folders: More folders with cards of methods.

    Raises:
        InvalidParameterError: It is no merge of experts, or a setting is out of range.
        CalculemusError: What the method raises.
    """
    method, name = method_of(text, *folders), parse_named(text)[0]
    reason = why_not(type(method), len(panel.experts))
    if reason:
        raise InvalidParameterError(
            f"merging experts by '{name}': {reason}; expected a method that merges any experts of one base. "
            "Leave it out"
        )
    if isinstance(method, TensorMerge):
        merged = Executor().merge(plan_of(panel, method, seed), folder)
        return Made(Checkpoint.open(folder), text, merged.bytes_read, merged.bytes_written)
    trial = MeteredTrial(
        panel.model(), panel.base, panel.experts, panel.tasks, Rng(seed, ("mergebench", name))
    )
    found = method.calibrate(trial)
    kept = folder.with_name(f"{folder.name}-calibrated")
    found.save(kept)
    written = sum(file.stat().st_size for file in kept.rglob("*.safetensors"))
    merged = Executor().merge(found.plan(panel.experts, panel.base, kept, seed=seed), folder)
    read = trial.bytes_read + merged.bytes_read
    return Made(Checkpoint.open(folder), text, read, merged.bytes_written + written)
