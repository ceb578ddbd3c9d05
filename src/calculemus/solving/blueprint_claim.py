"""Known methods against the same methods as settings of the common driver, under the same draws."""

from collections.abc import Generator, Sequence
from typing import Any

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.engine.requests import Capabilities, Request
from calculemus.engine.scheduler import Scheduler
from calculemus.grading import get_grader
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solution import Solution
from calculemus.solving import Solver, get_solver

N = 8
_WHOLE = f"width={N},branch=1,depth=1,step=whole,step_tokens=512"
BEST, OUR_BEST = f"best_of_n:n={N}", f"blueprint:plan=generate evaluate,{_WHOLE}"
VOTE, OUR_VOTE = f"vote:n={N}", f"blueprint:plan=generate,choose=vote,{_WHOLE}"
ONE = "vote:n=1"
MARGIN = 0.05

SAME_BEST = Contrast("best of 8, and as settings", BEST, OUR_BEST, "equal", MARGIN)
SAME_VOTE = Contrast("a vote of 8, and as settings", VOTE, OUR_VOTE, "equal", MARGIN)
X1 = Contrast("x1 by probabilities against one chain", ONE, "blueprint:strategy=mcts,simulations=16")
STEPS = Contrast("a beam of steps by probabilities against best of 8", BEST, "blueprint:width=4,branch=2")


class Drawn:
    """A solver whose draws are named alike whichever it is: a list of one request counts as that request."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver

    def start(
        self, problem: Problem, rng: Rng, capabilities: Capabilities
    ) -> Generator[Request | Sequence[Request], Any, Solution]:
        """Return the generator that solves a problem."""
        steps = self._solver.start(problem, rng, capabilities)
        reply: Any = None
        while True:
            try:
                asked = steps.send(reply)
            except StopIteration as stop:
                return stop.value
            if isinstance(asked, list) and len(asked) == 1:
                reply = [(yield asked[0])]
            else:
                reply = yield asked


def solve_alike(spec: str, problems: ProblemSet, lab: Lab) -> Measured:
    """Return which problems a method solves, with draws that do not depend on its name."""
    grader, outcomes, cost = get_grader("default"), dict[str, tuple[float, ...]](), Cost.zero()
    by_id = {problem.id: problem for problem in problems}
    for seed in lab.seeds:
        tries = [(problem, 0) for problem in problems]
        for name, _, solution in Scheduler(lab.model(), seed=seed).solve_all(Drawn(get_solver(spec)), tries):
            right = grader.grade(by_id[name], solution.answer).correct
            outcomes[name] = (*outcomes.get(name, ()), float(right))
            cost = cost + solution.cost
    return Measured(outcomes, cost)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems that the shipped model gets right about every second time."""
    problems = lab.problems(smoke="generated:level=4,n=10", small="generated:level=4,n=200")
    if contrast.direction == "equal":
        return solve_alike(arm, problems, lab)
    return lab.solve(arm, problems)


CONTRASTS = (SAME_BEST, SAME_VOTE, X1, STEPS)
CONTROL = Contrast("control: best of 8 is not one chain", ONE, BEST, "equal", MARGIN)
CLAIM = Claim(CONTRASTS, control=CONTROL, measure=measure)
