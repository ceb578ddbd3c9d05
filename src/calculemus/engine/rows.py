"""Rows: how many an engine works on for a request, and requests for some of them."""

from calculemus.engine.requests import Embed, EngineRequest, Sample, Score, Value


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
        return Sample(request.prompt, request.sampling, stop - start)
    if isinstance(request, Score):
        return Score(request.prompt, request.continuations[start:stop])
    if isinstance(request, Value):
        return Value(request.prompts[start:stop], request.head)
    return Embed(request.texts[start:stop])
