"""Scores of whole chains: by the model's probabilities, its value head, its own judgement, or chance."""

import math
from collections.abc import Generator, Sequence
from typing import Any, Literal

from calculemus.engine.requests import Request, Score, Scored, Value
from calculemus.errors import EngineCapabilityError
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.drawing import Chain

ScorerName = Literal["mean_logprob", "logprob", "value", "judge", "random"]
"""What a chain is scored by.

- ``mean_logprob``: mean log-probability of its tokens, of 0 tokens 0;
- ``logprob``: sum of them, which prefers short chains;
- ``value``: the engine's value head at its end;
- ``judge``: the probability of "yes" against "no" when the model is asked whether the chain is right;
- ``random``: a draw from [0, 1), the control.
"""

Scores = Generator[Request | Sequence[Request], Any, list[float]]


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
            f"scoring chains by '{scorer}': the engine does not give {needed}; expected one that does. "
            "Choose another scorer ('random' needs nothing) or another engine"
        )


def score(scorer: ScorerName, problem: Problem, ctx: Context, chains: Sequence[Chain]) -> Scores:
    """Return the scores of chains, higher is better, and note each in the trace."""
    if scorer == "value":
        values = yield Value(tuple(chain.completion.prefix for chain in chains))
        scores = [float(value) for value in values]
    elif scorer == "judge":
        asked = [_question(problem, ctx, chain) for chain in chains]
        replies = yield asked
        scores = [_probability_of_yes(reply) for reply in replies]
    elif scorer == "random":
        generator = ctx.rng.child("scores").generator()
        scores = [float(value) for value in generator.random(len(chains))]
    else:
        scores = [_logprob(chain, is_mean=scorer == "mean_logprob") for chain in chains]
    for chain, value in zip(chains, scores, strict=True):
        ctx.trace.annotate(chain.node, score=value)
    return scores


def to_weights(scorer: ScorerName, scores: Sequence[float]) -> list[float]:
    """Turn scores into weights of votes: probabilities from their logarithms, nothing below 0 from others."""
    if scorer in ("mean_logprob", "logprob"):
        return [math.exp(value) for value in scores]
    return [max(0.0, value) for value in scores]


def _logprob(chain: Chain, is_mean: bool) -> float:
    logprobs = chain.completion.logprobs or ()
    total = math.fsum(logprobs)
    return total / len(logprobs) if is_mean and logprobs else total


def _question(problem: Problem, ctx: Context, chain: Chain) -> Score:
    prompt = ctx.prompt("judge", problem, solution=chain.completion.text.strip())
    return Score(prompt, ("Yes", "No") if ctx.is_chat else (" yes", " no"))


def _probability_of_yes(reply: Sequence[Scored]) -> float:
    yes, no = (scored.logprob for scored in reply)
    return 1 / (1 + math.exp(min(no - yes, 700.0)))  # exp overflows beyond
