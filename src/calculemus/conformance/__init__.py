"""Conformance: what every method of an interface keeps to, checked alike for ours and for a stranger's.

Checks stand in the modules of this package, by interface; whoever adds a module with checks lists it nowhere.

Example:
    >>> from calculemus.conformance import check_method
    >>> report = check_method("cot")
    >>> report.ok
    True
"""

from calculemus.conformance.registry import check
from calculemus.conformance.report import Report, Result
from calculemus.conformance.running import check_method
from calculemus.conformance.subject import Subject
from calculemus.conformance.voices import voice

__all__ = ["Report", "Result", "Subject", "check", "check_method", "voice"]
