"""Scores of chains and of partial solutions: by probabilities, value heads, the model's own judgement."""

import math
import re
from collections.abc import Generator, Sequence
from typing import Any, Literal

from calculemus.engine.requests import Request, Score, Scored, Value
from calculemus.errors import EngineCapabilityError
from calculemus.problem import Problem
from calculemus.solving.candidate import Candidate
from calculemus.solving.context import Context

ScorerName = Literal["mean_logprob", "logprob", "value", "judge", "equations", "random"]
"""What a candidate is scored by.

- ``mean_logprob``: mean log-probability of its tokens, of 0 tokens 0;
- ``logprob``: sum of them, which prefers short texts;
- ``value``: the engine's value head at its end, or the mean of several;
- ``judge``: the probability of "yes" against "no" when the model is asked whether the text is right;
- ``equations``: the share of the equations in it, such as ``2 + 3 = 5``, that hold; 1 where there are none;
- ``random``: a draw from [0, 1), the control.
"""

Scores = Generator[Request | Sequence[Request], Any, list[float]]
_SUM = re.compile(r"(?<![\w.])([\d.]+(?:\s*[-+*/]\s*[\d.]+)+)\s*=\s*(-?\d+(?:\.\d+)?)")
_TOLERANCE = 1e-6  # relative: what binary fractions leave behind


def check_scorer(scorer: ScorerName, ctx: Context) -> None:
    """Make sure that the engine can give the scores, before anything is spent.

    Raises:
        EngineCapabilityError: It cannot.
        InvalidParameterError: Its model's prompt set does not ask for judgements.
    """
    if scorer == "judge":
        ctx.stop("judge")  # raises where the model's prompt set has no such prompt
    has = ctx.capabilities
    by_logprob = scorer in ("mean_logprob", "logprob")
    kind = {"value": "Value", "judge": "Score"}.get(scorer)
    if (by_logprob and not has.logprobs) or (kind and kind not in has.kinds):
        needed = "log-probabilities of what it samples" if by_logprob else f"'{kind}' requests"
        raise EngineCapabilityError(
            f"scoring by '{scorer}': the engine does not give {needed}; expected one that does. "
            "Choose another scorer ('random' needs nothing) or another engine, or put a verifier beside a "
            "local model: MODEL+ovm"
        )


def score(
    scorer: ScorerName,
    problem: Problem,
    ctx: Context,
    candidates: Sequence[Candidate],
    heads: str = "value",
) -> Scores:
    """Return the scores of candidates, higher is better, and note each in the trace.

    Args:
        scorer: What they are scored by.
        problem: Which they answer.
        ctx: Of the problem.
        candidates: Chains, or partial solutions.
        heads: Names of the value heads, joined by ``+``; their values are averaged.
    """
    if scorer == "value":
        prompts = tuple(candidate.prompt for candidate in candidates)
        replies = yield [Value(prompts, head) for head in heads.split("+")]
        scores = [math.fsum(values) / len(replies) for values in zip(*replies, strict=True)]
    elif scorer == "judge":
        asked = [_question(problem, ctx, candidate) for candidate in candidates]
        replies = yield asked
        scores = [probability_of_yes(reply) for reply in replies]
    elif scorer == "equations":
        scores = [share_of_equations(candidate.text) for candidate in candidates]
    elif scorer == "random":
        # Each is named by its place in the trace, so that those of later steps are new draws.
        draws = [ctx.rng.child("scores", candidate.node) for candidate in candidates]
        scores = [float(draw.generator().random()) for draw in draws]
    else:
        scores = [_logprob(candidate, is_mean=scorer == "mean_logprob") for candidate in candidates]
    for candidate, value in zip(candidates, scores, strict=True):
        ctx.trace.annotate(candidate.node, score=value)
    return scores


def to_weights(scorer: ScorerName, scores: Sequence[float]) -> list[float]:
    """Turn scores into weights of votes: probabilities from their logarithms, nothing below 0 from others."""
    if scorer in ("mean_logprob", "logprob"):
        return [math.exp(value) for value in scores]
    return [max(0.0, value) for value in scores]


def share_of_equations(text: str) -> float:
    """Return the share of sums in a text that hold; 1 where it has none.

    Example:
        >>> share_of_equations("He has 2 * 3 = <<2*3=6>>6, then 6 + 1 = 8.")
        0.5
    """
    found = [_holds(left, right) for left, right in _SUM.findall(text)]
    return sum(found) / len(found) if found else 1.0


def _holds(left: str, right: str) -> bool:
    terms = [0.0]
    for sign, number in re.findall(r"([-+*/]?)\s*([\d.]+)", left):
        try:
            value = float(number)
        except ValueError:  # several points in one number
            return False
        if sign == "*":
            terms[-1] *= value
        elif sign == "/":
            if not value:
                return False
            terms[-1] /= value
        else:
            terms.append(-value if sign == "-" else value)
    return math.isclose(math.fsum(terms), float(right), rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _logprob(candidate: Candidate, is_mean: bool) -> float:
    total = candidate.logprob or 0.0
    return total / candidate.n_tokens if is_mean and candidate.n_tokens else total


def _question(problem: Problem, ctx: Context, candidate: Candidate) -> Score:
    prompt = ctx.prompt("judge", problem, solution=candidate.text.strip())
    return Score(prompt, ("Yes", "No") if ctx.is_chat else (" yes", " no"))


def probability_of_yes(reply: Sequence[Scored]) -> float:
    """Return the chance of the first of two scored answers against the second."""
    yes, no = (scored.logprob for scored in reply)
    return 1 / (1 + math.exp(min(no - yes, 700.0)))  # exp overflows beyond
