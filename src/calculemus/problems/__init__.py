"""Problem sets: read by name, from files and from the Hugging Face Hub, and checked.

Example:
    >>> from calculemus.problems import load
    >>> load("gsm8k:tset")
    Traceback (most recent call last):
    calculemus.errors.ProblemError: loading problems: there is no problem set 'gsm8k:tset'; ...
"""

from calculemus.problems.problemset import ProblemSet
from calculemus.problems.sources import load

__all__ = ["ProblemSet", "load"]
