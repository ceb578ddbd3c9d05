"""Another process, in which a solver is tried again: with other hashes of texts, and watched.

Started as ``python -m calculemus.conformance.child FILE`` with the order as JSON on stdin; what came of it is
written to FILE, so that stdout and stderr are the method's alone.
"""

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from calculemus.conformance.attempting import attempt
from calculemus.conformance.finding import find_class
from calculemus.conformance.subject import Origin, Subject
from calculemus.conformance.trial import Setting
from calculemus.conformance.voices import VOICES
from calculemus.conformance.watch import Watch
from calculemus.errors import CalculemusError


def order(subject: Subject, setting: Setting) -> dict[str, Any]:
    """Return what the other process is told."""
    assert subject.origin is not None, "a class that another process can find"
    return {
        "origin": asdict(subject.origin),
        "params": subject.method.params(),
        "voice": setting.voice,
        "spoken_in": getattr(VOICES.get(setting.voice), "__module__", ""),
        "patience": subject.patience,
    }


def carry_out(told: dict[str, Any]) -> dict[str, Any]:
    """Do what was ordered and return the facts of the trial, and what the method did besides."""
    if told["spoken_in"]:
        with suppress(ImportError):  # a voice beside the method comes with its class
            import_module(told["spoken_in"])
    watch = Watch()
    watch.is_on = True
    try:
        made = find_class(Origin(**told["origin"]))
        subject = Subject(made.__name__, "Solver", made=made, patience=told["patience"])
        subject.method = made.from_params(told["params"])
        with subject.open:
            facts = attempt(subject, Setting(told["voice"]), is_quiet=False).facts()
    except CalculemusError as error:
        return {"error": str(error), "seen": watch.seen}
    finally:
        watch.is_on = False
    return {"facts": facts, "seen": watch.seen}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(carry_out(json.load(sys.stdin))), "utf-8")
