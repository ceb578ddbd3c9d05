"""Code in the steps of a search: it is run as it is written, and the output goes behind it.

A place carries the blocks that ran on the way to it, not an interpreter: the sandbox knows by these blocks
where to go on, and runs none of them twice where it can.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from calculemus.engine.requests import Run
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.solving.programs import has_run
from calculemus.solving.tir import last_block, show
from calculemus.solving.tree import Acting, Judging, Place, Tree


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What ran on the way to a place.

    Attributes:
        blocks: The code, in order.
        errors: How many blocks failed in a row, up to the last one.
        seen: Characters of the place's text up to the end of the last output.
    """

    blocks: tuple[str, ...] = ()
    errors: int = 0
    seen: int = 0


def run_code(max_errors: int) -> Acting:
    """Return what runs the blocks of code with which new places end, and shows what they put out.

    Args:
        max_errors: Blocks that may fail in a row; a place with so many is closed.
    """

    def act(tree: Tree, places: Sequence[Place]) -> Judging:
        written = [(place, last_block(place.text[_state(place).seen :])) for place in places]
        asked = [(place, code) for place, code in written if code is not None]
        if not asked:
            return
        runs = yield [Run(code, entry=None, before=_state(place).blocks) for place, code in asked]
        for (place, code), run in zip(asked, runs, strict=True):
            _show(tree, place, code, run)
            place.is_closed = _state(place).errors >= max_errors

    return act


def _state(place: Place) -> Interpreted:
    return place.state or Interpreted()


def _show(tree: Tree, place: Place, code: str, run: RunRecord) -> None:
    """Put what came of a place's code behind it; the output is a node of the trace, from which it goes on."""
    before = _state(place)
    shown, added = show(run, place.text)
    place.text += added
    place.prompt += added
    errors = 0 if has_run(run) else before.errors + 1
    place.state = Interpreted((*before.blocks, code), errors, len(place.text))
    facts = {"status": run.status, "error_kind": run.error_kind, "tier": run.tier}
    place.node = tree.ctx.trace.add("output", shown, place.node, **facts)
