"""What a model learns by for DuET, and how well it keeps and carries over: the loss term and the index.

Source: Monga et al. 2025, arXiv:2506.21260, by public summaries; the paper was not read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from calculemus.errors import InvalidParameterError
from calculemus.events import note
from calculemus.tuning.weights import Weights


def join_labels(old: Sequence[int], new: Sequence[int]) -> tuple[int, ...]:
    """Return the labels of joined heads, in the order of their rows.

    Raises:
        InvalidParameterError: A label is in both.
    """
    twice = sorted(set(old) & set(new))
    if twice:
        raise InvalidParameterError(
            f"DuET: joining heads: the label {twice[0]} is in the old and in the new one; expected tasks "
            "that share no label. Give the new task's rows other labels"
        )
    return (*old, *new)


@dataclass(frozen=True)
class DirectionalConsistency:
    """The loss term L_DC: what an update takes back of the one before, added to a task's own loss.

    The base counts as a model: the term is at work from the second task on. Before it there is no update to
    hold on to, and the term is 0.

    Attributes:
        models: Weights of all the models so far, the base first; of shared parameters only.
        weight: What the term is multiplied by (lambda_DC).
    """

    models: Sequence[Weights]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if len(self.models) < 2 and self.weight:
            note("DuET: there is no update yet that another one could turn against: L_DC has no effect")

    def __call__(self, model: nn.Module) -> Tensor | float:
        """Return the term for a model in training, with its gradient."""
        if len(self.models) < 2:
            return 0.0
        return self.weight * directional_consistency(dict(model.named_parameters()), *self.models[-1:-3:-1])


def directional_consistency(now: Weights, previous: Weights, before: Weights) -> Tensor:
    """Return the sum over weights of what an update has against the update before it.

    That is sum of ReLU(-(now - previous) * (previous - before)): task vectors are of one base, which drops
    out of their differences.
    """
    terms = [
        (-(now[name] - previous[name]) * (previous[name] - before[name])).clamp(min=0).sum()
        for name in previous
    ]
    return sum(terms[1:], start=terms[0])


def sign_conflicts(now: Weights, previous: Weights, before: Weights) -> float:
    """Return the share of weights whose update turns against the update before it."""
    n_conflicts, n_all = 0, 0
    for name in previous:
        product = (now[name] - previous[name]) * (previous[name] - before[name])
        n_conflicts += int((product < 0).sum())
        n_all += product.numel()
    return n_conflicts / n_all


@dataclass(frozen=True, slots=True)
class Retention:
    """How well a model kept and carried over what it learned.

    Attributes:
        retention: Mean over pairs that were learned of the final score over that when learned (Avg RI).
        generalisation: Mean over pairs never seen together of the score over a reference's (Avg GI).
    """

    retention: float
    generalisation: float

    @property
    def index(self) -> float:
        """The retention-adaptability index (RAI)."""
        return (self.retention + self.generalisation) / 2


def retention(
    final: Mapping[str, float], learned: Mapping[str, float], reference: Mapping[str, float]
) -> Retention:
    """Return the indices of a model behind its last task.

    Args:
        final: Its score on each pair of class and domain.
        learned: For pairs that a task had, the score behind that task.
        reference: For the other pairs, a reference model's score.

    Raises:
        InvalidParameterError: There is no pair of a kind, a pair is of both kinds or of none, or a score to
            divide by is not above 0.
    """
    if not learned or not reference or set(final) != set(learned) ^ set(reference):
        raise InvalidParameterError(
            f"retention: there are final scores of {len(final)} pairs, {len(learned)} that were learned and "
            f"{len(reference)} with a reference; expected each pair once, and some of both kinds"
        )
    below = [pair for pair, score in (*learned.items(), *reference.items()) if score <= 0]
    if below:
        raise InvalidParameterError(
            f"retention: the score of {below[0]} to divide by is not above 0; expected a pair that can be "
            "learned. Leave it out"
        )
    means = [
        sum(final[pair] / score for pair, score in scores.items()) / len(scores)
        for scores in (learned, reference)
    ]
    return Retention(*means)
