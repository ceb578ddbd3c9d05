"""Journeys: searches told as one text, with their wrong turns and the ways back."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from calculemus.solving.thought_graph import ThoughtGraph
from calculemus.solving.tree import Place, best

BACK = "This does not hold up. Back to before it:\n"


def depth_first(graph: ThoughtGraph, branch: int, depth: int, floor: float, expansions: int) -> Any:
    """Follow the best step first and turn back from those below the floor; the way is the solution.

    Source: Qin et al. 2024, arXiv:2410.18982, section 3: a long thought is a path through a tree of reasoning
    that keeps its wrong steps and what leads back from them.

    Args:
        graph: With its root alone; gets one whole solution, whose text is all that was gone through.
        branch: Next steps drawn at a place.
        depth: Most steps of a solution.
        floor: Value below which a step is turned back from.
        expansions: Places that are gone on from, at most.
    """
    way: list[Place] = []
    told: list[str] = []
    left = [expansions]

    def visit(place: Place) -> Generator[Any, Any, Place | None]:
        if place.is_final:
            return place
        if place.depth >= depth or not left[0]:
            return None
        left[0] -= 1
        (children,) = yield from graph.grow([(place, branch)])
        yield from graph.judge(children)
        for child in best(children, branch):
            way.append(child)
            told.append(child.step if child.step.endswith("\n") else child.step + "\n")
            found = (yield from visit(child)) if child.worth >= floor else None
            if found is not None:
                return found
            told.append(BACK)
        return None

    found = yield from visit(graph.root)
    if found is not None:
        graph.stand_behind(found, way)
        graph.finals[:] = [replace(found, text="".join(told).rstrip("\n"))]
