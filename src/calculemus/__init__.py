"""Calculemus: the paper feed of arithmetic and language models, runnable and measured with one ruler."""

from calculemus.cost import Budget, Cost
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solution import Node, Solution, Trace
from calculemus.verdict import OUTCOMES, Outcome, Verdict

__version__ = "0.1.0"

__all__ = [
    "OUTCOMES",
    "Budget",
    "Cost",
    "Node",
    "Outcome",
    "Problem",
    "Rng",
    "Solution",
    "Trace",
    "Verdict",
    "__version__",
]
