"""CultureMERT: continual pre-training in two stages, each of them warmed up and cooled down anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from torch import nn

from calculemus.errors import InvalidParameterError
from calculemus.merging.layers import PARTS, address
from calculemus.params import AtLeast, Between, Configured
from calculemus.rng import Rng
from calculemus.tuning.fitting import Fit, fit_through
from calculemus.tuning.text_task import Encoded, TextTask, batches


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the training.

    Attributes:
        fit: Its steps, and its rate that rises and falls.
        parts: What is trained, as ``layers.address`` names parts; None for everything.
        share: Of the new domains' rows, those that the stage learns from.
    """

    fit: Fit
    parts: tuple[str, ...] | None
    share: float

    def trains(self, name: str) -> bool:
        """Say of a parameter whether it is trained."""
        return self.parts is None or address(name).part in self.parts


@dataclass(frozen=True, slots=True)
class Adapted:
    """What a training came to.

    Attributes:
        losses: Of each step, stage by stage.
        old_before: Loss on the old domain's dev rows before, in nats a token.
        old_after: The same afterwards.
        new_before: Loss on the new domains' dev rows before.
        new_after: The same afterwards.
    """

    losses: tuple[tuple[float, ...], ...]
    old_before: float
    old_after: float
    new_before: float
    new_after: float

    @property
    def forgetting(self) -> float:
        """By how much the loss on the old domain rose."""
        return self.old_after - self.old_before


@dataclass(frozen=True)
class CultureMert(Configured):
    """Adapt a trained model to new domains in two stages, with some of the old domain mixed in.

    Source: "CultureMERT", 2025, arXiv:2506.17818. The first stage trains a part of the network on a share of
    the new data, the second one all of it on all data; in each the learning rate warms up again and decays
    again. Which part, which shares and which rates is not known to us. Here the first stage trains what
    meets the tokens, embeddings and head, so that the layers are first changed once these fit.

    The cheap alternative is ``task_arithmetic`` of models that were each adapted to one domain.

    Attributes:
        first_steps: Steps of the first stage; with 0 there is the second one alone.
        second_steps: Steps of the second stage.
        first_lr: Highest rate of the first stage.
        second_lr: Highest rate of the second stage.
        warmup: Share of a stage in which its rate rises.
        cooldown: Share of a stage in which its rate falls.
        first_parts: Parts that the first stage trains, as ``layers.PARTS`` names them.
        first_share: Share of the new domains' rows that the first stage learns from.
        replay: Share of the rows of each step that are of the old domain.
        rows: Of a step.
    """

    first_steps: Annotated[int, AtLeast(0)] = 100
    second_steps: Annotated[int, AtLeast(0)] = 200
    first_lr: Annotated[float, AtLeast(0)] = 1e-3
    second_lr: Annotated[float, AtLeast(0)] = 5e-4
    warmup: Annotated[float, Between(0, 1, open_left=True)] = 0.1
    cooldown: Annotated[float, Between(0, 1)] = 0.5
    first_parts: tuple[str, ...] = ("embed", "positions", "head")
    first_share: Annotated[float, Between(0, 1, open_left=True)] = 0.3
    replay: Annotated[float, Between(0, 1, open_right=True)] = 0.2
    rows: Annotated[int, AtLeast(2)] = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [part for part in self.first_parts if part not in PARTS]
        if unknown or not self.first_parts:
            raise InvalidParameterError(
                f"CultureMert: parameter 'first_parts' is {self.first_parts!r}; expected at least one of "
                f"{', '.join(PARTS)}"
            )

    def stages(self) -> tuple[Stage, ...]:
        """Return the stages, in their order."""
        first = Stage(self._fit(self.first_steps, self.first_lr), self.first_parts, self.first_share)
        second = Stage(self._fit(self.second_steps, self.second_lr), None, 1.0)
        return tuple(stage for stage in (first, second) if stage.fit.steps)

    def in_one_stage(self) -> "CultureMert":
        """Return the baseline: everything trained at once, with the same rate and on as many rows."""
        return replace(self, first_steps=0, second_steps=self.first_steps + self.second_steps)

    def _fit(self, steps: int, lr: float) -> Fit:
        warmup = max(1, round(self.warmup * steps))
        return Fit(
            steps=steps,
            optimizer="adamw",
            lr=lr,
            weight_decay=0.0,
            warmup=warmup,
            cooldown=self.cooldown,
        )

    def train(self, model: nn.Module, old: TextTask, new: TextTask, rng: Rng) -> Adapted:
        """Train a model in place.

        Args:
            model: Changed.
            old: What it was trained on.
            new: The new domains, mixed.
            rng: Names the order of rows.

        Raises:
            InvalidParameterError: A domain has no rows to learn from or to measure on, or the model has
                nothing that the first stage trains.
        """
        _check(model, old, new, self)
        old_before, new_before = old.mean_loss(model, "dev"), new.mean_loss(model, "dev")
        losses = [
            fit_through(
                model,
                self.steps(old, new, stage.share, rng.child(number)),
                new.loss,
                stage.fit,
                only=stage.trains,
            )
            for number, stage in enumerate(self.stages())
        ]
        old_after, new_after = old.mean_loss(model, "dev"), new.mean_loss(model, "dev")
        return Adapted(tuple(map(tuple, losses)), old_before, old_after, new_before, new_after)

    def steps(self, old: TextTask, new: TextTask, share: float, rng: Rng) -> Iterator[Sequence[Encoded]]:
        """Yield what steps learn from, without end: rows of both domains.

        Args:
            old: Of which ``replay`` of the rows are.
            new: Of which the others are.
            share: Of the new domains' rows, those that are drawn from; the first ones.
            rng: Names the draws.
        """
        part = replace(new, train=new.train[: max(1, round(share * len(new.train)))])
        n_old = round(self.replay * self.rows)
        streams = [batches(part, rng.child("new"), self.rows - n_old)]
        if n_old:
            streams.append(batches(old, rng.child("old"), n_old))
        while True:
            yield [piece for stream in streams for piece in next(stream)]


def _check(model: nn.Module, old: TextTask, new: TextTask, recipe: CultureMert) -> None:
    for task, what in ((old, "old"), (new, "new")):
        if not task.train or not task.dev:
            raise InvalidParameterError(
                f"adapting a model: the {what} domain '{task.name}' has {len(task.train)} rows to learn from "
                f"and {len(task.dev)} to measure on; expected some of both, or what is learned and forgotten "
                "cannot be told"
            )
    stage = recipe.stages()[:1]
    if stage and not any(stage[0].trains(name) for name, _ in model.named_parameters()):
        raise InvalidParameterError(
            f"adapting a model: none of its tensors is of the parts {', '.join(recipe.first_parts)}, which "
            "the first stage trains; expected some. Give first_parts that the model has"
        )
