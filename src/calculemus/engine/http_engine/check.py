"""Refuses what a server cannot do, before anything is sent."""

from calculemus.engine.http_engine.abilities import Abilities
from calculemus.engine.http_engine.wire import route, score_prompt
from calculemus.engine.requests import Embed, EngineRequest, Sample, Score
from calculemus.errors import EngineCapabilityError


def kinds(can: Abilities) -> frozenset[str]:
    """Return the kinds of requests that a server takes."""
    named = {"Sample": True, "Score": can.scores, "Embed": can.embeds}
    return frozenset(name for name, is_there in named.items() if is_there)


def check(name: str, request: EngineRequest, can: Abilities) -> None:
    """Check a request against what the server has shown.

    Raises:
        EngineCapabilityError: The server has not the kind of request, or an option of it.
    """
    if isinstance(request, Sample):
        _check_sample(name, request, can)
    elif isinstance(request, Score):
        _check_score(name, request, can)
    elif not isinstance(request, Embed) or not can.embeds:
        raise EngineCapabilityError(
            f"{name}: cannot take {type(request).__name__} requests; the server has only "
            f"{', '.join(sorted(kinds(can)))}. Take a local model for this method, or another method"
        )


def _check_sample(name: str, request: Sample, can: Abilities) -> None:
    way = route(name, request.prompt, can).way
    sampling = request.sampling
    wanted = {"top_k": sampling.top_k > 0, "min_p": sampling.min_p > 0}
    for option, is_wanted in wanted.items():
        if is_wanted and option not in way.extras:
            raise EngineCapabilityError(
                f"{name}: cannot sample with {option}={getattr(sampling, option)}: the field had no effect, "
                f"or was refused, when it was tried on {way.path}; expected a server that honours it. Leave "
                f"{option} at 0 and use temperature and top_p"
            )


def _check_score(name: str, request: Score, can: Abilities) -> None:
    doing = f"{name}: cannot take Score requests"
    if not can.scores:
        raise EngineCapabilityError(
            f"{doing}: the server gave no log-probabilities of a prompt when it was tried (echo with "
            "logprobs on /completions); expected them. Take a server that has them (vLLM) or a local model, "
            "or a method that only samples"
        )
    if any(score_prompt(request.prompt, continuation, can) is None for continuation in request.continuations):
        raise EngineCapabilityError(
            f"{doing} of this kind: behind a conversation the server's own template stands between, and "
            "token ids can only follow a prefix whose ids are known; expected a text, or a Prefix with ids "
            "that the server gave. Score texts behind a text"
        )
