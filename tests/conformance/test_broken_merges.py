"""Merges and edits that are broken on purpose: each is caught, and for the right reason."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from calculemus.catalog import read_catalog
from calculemus.checkpoint import Checkpoint
from calculemus.conformance import check_method
from calculemus.merging.base import Numbers, Part, TensorMerge
from calculemus.merging.gathering import Products
from calculemus.merging.passthrough import Passthrough
from calculemus.merging.structure import Layout, Source, StructureEdit


@dataclass(frozen=True)
class Sum(TensorMerge):
    """Adds models up without dividing."""

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return the sum."""
        return np.sum(part.inputs, axis=0)


@dataclass(frozen=True)
class Moves(TensorMerge):
    """Adds something where nothing was learned."""

    needs_base: ClassVar[bool] = True

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return the base, moved by the weights."""
        return part.base * np.float32(1 + max(0, sum(part.weights) - len(part.weights)))


@dataclass(frozen=True)
class Local(TensorMerge):
    """Takes the mean of a run for that of the tensor."""

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return the mean model, less what is above its mean."""
        mean = np.mean(part.inputs, axis=0)
        return np.where(mean > mean.mean(), mean, mean * np.float32(0.5))


@dataclass(frozen=True)
class Dice(TensorMerge):
    """Draws from the world."""

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return a model by chance."""
        return part.inputs[random.randrange(len(part.inputs))]


class Hoarding:
    """Keeps all that it sees."""

    kept: ClassVar[list[Numbers]] = []

    def take(self, part: Part) -> None:
        """Keep a run."""
        self.kept.extend(array.copy() for array in part.inputs)

    def is_complete(self) -> bool:
        """Say that one pass is enough."""
        return True


@dataclass(frozen=True)
class Hoard(TensorMerge):
    """Keeps the whole model in memory."""

    def gather(self) -> Hoarding:
        """Keep everything."""
        return Hoarding()

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return the mean."""
        return np.mean(part.inputs, axis=0)


@dataclass(frozen=True)
class Remembers(TensorMerge):
    """Lets what it saw of one tensor into the next."""

    needs_base: ClassVar[bool] = True
    seen: ClassVar[list[str]] = []

    def merge(self, part: Part, found: Any) -> Numbers:
        """Return the base and what the first model learned, times how many parts there were."""
        self.seen.append(part.name)
        return part.base + (part.inputs[0] - part.base) * np.float32(len(self.seen))


@dataclass(frozen=True)
class Halving(TensorMerge):
    """A sound one: scales each tensor's mean by its norms."""

    def gather(self) -> Products:
        """Sum the products."""
        return Products(lambda part: part.inputs)

    def merge(self, part: Part, found: Products) -> Numbers:
        """Return the mean of the models, weighted by their norms."""
        norms = np.diag(found.sums)
        if not norms.any():
            return part.inputs[0]
        factors = norms / norms.sum()
        return np.sum([array * np.float32(f) for array, f in zip(part.inputs, factors, strict=True)], axis=0)


@pytest.mark.parametrize(
    ("method", "check"),
    [
        (Sum(), "copies_of_one_model_give_that_model"),
        (Moves(), "zero_task_vectors_give_the_base"),
        (Local(), "runs_and_threads_change_nothing"),
        (Dice(), "models_and_global_generators_are_left_alone"),
        (Hoard(), "memory_does_not_grow_with_the_model"),
        (Remembers(), "tensor_by_tensor_is_the_whole_model"),
    ],
)
def test_a_broken_merge_is_caught(method: TensorMerge, check: str) -> None:
    report = check_method(method)
    assert check in {fault.check for fault in report.faults}


def test_a_sound_merge_of_a_stranger_passes() -> None:
    report = check_method(Halving())
    merges = [result for result in report.results if result.outcome not in ("passed", "skipped")]
    assert [result.message for result in merges] == [
        "Halving: the docstring of Halving names no source; expected "
        "'Source: ...' with paper, number and section. Write it"
    ]


@dataclass(frozen=True)
class Renamed(StructureEdit):
    """An edit whose configuration says nothing of the layers that it takes away."""

    def layout(self, models: Sequence[Checkpoint]) -> Layout:
        """Return a table that is another one each time."""
        name = f"model.norm.{random.random()}"
        return Layout({name: (Source(0, "model.norm.weight"),)})


def test_an_edit_that_is_another_each_time_is_caught() -> None:
    report = check_method(Renamed())
    assert "an_edit_leaves_its_models_alone_and_repeats" in {fault.check for fault in report.faults}


def test_a_sound_edit_passes() -> None:
    assert check_method(Passthrough(("0[0:2]", "1[1:2]"))).ok


def test_a_merge_that_is_said_to_draw_and_does_not_is_caught(tmp_path: Path) -> None:
    card = read_catalog().get("dare_linear").path.read_text("utf-8")
    card = card.replace('"dare_linear"', '"undrawn"').replace(
        "calculemus.merging.dare_linear:DareLinear", "undrawn:Undrawn"
    )
    (tmp_path / "undrawn.toml").write_text(card, "utf-8")
    (tmp_path / "undrawn.py").write_text(
        "from dataclasses import dataclass\nfrom calculemus.merging.base import TensorMerge\n\n\n"
        '@dataclass(frozen=True)\nclass Undrawn(TensorMerge):\n    """Take the first.\n\n'
        '    Source: nobody, section 1.\n    """\n\n'
        "    def merge(self, part, found):\n        return part.inputs[0]\n"
    )
    report = check_method(tmp_path / "undrawn.toml")
    assert "a_seed_matters_to_those_that_draw" in {fault.check for fault in report.faults}
