"""Verifiers of a model, made from its own graded solutions.

A verifier is a copy of the model with a value head, in a folder that ``TorchEngine`` opens like any model:

    train_verifier(engine, MODEL, problems, Recipe(labels="token"), Path("tvm"))
    verified = VerifiedEngine(engine, {"tvm": TorchEngine("tvm")})
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from calculemus.engine.base import Engine
from calculemus.errors import InvalidParameterError
from calculemus.params import AtLeast, Between
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.attempting import Attempt, Sampled
from calculemus.solving.prefix_trie import token_labels
from calculemus.solving.steps import StepKind, StepSplitter
from calculemus.solving.td_targets import at_ends, td_targets
from calculemus.solving.verifier_card import write_card
from calculemus.solving.verifier_figures import Figures, figures

if TYPE_CHECKING:
    from calculemus.tuning.valuing import Fitted, Labelled, ValueFit

Labels = Literal["outcome", "token", "td"]
"""What the tokens of a solution are labelled with.

- ``outcome``: whether it ends right (OVM);
- ``token``: the share of the samples beginning with the same tokens that ends right (TVM);
- ``td``: behind each step, what temporal differences say, on the scale from -1 to 1 (FETCH).
"""


@dataclass(frozen=True)
class Recipe(Sampled):
    """How a verifier is made.

    Attributes:
        labels: See ``Labels``.
        n: Samples a problem.
        temperature: Of sampling.
        max_tokens: Longest solution.
        held_out: Share of the problems that figures are measured on, the last ones.
        epochs: How often each different solution is gone through.
        lr: Highest rate of AdamW and of the head.
        matrix_lr: Highest rate of Muon, for the matrices inside the layers.
        lm_weight: Of the language model's loss, where a whole copy is trained.
        dropout: Of the head's inputs.
        loss: See ``ValueFit``.
        squash: What the head's sum goes through; ``td`` has tanh.
        step: What ends a step, for ``td``.
        lam: Lambda of ``td``. FETCH: 0.8.
        td_epochs: How often the solutions are gone through once more with ``td``, alpha rising from 0 to 1.
        deeper: New layers behind the last one; with some they alone are trained, the last norm and the head
            with them. A small model sees a mistake in its last layers only, too late to remember it. 0 trains
            a whole copy, as the papers do.
        seed: Of samples and training.
    """

    labels: Labels = "outcome"
    held_out: Annotated[float, Between(0, 1, open_left=True, open_right=True)] = 0.1
    epochs: Annotated[float, AtLeast(0)] = 3.0
    lr: Annotated[float, AtLeast(0)] = 2e-3
    matrix_lr: Annotated[float, AtLeast(0)] = 5e-3
    lm_weight: Annotated[float, AtLeast(0)] = 0.3
    dropout: Annotated[float, Between(0, 1, open_right=True)] = 0.2
    loss: Literal["squared", "cross_entropy"] = "squared"
    squash: Literal["none", "sigmoid"] = "sigmoid"
    step: StepKind = "line"
    lam: Annotated[float, Between(0, 1)] = 0.8
    td_epochs: Annotated[float, AtLeast(0)] = 1.0
    deeper: Annotated[int, AtLeast(0)] = 0

    def fit(self) -> "ValueFit":
        """Return how the copy is fitted."""
        from calculemus.tuning.valuing import ValueFit  # torch: only where something is trained

        names = ("loss", "lm_weight", "dropout", "epochs", "lr", "matrix_lr")
        squash = "tanh" if self.labels == "td" else self.squash
        return ValueFit(squash=squash, top=self.deeper, **{name: getattr(self, name) for name in names})


def train_verifier(
    engine: Engine, model_folder: Path, problems: Sequence[Problem], recipe: Recipe, folder: Path
) -> Figures:
    """Sample solutions of problems, grade and label them, fit a copy of the model, and write it with a card.

    Args:
        engine: The model, to sample from.
        model_folder: Its folder, of which a copy is trained.
        problems: With their answers; the last share of them is held out for the figures.
        recipe: How.
        folder: Where the verifier goes; made where it is not there.

    Returns:
        Figures on the problems that were held out.

    Raises:
        InvalidParameterError: There are fewer than two problems.
        EngineCapabilityError: The engine gives no token ids.
        CheckpointError: The folder holds no model that can be trained.
    """
    check_problems(problems)
    attempts = recipe.attempts(engine, problems)
    tokenizer = getattr(engine, "tokenizer_digest", None) or ""
    return fit_and_write(attempts, model_folder, recipe, folder, tokenizer, engine.name)


def check_problems(problems: Sequence[Problem]) -> None:
    """Refuse fewer than two problems.

    Raises:
        InvalidParameterError: There are fewer.
    """
    if len(problems) < 2:
        raise InvalidParameterError(
            f"training a verifier: there are {len(problems)} problems; expected two at least, one to learn "
            "from and one to measure on, and some hundreds for a verifier of any use"
        )


def split(
    attempts: Sequence[Sequence[Attempt]], held_out: float
) -> tuple[Sequence[Sequence[Attempt]], Sequence[Sequence[Attempt]]]:
    """Return the problems to learn from and those to measure on, one of each at least."""
    n_test = min(len(attempts) - 1, max(1, round(held_out * len(attempts))))
    return attempts[:-n_test], attempts[-n_test:]


def fit_and_write(
    attempts: Sequence[Sequence[Attempt]],
    base: Path,
    recipe: Recipe,
    folder: Path,
    tokenizer: str = "",
    name: str = "",
) -> Figures:
    """Make a verifier of solutions that were sampled before; see ``train_verifier``.

    Args:
        attempts: Solutions by problem.
        base: The folder of the model that wrote them.
        recipe: How.
        folder: Where the verifier goes.
        tokenizer: Digest of the model's tokenizer, which the head will insist on.
        name: Of the model, for the card.
    """
    from calculemus.engine.torch_engine.heads import ValueHead  # torch: only where something is trained
    from calculemus.tuning.copying import open_copy, save_copy
    from calculemus.tuning.deepening import deepen
    from calculemus.tuning.threads import one_thread
    from calculemus.tuning.valuing import values_of

    known, unseen = split(attempts, recipe.held_out)
    model = open_copy(base)
    deepen(model, recipe.deeper)
    with one_thread():
        fitted = _fit(model, base, known, recipe)
        rows = [[_row(each, [0.0] * len(each.solution_ids)) for each in some] for some in unseen]
        values = iter(values_of(model, fitted, list(chain.from_iterable(rows))))
    by_problem = [[_as_probability(next(values), fitted) for _ in some] for some in rows]
    found = figures(unseen, by_problem)
    save_copy(model, base, folder)
    ValueHead(fitted.weight, fitted.bias, fitted.squash, tokenizer).save(folder / "value_head.safetensors")
    write_card(folder, name or base.name, asdict(recipe), known, found, fitted.losses)
    return found


def _as_probability(values: Sequence[float], fitted: "Fitted") -> tuple[float, ...]:
    return tuple((v + 1) / 2 for v in values) if fitted.squash == "tanh" else tuple(values)


def _row(solution: Attempt, labels: Sequence[float], later: Sequence[float] | None = None) -> "Labelled":
    from calculemus.tuning.valuing import Labelled  # torch: only where something is trained

    return Labelled(
        solution.ids,
        solution.n_prompt,
        tuple(labels),
        None if later is None else tuple(later),
        solution.count,
    )


def _fit(model: Any, base: Path, attempts: Sequence[Sequence[Attempt]], recipe: Recipe) -> "Fitted":
    """Train the copy in place; return its head."""
    from calculemus.tuning.valuing import fit_verifier, values_of  # torch: only where something is trained

    rng, fit = Rng(recipe.seed, ("verifier", "fit")), recipe.fit()
    rows = list(chain.from_iterable(first_rows(some, recipe.labels) for some in attempts))
    fitted = fit_verifier(model, rows, fit, rng)
    if recipe.labels != "td" or not recipe.td_epochs:
        return fitted
    flat = list(chain.from_iterable(attempts))
    ends = _step_ends(base, flat, recipe.step)
    values = values_of(model, fitted, rows)
    rows = [td_row(*each, recipe.lam) for each in zip(flat, values, ends, strict=True)]
    again = replace(fit, epochs=recipe.td_epochs)
    return fit_verifier(model, rows, again, rng.child("td"), fitted)


def first_rows(attempts: Sequence[Attempt], labels: Labels) -> "list[Labelled]":
    """Return the solutions of one problem, labelled for the first fit."""
    if labels == "token":
        outcomes, counts = [a.is_correct for a in attempts], [a.count for a in attempts]
        found = token_labels([a.solution_ids for a in attempts], outcomes, counts)
        return [_row(solution, own) for solution, own in zip(attempts, found, strict=True)]
    low = -1.0 if labels == "td" else 0.0
    return [_row(a, [1.0 if a.is_correct else low] * len(a.solution_ids)) for a in attempts]


def td_row(solution: Attempt, values: Sequence[float], ends: Sequence[int], lam: float) -> "Labelled":
    """Return a solution labelled behind each step: with its outcome first, with the TD targets later.

    Args:
        solution: What was sampled.
        values: What a first verifier says behind each of its tokens.
        ends: Place of each step's last token.
        lam: Lambda.
    """
    outcome = 1.0 if solution.is_correct else -1.0
    targets = td_targets([values[end] for end in ends], outcome, lam=lam)
    n = len(solution.solution_ids)
    return _row(solution, at_ends(n, ends, [outcome] * len(ends)), at_ends(n, ends, targets))


def _step_ends(base: Path, attempts: Sequence[Attempt], step: StepKind) -> list[list[int]]:
    """Return the place of each step's last token, the mark of the end left out."""
    from calculemus.tuning.copying import pieces  # torch: only where something is trained

    splitter = StepSplitter(step)
    spoken = [a.solution_ids[:-1] if a.is_ended else a.solution_ids for a in attempts]
    return [[end - 1 for end in splitter.ends(own)] for own in pieces(base, spoken)]
