r"""Run programs that a model wrote, where they can do no harm.

>>> run("def solution():\n    return 6 * 7").value
42
"""

from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.record import TIERS, Call, Run, Status, Tier, as_number
from calculemus.engine.sandbox.sandbox import Sandbox, run
from calculemus.engine.sandbox.session import Session

__all__ = ["TIERS", "Call", "Limits", "Run", "Sandbox", "Session", "Status", "Tier", "as_number", "run"]
