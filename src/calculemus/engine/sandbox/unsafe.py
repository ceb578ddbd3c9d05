"""The tier ``none``: a program in this process, with nothing between it and everything that is ours.

For machines without isolation and for programs that one would run by hand anyway. Time and memory have no
limits, the clock goes on, and randomness is not seeded.
"""

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from calculemus.engine.sandbox.inside.execute import Output, execute
from calculemus.engine.sandbox.limits import Limits
from calculemus.engine.sandbox.look import Plan
from calculemus.engine.sandbox.outcome import Outcome, read_report

_one_at_a_time = threading.Lock()  # standard output belongs to the whole process


def run_in_process(plan: Plan, inputs: Mapping[str, Any], limits: Limits) -> Outcome:
    """Run a program here and now."""
    request = {
        "source": plan.source,
        "entry": plan.entry,
        "arguments": plan.arguments,
        "variables": plan.variables,
    }
    floods: list[bytes] = []
    output = Output(limits.output_bytes, floods.append)
    started = time.perf_counter()
    with _one_at_a_time, contextlib.redirect_stdout(output.text()) as stream:
        report = execute(request, {"__name__": "__main__", **inputs})
        stream.flush()
    report["stdout"] = output.getvalue().decode("utf-8", "replace")
    if floods:
        report = {"status": "output_limit", "error_kind": "output_limit", "stdout": report["stdout"]}
    return read_report(report, time.perf_counter() - started, None)
