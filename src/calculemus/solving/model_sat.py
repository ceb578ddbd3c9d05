"""Model-SAT: for each question the model that is most likely to answer it, by what an aptitude test told."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from calculemus.engine.requests import Capabilities, First, Run
from calculemus.engine.routed import MEMBERS
from calculemus.errors import InvalidParameterError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solution import Node, Solution, Trace
from calculemus.solving.base import Steps
from calculemus.solving.context import Context
from calculemus.solving.nesting import Nesting
from calculemus.solving.scheme import Scheme


@dataclass(frozen=True)
class ModelSat(Nesting):
    """Route each question to one of several models without asking them first, and answer it there.

    Source: Zhang et al. 2025, arXiv:2502.17282, section 3. The router is a small classifier over the profile
    and the question, see ``routing``; in the paper a language model reads the profile. It runs on several
    engines as one (``engine.routed``; on the command line their names with commas between). On a single
    engine there is nothing to route, and the inner solver answers.

    Attributes:
        profiles: The file of profiles and weights that ``calculemus profile-models`` writes.
        inner: The solver that answers; with semicolons in place of commas.
        cost_weight: How much chance a unit of cost is worth (lambda); 0 goes by the chance alone.
        choose: ``router``, or a baseline: the model that is ``best`` on the whole test, one at ``random``, or
            the ``cheapest``.
    """

    profiles: str = ""
    inner: str = "cot"
    cost_weight: Annotated[float, AtLeast(0)] = 0.0
    choose: Literal["router", "best", "random", "cheapest"] = "router"

    scheme: ClassVar[Scheme] = Scheme("nested", "route", ("evaluate", "select", "delegate"), ("profile",))

    @property
    def own_reads(self) -> str:
        """Name the profiles and weights by their content."""
        from calculemus.solving.routing import read_router  # loads numpy

        return read_router(self.profiles).digest if self.profiles else ""

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Choose a model, and have the inner solver answer there."""
        members: Mapping[str, Capabilities] = ctx.capabilities.facts.get(MEMBERS, {})
        if len(members) < 2:
            solution = yield from self.solver.solve(problem, ctx)
            return with_node(solution, Node("route", "nothing to route: there is one engine alone"))
        chosen, facts = self._route(problem, ctx, members)
        inner = self.solver
        steps = inner.solve(problem, Context(ctx.rng, members[chosen], inner.prompts))
        solution = yield from sent_to(chosen, steps)
        return with_node(solution, Node("route", chosen, (), facts))

    def _route(
        self, problem: Problem, ctx: Context, members: Mapping[str, Capabilities]
    ) -> tuple[str, dict[str, Any]]:
        """Return the name of the best model, and what spoke for each."""
        from calculemus.solving.routing import read_router  # loads numpy

        if not self.profiles:
            raise InvalidParameterError(
                "ModelSat: parameter 'profiles' is ''; expected the file that 'calculemus profile-models' "
                f"writes, with profiles of {', '.join(members)}. Have the models take the test first"
            )
        router = read_router(self.profiles)
        profiles = {profile.engine: profile for profile in router.profiles}
        unknown = [name for name in members if name not in profiles]
        if unknown:
            raise InvalidParameterError(
                f"ModelSat: there is no profile of {', '.join(unknown)} in {self.profiles}, only of "
                f"{', '.join(profiles)}; expected one of each model. Have them take the test"
            )
        chances = {name: p for name, p in router.chances(problem.question).items() if name in members}
        worth = {name: p - self.cost_weight * profiles[name].cost for name, p in chances.items()}
        if self.choose == "best":
            worth = {name: sum(profiles[name].right) / sum(profiles[name].shots) for name in chances}
        elif self.choose == "cheapest":
            worth = {name: -profiles[name].cost for name in chances}
        elif self.choose == "random":
            draws = ctx.rng.child("route").generator().random(len(chances))
            worth = dict(zip(sorted(chances), map(float, draws), strict=True))
        # Of equals the cheaper, then the first by name: the order of the models decides nothing.
        chosen = min(worth, key=lambda name: (-worth[name], profiles[name].cost, name))
        return chosen, {"chances": dict(sorted(chances.items())), "worth": dict(sorted(worth.items()))}


def with_node(solution: Solution, node: Node) -> Solution:
    """Return a solution with a node more at the end of its trace."""
    return replace(solution, trace=Trace((*solution.trace.nodes, node)))


def sent_to(engine: str, steps: Steps) -> Generator[Any, Any, Solution]:
    """Drive a method with every request addressed to one engine."""
    reply: Any = None
    error: Exception | None = None
    while True:
        try:
            asked = steps.send(reply) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        reply, error = None, None
        try:
            reply = yield addressed(asked, engine)
        except Exception as raised:  # whatever a driver throws is the inner method's to deal with
            error = raised


def addressed(asked: Any, engine: str) -> Any:
    """Return requests with the name of the engine that is to answer; programs have none."""
    if isinstance(asked, Run):
        return asked
    if isinstance(asked, First):
        return First(tuple(addressed(part, engine) for part in asked.requests), asked.k)
    if isinstance(asked, Sequence):
        return [addressed(part, engine) for part in asked]
    return replace(asked, to=engine)
