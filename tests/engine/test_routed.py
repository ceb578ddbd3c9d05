"""Several engines as one: requests go where they say, and every other engine would do the same."""

from dataclasses import dataclass, replace

import pytest

from calculemus.engine.base import Job
from calculemus.engine.cache import ReplyCache
from calculemus.engine.requests import Sample, Sampling, Score
from calculemus.engine.routed import RoutedEngine
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context

PROBLEMS = [Problem(f"p{i}", f"question {i}", "1") for i in range(40)]


def engine(name: str, **settings) -> ScriptedEngine:
    return ScriptedEngine(lambda prompt, seed: f"{name} {prompt} {seed % 97}", name=name, **settings)


@dataclass(frozen=True)
class Turns(Solver):
    """Asks members in turn, and one of them twice at once."""

    names: tuple[str, ...] = ("a", "b", "c")

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        sampling = Sampling(0.5)
        told = []
        for name in self.names:
            first, second = yield [
                Sample(problem.question, sampling, n=3, to=name),
                Sample("again", sampling, to=self.names[0]),
            ]
            told += [completion.text for completion in (*first, *second)]
        return ctx.solution("|".join(told))


def answers(members: dict, **settings) -> dict[str, str | None]:
    scheduler = Scheduler(RoutedEngine(members), **settings)
    found = scheduler.solve_all(Turns(), [(problem, 0) for problem in PROBLEMS])
    return {name: solution.answer for name, _, solution in found}


def test_every_request_is_answered_by_whom_it_names_however_many_rows_there_are() -> None:
    wide = answers({name: engine(name) for name in "abc"})
    narrow = answers({name: engine(name, rows=2 + index) for index, name in enumerate("abc")})
    assert wide == narrow
    words = [part.split()[0] for part in (wide["p7"] or "").split("|")]
    assert words == ["a", "a", "a", "a", "b", "b", "b", "a", "c", "c", "c", "a"]


def test_the_costs_of_solutions_are_what_the_members_counted() -> None:
    members = {name: engine(name) for name in "abc"}
    found = Scheduler(RoutedEngine(members)).solve_all(Turns(), [(problem, 0) for problem in PROBLEMS])
    spent = sum(solution.cost.tokens_out or 0 for _, _, solution in found)
    assert spent == sum(member.counted.tokens_out or 0 for member in members.values())
    assert [member.n_rows for member in members.values()] == [240, 120, 120]


def test_replies_on_disk_are_told_apart_by_member(tmp_path) -> None:
    with ReplyCache(tmp_path / "replies.db") as cache:
        first = answers({name: engine(name) for name in "abc"}, cache=cache)
        again = {name: engine(name) for name in "abc"}
        assert answers(again, cache=cache) == first
        assert [member.n_jobs for member in again.values()] == [0, 0, 0]


def test_a_request_that_names_nobody_goes_to_the_first_and_one_that_names_a_stranger_is_refused() -> None:
    routed = RoutedEngine({"a": engine("a"), "b": engine("b")})
    routed.submit([Job(0, Sample("x"), (0,))])
    assert routed.wait()[0].reply[0].text.startswith("a x")
    with pytest.raises(EngineCapabilityError, match="names the engine 'z'; expected one of a, b"):
        routed.submit([Job(1, Sample("x", to="a"), (0,)), Job(2, Sample("x", to="z"), (0,))])
    assert routed.wait() == []


def test_it_can_do_what_all_members_can_and_says_what_each_can() -> None:
    more = engine("b", scores=lambda prompt, text: 0.0, context=100, rows=8, chat_template=True)
    routed = RoutedEngine({"a": engine("a", context=50), "b": more})
    has = routed.capabilities
    assert (has.kinds, has.rows, has.context, has.deterministic) == (frozenset({"Sample"}), 8, 50, True)
    assert has.facts["members"]["b"].facts["chat_template"] is True
    assert "chat_template" not in has.facts
    assert routed.count_tokens(Score("one two", (" three",), to="b")) == 3


def test_the_name_and_digest_are_those_of_the_members() -> None:
    one = RoutedEngine({"a": engine("a"), "b": engine("b")})
    assert one.name == "a,b"
    assert one.digest == RoutedEngine({"a": engine("a"), "b": engine("b")}).digest
    assert one.digest != RoutedEngine({"a": engine("a"), "b": engine("c")}).digest
    with pytest.raises(InvalidParameterError, match="no members"):
        RoutedEngine({})


def test_jobs_that_are_stopped_are_charged_and_forgotten() -> None:
    routed = RoutedEngine({"a": engine("a"), "b": engine("b")})
    routed.submit([Job(0, Sample("x", to="a"), (0,)), Job(1, Sample("y", to="b"), (0,))])
    (gone,) = routed.cancel([1, 7])
    assert (gone.ticket, gone.reply) == (1, None)
    assert [done.ticket for done in routed.wait()] == [0]


def test_a_member_that_refuses_takes_what_the_others_took_back() -> None:
    class Refusing(ScriptedEngine):
        def submit(self, jobs) -> None:
            raise EngineCapabilityError("not here")

    routed = RoutedEngine({"a": engine("a"), "b": Refusing("")})
    with pytest.raises(EngineCapabilityError, match="not here"):
        routed.submit([Job(0, Sample("x", to="a"), (0,)), Job(1, Sample("y", to="b"), (0,))])
    assert routed.wait() == []
    requests = [Sample("x", to="a"), replace(Sample("x"), to=None)]
    assert requests[1] == Sample("x")
