"""Rows: how many an engine works on for a request, and requests for some of them."""

from dataclasses import replace

from calculemus.engine.requests import EngineRequest, Sample, Score, Value


def count_rows(request: EngineRequest) -> int:
    """Return how many rows of an engine a request takes."""
    if isinstance(request, Sample):
        return request.n
    if isinstance(request, Score):
        return len(request.continuations)
    return len(request.prompts if isinstance(request, Value) else request.texts)


def cut(request: EngineRequest, start: int, stop: int) -> EngineRequest:
    """Return the request for the rows from ``start`` to ``stop`` alone."""
    if isinstance(request, Sample):
        return replace(request, n=stop - start)
    if isinstance(request, Score):
        return replace(request, continuations=request.continuations[start:stop])
    if isinstance(request, Value):
        return replace(request, prompts=request.prompts[start:stop])
    return replace(request, texts=request.texts[start:stop])
