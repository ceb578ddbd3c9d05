"""A model with verifiers beside it: who is asked what, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from calculemus.cost import Cost
from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.judged import JudgedEngine
from calculemus.engine.requests import Chat, Prefix, Prompt, Sample, Sampling, Score, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.engine.verified import VerifiedEngine
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving import get_solver


@dataclass
class Verifier(JudgedEngine):
    """Values texts by their length, and remembers what it was asked."""

    tokenizer_digest: str | None = None
    free: int = 100
    asked: list[Value] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    closed: bool = False
    forgot: bool = False

    def __post_init__(self) -> None:
        super().__init__(ScriptedEngine("x"), lambda text: float(len(text)), f"length {self.free}")

    def submit(self, jobs: Sequence[Job]) -> None:
        self.asked += [job.request for job in jobs if isinstance(job.request, Value)]
        super().submit(jobs)

    def wait(self) -> list[Done]:
        return [Done(done.ticket, done.reply, Cost(tokens_in=7)) for done in super().wait()]

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        self.cancelled += tickets
        return []

    def count_tokens(self, request: object) -> int:
        return 70 if isinstance(request, Value) and request.head == "value" else 0

    def free_rows(self) -> int:
        return self.free

    def forget(self) -> None:
        self.forgot = True

    def close(self) -> None:
        self.closed = True


class Model(ScriptedEngine):
    """A scripted model that tells which tokenizer it has."""

    tokenizer_digest = "same"


def finished(engine: Engine, *jobs: Job) -> dict[int, Done]:
    engine.submit(jobs)
    done: dict[int, Done] = {}
    while len(done) < len(jobs):
        done |= {each.ticket: each for each in engine.wait()}
    return done


def test_values_come_from_the_verifier_that_is_named_and_by_default_the_first() -> None:
    first, second = Verifier(), Verifier(free=50)
    engine = VerifiedEngine(ScriptedEngine("5"), {"a": first, "b": second})
    value, other = Value(("12", "123")), Value(("1",), "b")
    done = finished(engine, Job(0, value, ()), Job(1, other, ()), Job(2, Value(("1234",), "a"), ()))
    assert [done[i].reply for i in range(3)] == [(2.0, 3.0), (1.0,), (4.0,)]
    assert second.asked == [Value(("1",))]
    assert engine.wait() == []


def test_everything_else_goes_to_the_model() -> None:
    lm = ToyLM.random(Rng(1))
    engine = VerifiedEngine(lm, {"a": Verifier()})
    jobs = [Job(0, Sample("q", Sampling(1.0), 2), (1, 2)), Job(1, Score("q", ("a", "b")), ())]
    assert {t: d.reply for t, d in finished(engine, *jobs).items()} == {
        t: d.reply for t, d in finished(lm, *jobs).items()
    }


def test_a_verifier_charges_what_it_read() -> None:
    engine = VerifiedEngine(ScriptedEngine("5"), {"a": Verifier()})
    assert finished(engine, Job(0, Value(("12",)), ()))[0].cost == Cost(tokens_in=7)


def test_a_head_that_is_not_there_is_refused_before_any_work() -> None:
    verifier = Verifier()
    engine = VerifiedEngine(ScriptedEngine("5"), {"ovm": verifier})
    with pytest.raises(EngineCapabilityError, match="asked of the head 'tvm'; it has ovm, and 'value' for"):
        engine.submit([Job(0, Value(("1",)), ()), Job(1, Value(("1",), "tvm"), ())])
    assert verifier.asked == []
    assert engine.wait() == []


PROMPTS: list[Prompt] = ["1", Prefix("12", (3, 4), "2"), Chat((("user", "1"),))]


@pytest.mark.parametrize(
    ("digest", "given"),
    [("same", PROMPTS), ("other", ["1", Prefix("12"), PROMPTS[2]]), (None, ["1", Prefix("12"), PROMPTS[2]])],
)
def test_ids_go_to_a_verifier_with_the_same_tokenizer_alone(digest: str | None, given: list[Prompt]) -> None:
    verifier = Verifier(tokenizer_digest=digest)
    finished(VerifiedEngine(Model("5"), {"a": verifier}), Job(0, Value(tuple(PROMPTS)), ()))
    assert verifier.asked == [Value(tuple(given))]


def test_a_model_that_verifies_itself_gets_its_own_ids() -> None:
    lm = ToyLM.random(Rng(1), rewards=lambda text: float("a" in text))
    engine = VerifiedEngine(lm, {"own": lm})
    prefix = finished(engine, Job(0, Sample("q", Sampling(1.0)), (5,)))[0].reply[0].prefix
    assert finished(engine, Job(1, Value((prefix,)), ()))[1].reply == (lm.value(prefix),)


def test_tokens_are_counted_by_whoever_answers() -> None:
    engine = VerifiedEngine(ScriptedEngine("5"), {"a": Verifier(), "b": Verifier()})
    assert engine.count_tokens(Value(("1",), "b")) == 70
    sample = Sample("one two")
    assert engine.count_tokens(sample) == ScriptedEngine("5").count_tokens(sample)


def test_what_is_cancelled_is_cancelled_where_it_runs() -> None:
    first, second = Verifier(), Verifier()
    engine = VerifiedEngine(ScriptedEngine("5"), {"a": first, "b": second})
    engine.submit([Job(0, Sample("q"), (0,)), Job(1, Value(("1",), "a"), ()), Job(2, Value(("1",), "b"), ())])
    done = engine.cancel([0, 2])
    assert [each.ticket for each in done] == [0]
    assert (first.cancelled, second.cancelled) == ([], [2])


def test_rows_are_free_where_all_have_some() -> None:
    model = ScriptedEngine("5")
    assert VerifiedEngine(model, {"a": Verifier(free=3)}).free_rows() == 3
    assert VerifiedEngine(model, {"a": Verifier(free=10**6)}).free_rows() == model.free_rows()


def test_the_digest_has_model_verifiers_and_names() -> None:
    model = ScriptedEngine("5")
    engines = [
        VerifiedEngine(model, {"a": Verifier()}),
        VerifiedEngine(ScriptedEngine("6"), {"a": Verifier()}),
        VerifiedEngine(model, {"a": Verifier(free=50)}),
        VerifiedEngine(model, {"b": Verifier()}),
        VerifiedEngine(model, {"a": Verifier(), "b": Verifier()}),
    ]
    assert len({engine.digest for engine in engines}) == len(engines)
    assert engines[0].digest == VerifiedEngine(model, {"a": Verifier()}).digest


def test_it_says_what_it_can_do_and_who_verifies() -> None:
    engine = VerifiedEngine(ToyLM.random(Rng(1)), {"ovm": Verifier(), "tvm": Verifier()})
    assert engine.capabilities.kinds == {"Sample", "Score", "Value"}
    assert engine.capabilities.facts["verifiers"] == ("ovm", "tvm")
    assert engine.name == "toy+ovm+tvm"


def test_forgetting_and_closing_reach_all_of_them() -> None:
    first, second = Verifier(), Verifier()
    engine = VerifiedEngine(ScriptedEngine("5"), {"a": first, "b": second})
    engine.forget()
    engine.close()
    assert [each.forgot and each.closed for each in (first, second)] == [True, True]


@pytest.mark.parametrize(
    ("verifiers", "error", "message"),
    [
        ({}, InvalidParameterError, "found none; expected one at least"),
        ({"value": Verifier()}, InvalidParameterError, "found one called 'value'"),
        ({"x": ScriptedEngine("5")}, EngineCapabilityError, "'x' .* gives no values"),
    ],
)
def test_no_verifier_or_one_that_cannot_be_asked_is_refused(
    verifiers: dict[str, Engine], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        VerifiedEngine(ScriptedEngine("5"), verifiers)


def test_a_solver_that_asks_for_values_runs_on_it_as_on_a_judged_model() -> None:
    lm = ToyLM.random(Rng(4))
    judged = JudgedEngine(lm, lambda text: float(text.count("a")), "counts a")
    verified = VerifiedEngine(lm, {"counts": JudgedEngine(lm, lambda text: float(text.count("a")), "a")})
    solver, problem = get_solver("best_of_n:n=4,temperature=1,scorer=value"), Problem("p", "Which?", "a")
    one, other = (
        next(Scheduler(engine).solve_all(solver, [(problem, 0)]))[2] for engine in (judged, verified)
    )
    assert one.trace.to_json() == other.trace.to_json()
