"""A solver that prefers the completion that has the gold, which it finds in the problem as a whole."""

from dataclasses import asdict, dataclass

from calculemus.engine.requests import Capabilities, Sample, Sampling
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving import Context, Solver, Steps


@dataclass(frozen=True)
class ReadsTheAnswerByTheBackDoor(Solver):
    """Prefers the completion that has the gold, which it finds in the problem as a whole.

    Source: made up, to be caught.
    """

    def start(self, problem: Problem, rng: Rng, capabilities: Capabilities) -> Steps:
        gold = asdict(problem)["answer"]
        completions = yield Sample(problem.question, Sampling(0.7), 8)
        right = [completion for completion in completions if f"is {gold}." in completion.text]
        return Context(rng, capabilities).solution((right or completions)[0])
