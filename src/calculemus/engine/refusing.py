"""Requests that cannot be sent: what the engine does not have, and what makes no sense."""

from calculemus.engine.asking import Ask
from calculemus.engine.base import Engine
from calculemus.engine.requests import Run, Sample
from calculemus.errors import EngineCapabilityError, EngineError, InvalidParameterError, SandboxError


def why_refused(ask: Ask, engine: Engine, has_sandbox: bool) -> Exception | None:
    """Return why a request cannot be sent to this engine, or a program to the sandbox; None if it can."""
    request, kind = ask.request, type(ask.request).__name__
    kinds = engine.capabilities.kinds
    if isinstance(request, Run):
        if has_sandbox:
            return None
        return SandboxError(
            f"{ask.who}: it asks to run a program, and no sandbox was given; expected one. Give it one"
        )
    if kind not in kinds:
        return EngineCapabilityError(
            f"{ask.who}: it asks for {kind}, and {engine.name} has {', '.join(sorted(kinds))}; expected an "
            "engine that has it. Choose another engine or another solver"
        )
    if isinstance(request, Sample) and request.n < 0:
        return InvalidParameterError(
            f"{ask.who}: it asks for {request.n} samples; expected a number from 0. Set the number of samples"
        )
    if isinstance(request, Sample) and request.n > 1 and request.sampling.temperature == 0:
        return InvalidParameterError(
            f"{ask.who}: it asks for {request.n} samples at temperature 0, which are identical; expected one "
            "sample or a temperature above 0. Set either"
        )
    return None


def why_too_long(ask: Ask, engine: Engine) -> Exception | None:
    """Return why a prompt leaves no room for a completion; None if it does, or nobody knows."""
    context = engine.capabilities.context
    if context is None or not isinstance(ask.request, Sample):
        return None
    tokens = engine.count_tokens(ask.request)
    if tokens is None or tokens < context:
        return None
    return EngineError(
        f"{ask.who}: the prompt has {tokens} tokens; {engine.name} takes {context} with the completion. "
        "Shorten the prompt, or choose a model with a longer context"
    )
