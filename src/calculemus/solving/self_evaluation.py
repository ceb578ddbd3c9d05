"""Self-evaluation: the model says with one token whether starting over would do better.

    scores = yield ask(completion.prefix, question_for(ctx.capabilities))
    chance = chance_of_no(scores, question)

Source: Manvi et al. 2024, arXiv:2410.02725, section 3: the chance of "no" against "yes" stands for the chance
that a fresh sample would not be better than this one; equal ones count as not better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calculemus.engine.requests import Capabilities, Prompt, Score, Scored
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.params import digest
from calculemus.rng import Rng
from calculemus.solving.attempting import Attempt
from calculemus.solving.templates import DEFAULT


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked behind a solution or a part of it.

    Attributes:
        text: The question.
        yes: Says that starting over would do better; one token.
        no: Says that it would not; one token.
    """

    text: str
    yes: str
    no: str

    @property
    def digest(self) -> str:
        """Names it by content."""
        return digest([self.text, self.yes, self.no])


QUESTIONS = {
    DEFAULT: Question("\n\nWould starting over give a better solution? Answer yes or no:", " yes", " no"),
    "tiny": Question(
        "\n need more?", " more", " rest"
    ),  # words of its closed vocabulary, in no solution's order
}
"""By the prompt set that a model wants."""


def question_for(capabilities: Capabilities) -> Question:
    """Return the question in the words of an engine's model."""
    return question_of(capabilities.facts.get("prompts"))


def question_of(prompt_set: str | None) -> Question:
    """Return the question in the words of a prompt set; None stands for the default one."""
    return QUESTIONS.get(prompt_set or DEFAULT, QUESTIONS[DEFAULT])


def check_self_evaluation(capabilities: Capabilities) -> None:
    """Make sure that an engine can be asked, before anything is spent.

    Raises:
        EngineCapabilityError: It gives no log-probabilities of given tokens.
    """
    if "Score" not in capabilities.kinds or not capabilities.logprobs:
        raise EngineCapabilityError(
            "asking a model to judge itself: the engine gives no log-probabilities of given tokens; expected "
            "an engine with 'Score' requests. Choose a local model, or an endpoint with its option 'logprobs'"
        )


def ask(so_far: Prompt, question: Question) -> Score:
    """Return the request that asks the question behind a solution or a part of it.

    Args:
        so_far: Prompt and what was written, as ``Completion.prefix`` has it: its tokens are kept.
        question: What is asked.
    """
    prompt = f"{so_far}{question.text}" if isinstance(so_far, str) else so_far + question.text
    return Score(prompt, (question.yes, question.no))


def chance_of_no(scored: Sequence[Scored], question: Question) -> float:
    """Return the chance of "no", of the two answers alone.

    Args:
        scored: The reply to what ``ask`` returns.
        question: What was asked.

    Raises:
        EngineCapabilityError: An answer is more than one token to this model.
    """
    for answer, each in zip((question.yes, question.no), scored, strict=True):
        if len(each.logprobs) != 1:
            raise EngineCapabilityError(
                f"asking a model to judge itself: its tokenizer cuts the answer {answer!r} into "
                f"{len(each.logprobs)} pieces{f' (ids {list(each.ids)})' if each.ids else ''}; expected one "
                "token. Use a model that writes it as one, or add a question of its own to QUESTIONS"
            )
    yes, no = (each.logprob for each in scored)
    return 1 / (1 + math.exp(min(yes - no, 700.0)))  # exp overflows beyond


def is_not_better(reward: float, fresh: float) -> bool:
    """Say whether a fresh sample would not be better than this one; a tie counts as not better.

    Example:
        >>> is_not_better(1, 0), is_not_better(1, 1), is_not_better(0, 0), is_not_better(0, 1)
        (True, True, True, False)
    """
    return fresh <= reward


def share_of_no(attempts: Sequence[Attempt]) -> list[float]:
    """Return for each solution of a problem the share of the others that would not be better.

    It is the mean label of all pairs with another sample, so it has the same expectation as that of one pair.
    """
    n = sum(each.count for each in attempts)
    n_right = sum(each.count * each.is_correct for each in attempts)
    others = max(1, n - 1)
    return [1.0 if each.is_correct else 1 - n_right / others for each in attempts]


def places(solution: Attempt, n: int, rng: Rng) -> tuple[int, ...]:
    """Return how many tokens stand before each question: all of a solution, and random parts of it.

    Args:
        solution: What was sampled.
        n: Questions, fewer where the solution is short.
        rng: Names the draws.
    """
    last = len(solution.ids) - solution.is_ended
    inside = range(solution.n_prompt + 1, last)
    drawn = rng.generator().permutation(len(inside))[: max(0, n - 1)]
    return (last, *sorted(inside[i] for i in drawn.tolist()))


def single_token(pieces: Sequence[int], answer: str, written: Sequence[str]) -> int:
    """Return the one token of an answer.

    Args:
        pieces: Its token ids.
        answer: The answer.
        written: What each of them writes.

    Raises:
        InvalidParameterError: There are more, or none.
    """
    if len(pieces) != 1:
        raise InvalidParameterError(
            f"training a model to judge itself: its tokenizer cuts the answer {answer!r} into "
            f"{len(pieces)} pieces, {list(written)}; expected one token. Choose words that it writes as one"
        )
    return pieces[0]
