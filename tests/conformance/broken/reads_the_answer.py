"""A solver that looks at the gold before it is hidden."""

from dataclasses import dataclass

from calculemus.engine.requests import Capabilities, Sample, Sampling
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class ReadsTheAnswer(Solver):
    """Looks at the gold before it is hidden.

    Source: made up, to be caught.
    """

    def start(self, problem: Problem, rng: Rng, capabilities: Capabilities) -> Steps:
        golds = problem.golds
        completions = yield Sample(problem.question, Sampling(0.7), 8)
        right = [completion for completion in completions if completion.text in golds]
        return Context(rng, capabilities).solution((right or completions)[0])
