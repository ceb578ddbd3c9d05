"""Copies of a model that judge what they write: see ``self_evaluation`` for how they are asked.

A copy solves problems as the model does, and says behind any part of a solution whether to start over. It
learns on the model's own samples, and to write them, so that it goes on writing as before.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from calculemus.engine.base import Engine
from calculemus.params import AtLeast, Between
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.attempting import Attempt, Sampled
from calculemus.solving.self_evaluation import Question, places, question_for, share_of_no, single_token
from calculemus.solving.verifier_card import write_card
from calculemus.solving.verifier_figures import POSITIONS, Figures, figures
from calculemus.solving.verifiers import check_problems, split

if TYPE_CHECKING:
    from calculemus.tuning.copying import CopyFit
    from calculemus.tuning.self_judging import Asked
    from calculemus.tuning.self_judging import Question as QuestionIds


@dataclass(frozen=True)
class SelfRecipe(Sampled):
    """How a model that judges itself is made.

    Attributes:
        n: Samples a problem.
        temperature: Of sampling.
        max_tokens: Longest solution.
        held_out: Share of the problems that figures are measured on, the last ones.
        asked: Questions a solution: one behind its end, the others behind random parts of it.
        epochs: How often each different solution is gone through.
        lr: Highest rate of AdamW.
        matrix_lr: Highest rate of Muon, for the matrices inside the layers.
        lm_weight: Of the language model's loss on the samples.
        deeper: New layers behind the last one; with some they alone are trained, and the last norm; see
            ``verifiers.Recipe``. 0 trains a whole copy, as the paper does.
        seed: Of samples and training.
    """

    n: Annotated[int, AtLeast(2)] = 16
    held_out: Annotated[float, Between(0, 1, open_left=True, open_right=True)] = 0.1
    asked: Annotated[int, AtLeast(1)] = 8
    epochs: Annotated[float, AtLeast(0)] = 3.0
    lr: Annotated[float, AtLeast(0)] = 2e-3
    matrix_lr: Annotated[float, AtLeast(0)] = 5e-3
    lm_weight: Annotated[float, AtLeast(0)] = 0.1
    deeper: Annotated[int, AtLeast(0)] = 0

    def fit(self) -> "CopyFit":
        """Return how the copy is fitted."""
        from calculemus.tuning.copying import CopyFit  # torch: only where something is trained

        names = ("lm_weight", "epochs", "lr", "matrix_lr")
        return CopyFit(top=self.deeper, **{name: getattr(self, name) for name in names})


def train_self_evaluator(
    engine: Engine, model_folder: Path, problems: Sequence[Problem], recipe: SelfRecipe, folder: Path
) -> Figures:
    """Sample solutions of problems, fit a copy of the model that judges them, and write it with a card.

    Args:
        engine: The model, to sample from.
        model_folder: Its folder, of which a copy is trained.
        problems: With their answers; the last share of them is held out for the figures.
        recipe: How.
        folder: Where the copy goes; made where it is not there.

    Returns:
        Figures on the problems that were held out, of the chance of "no" as the value of a solution.

    Raises:
        InvalidParameterError: There are fewer than two problems, or yes or no is more than one token.
        EngineCapabilityError: The engine gives no token ids.
        CheckpointError: The folder holds no model that can be trained.
    """
    check_problems(problems)
    question = question_for(engine.capabilities)
    question_ids(model_folder, question)  # raises before anything is sampled
    attempts = recipe.attempts(engine, problems)
    return fit_self_evaluator(attempts, model_folder, question, recipe, folder, engine.name)


def question_ids(base: Path, question: Question) -> "QuestionIds":
    """Return a question in the tokens of a model.

    Raises:
        InvalidParameterError: Yes or no is more than one token; the message lists the pieces.
    """
    from calculemus.tuning.copying import encoded, pieces  # torch: only where something is trained
    from calculemus.tuning.self_judging import Question as QuestionIds

    found = {answer: encoded(base, answer) for answer in (question.yes, question.no)}
    yes, no = (single_token(ids, answer, *pieces(base, [ids])) for answer, ids in found.items())
    return QuestionIds(tuple(encoded(base, question.text)), yes, no)


def fit_self_evaluator(
    attempts: Sequence[Sequence[Attempt]],
    base: Path,
    question: Question,
    recipe: SelfRecipe,
    folder: Path,
    name: str,
) -> Figures:
    """Make a model that judges itself of solutions that were sampled before; see ``train_self_evaluator``."""
    from calculemus.tuning.copying import open_copy, save_copy  # torch: only where something is trained
    from calculemus.tuning.deepening import deepen
    from calculemus.tuning.self_judging import chances_of_no, fit_self_judge
    from calculemus.tuning.threads import one_thread

    known, unseen = split(attempts, recipe.held_out)
    rng = Rng(recipe.seed, ("self evaluation",))
    asked = question_ids(base, question)
    rows = list(
        chain.from_iterable(asked_rows(some, recipe.asked, rng.child(i)) for i, some in enumerate(known))
    )
    model = open_copy(base)
    deepen(model, recipe.deeper)
    with one_thread():
        losses = fit_self_judge(model, rows, asked, recipe.fit(), rng.child("order"))
        chances = iter(chances_of_no(model, [_at_positions(each) for some in unseen for each in some], asked))
    found = figures(unseen, [[next(chances) for _ in some] for some in unseen], at_positions=True)
    save_copy(model, base, folder)
    settings = {**asdict(recipe), "question": asdict(question)}
    write_card(folder, name, settings, known, found, losses)
    return found


def asked_rows(attempts: Sequence[Attempt], n: int, rng: Rng) -> "list[Asked]":
    """Return the solutions of one problem with the questions that are asked behind them."""
    from calculemus.tuning.self_judging import Asked  # torch: only where something is trained

    rows = []
    for place, (solution, share) in enumerate(zip(attempts, share_of_no(attempts), strict=True)):
        asked = places(solution, n, rng.child(place))
        shares = (share,) * len(asked)
        rows.append(Asked(solution.ids, solution.n_prompt, asked, shares, solution.count))
    return rows


def _at_positions(solution: Attempt) -> "Asked":
    from calculemus.tuning.self_judging import Asked  # torch: only where something is trained

    n = len(solution.solution_ids) - solution.is_ended
    behind = tuple(solution.n_prompt + max(1, round(share * n)) for share in POSITIONS)
    return Asked(solution.ids, solution.n_prompt, behind, (0.0,) * len(behind), solution.count)
