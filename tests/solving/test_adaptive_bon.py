"""Adaptive best of N: its number of samples in closed form, what it prunes, and whom it asks."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from calculemus.cost import Budget
from calculemus.engine.base import Job
from calculemus.engine.dryrun import Assumed, price
from calculemus.engine.exact import solutions
from calculemus.engine.requests import Prefix, Sample, Sampling, Score, Scored
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.solving.adaptive_bon import AdaptiveBon
from calculemus.solving.qalign import QAlign
from calculemus.solving.self_evaluation import QUESTIONS

QUESTION = Problem("q", "How many?", "7")
ASKED = QUESTIONS["default"]
CHANCES = {"1": 0.2, "2": 0.55, "3": 0.95, "4": 0.7}


class SelfJudging(ToyLM):
    """A toy model that answers the question about its text by a table."""

    def measure(self, request):
        if not isinstance(request, Score):
            return super().measure(request)
        assert request.continuations == (ASKED.yes, ASKED.no)
        assert request.prompt.text.endswith(ASKED.text)
        return both(CHANCES[request.prompt.text.removesuffix(ASKED.text)[-1]])


def both(chance: float) -> tuple[Scored, Scored]:
    """The reply that stands for a chance of "no", beside another token that has most of the probability."""
    return Scored(None, (math.log(0.1 * (1 - chance)),)), Scored(None, (math.log(0.1 * chance),))


TOY = SelfJudging("1234", [0.4, 0.3, 0.2, 0.1, 0], [[0, 0, 0, 0, 1]] * 4, max_length=1)


def law_of_samples(solver: AdaptiveBon) -> Counter:
    law = Counter()
    for solution, probability in solutions(solver, QUESTION, TOY):
        law[len(solution.trace.nodes)] += probability
    return law


@pytest.mark.parametrize("enough", [0.6, 0.9])
def test_the_number_of_samples_is_that_of_the_closed_form(enough) -> None:
    """With draws that are alike and independent it is geometric, cut off at n."""
    stops = sum(p for text, p in TOY.texts().items() if CHANCES[text] >= enough)
    law = law_of_samples(AdaptiveBon(5, enough=enough, annealed=False))
    for k in range(1, 5):
        assert law[k] == pytest.approx(stops * (1 - stops) ** (k - 1))
    mean = sum(k * p for k, p in law.items())
    assert mean == pytest.approx((1 - (1 - stops) ** 5) / stops)


@pytest.mark.parametrize(("enough", "n"), [(0.0, 1), (1.01, 4)])
def test_a_bar_on_the_floor_takes_the_first_sample_and_one_out_of_reach_takes_all(enough, n) -> None:
    assert law_of_samples(AdaptiveBon(4, enough=enough, annealed=False)) == {n: pytest.approx(1)}


def test_the_answer_is_the_one_of_the_highest_chance() -> None:
    for mode in ("until", "all"):
        for solution, _ in solutions(AdaptiveBon(3, mode, enough=0.9, annealed=False), QUESTION, TOY):
            seen = [node.text for node in solution.trace.nodes]
            assert solution.answer == max(seen, key=CHANCES.__getitem__)


def test_the_chance_is_a_softmax_over_exactly_the_two_answers(drive, in_order) -> None:
    for yes, no in ((-3.0, -1.5), (-800.0, 0.0), (0.0, -800.0)):
        answer = in_order("#### 1")
        reply = (Scored((1,), (yes,)), Scored((2,), (no,)))
        driven = drive(
            AdaptiveBon(1), QUESTION, lambda r, a=answer, s=reply: a(r) if isinstance(r, Sample) else s
        )
        expected = math.exp(no) / (math.exp(no) + math.exp(yes))
        assert driven.solution.trace.nodes[0].meta["score"] == pytest.approx(expected, abs=1e-12)


def test_the_temperature_rises_from_greedy_by_halves_of_what_is_left(drive, in_order) -> None:
    answer = in_order("#### 1", "#### 2", "#### 3", "#### 4")
    driven = drive(
        AdaptiveBon(4, enough=1.5, temperature=0.8),
        QUESTION,
        lambda r: answer(r) if isinstance(r, Sample) else both(0.5),
    )
    samples = [asked for asked in driven.asked if isinstance(asked, Sample)]
    assert [s.sampling.temperature for s in samples] == pytest.approx([0.0, 0.4, 0.6, 0.7])
    assert [s.n for s in samples] == [1, 1, 1, 1]


def test_the_question_is_asked_behind_the_tokens_that_were_written(drive, completion) -> None:
    written = replace(completion("#### 1"), prefix=Prefix("Q: ... #### 1", (5, 6, 7)))
    driven = drive(AdaptiveBon(1), QUESTION, lambda r: (written,) if isinstance(r, Sample) else both(0.5))
    (asked,) = driven.asked[1]
    assert asked.prompt == Prefix("Q: ... #### 1" + ASKED.text, (5, 6, 7), ASKED.text)


class Judge:
    """Writes 12 words that begin with a number, and thinks the more of a text the larger its number."""

    def __init__(self, length: int = 12) -> None:
        self.engine = ScriptedEngine(self._text, scores=self._score, name=f"judge {length}")
        self.engine.capabilities = replace(self.engine.capabilities, logprobs=True)
        self.length = length
        self.numbers: dict[int, int] = {}

    def _text(self, prompt: str, seed: int) -> str:
        said = prompt.rpartition("\nA:")[2]
        if not said:
            number = self.numbers.setdefault(seed, len(self.numbers) + 1)
            return " ".join([f"#### {number}", *"x" * (self.length - 2)])
        return " x" * (self.length - len(said.split()))

    def _score(self, prompt: str, answer: str) -> float:
        said = prompt.removesuffix(ASKED.text).rpartition("\nA:")[2]
        chance = int(said.split()[1]) / 100
        return math.log(chance if answer == ASKED.no else 1 - chance)


def test_each_pruning_keeps_the_best_share_and_charges_the_rest_as_discarded() -> None:
    judge = Judge()
    solver = AdaptiveBon(8, "prune", every=4, keep=0.5, max_tokens=12)
    ((_, _, solution),) = Scheduler(judge.engine).solve_all(solver, [(QUESTION, 0)])
    assert solution.answer.split()[:2] == ["####", "8"]
    nodes = solution.trace.nodes
    assert [len(node.text.split()) for node in nodes] == [4] * 8 + [8] * 4 + [12] * 2
    dropped = [int(node.text.split()[1]) for node in nodes if node.meta.get("discarded")]
    assert dropped == [1, 2, 3, 4, 5, 6]
    assert solution.cost.tokens_discarded == 4 * 4 + 2 * 8
    assert solution.cost.tokens_out == 2 * 12


def test_a_share_of_one_prunes_nothing_and_comes_to_the_same_as_all_at_once() -> None:
    solver = AdaptiveBon(4, "prune", every=5, keep=1.0)
    ((_, _, pruned),) = Scheduler(Judge().engine).solve_all(solver, [(QUESTION, 0)])
    ((_, _, whole),) = Scheduler(Judge().engine).solve_all(AdaptiveBon(4, "all"), [(QUESTION, 0)])
    assert pruned.answer == whole.answer
    assert (pruned.cost.tokens_out, pruned.cost.tokens_discarded) == (48, 0)


def test_solutions_that_are_whole_stand_beside_those_that_go_on(drive) -> None:
    """A short one of the highest chance is kept, and is the answer without another token."""
    texts = iter(["#### 9", "x y", "x z", "x w"])

    def reply(request):
        if isinstance(request, Sample) and request.n == 4:
            return tuple(piece(next(texts), "stop" if n == 0 else "length") for n in range(4))
        if isinstance(request, Sample):
            return (piece(" #### 5", "stop"),)
        return both(0.9 if "9" in request.prompt.text else 0.5)

    driven = drive(AdaptiveBon(4, "prune", every=2, keep=0.5), QUESTION, reply)
    assert driven.solution.answer == "#### 9"
    continued = [asked for asked in driven.asked[1:] if isinstance(asked[0], Sample)]
    assert [len(asked) for asked in continued] == [1]


def piece(text: str, finish: str):
    """A completion of words behind a prompt."""
    engine = ScriptedEngine(text)
    engine.submit([Job(0, Sample("Q:", Sampling(1.0, pieces=True)), (0,))])
    return replace(engine.wait()[0].reply[0], finish=finish)


def test_without_log_probabilities_an_engine_is_refused_and_the_option_named(drive, able) -> None:
    asked = []
    for lacks in ({"logprobs": False}, {"kinds": frozenset({"Sample"})}):
        with pytest.raises(EngineCapabilityError, match="'logprobs'"):
            drive(AdaptiveBon(), QUESTION, asked.append, replace(able, **lacks))
    with pytest.raises(EngineCapabilityError, match="no token ids"):
        drive(AdaptiveBon(mode="prune"), QUESTION, asked.append, replace(able, token_ids=False))
    assert asked == []


def test_answers_of_several_tokens_are_refused_with_their_pieces(drive, in_order) -> None:
    answer = in_order("#### 1")
    pieces = (Scored((3, 4), (-1.0, -1.0)), Scored((5,), (-1.0,)))
    with pytest.raises(EngineCapabilityError, match=r"' yes' into 2 pieces \(ids \[3, 4\]\)"):
        drive(AdaptiveBon(1), QUESTION, lambda r: answer(r) if isinstance(r, Sample) else pieces)


def test_the_end_of_the_budget_leaves_the_best_so_far() -> None:
    for solver, requests in ((AdaptiveBon(8, enough=1.5), 5), (AdaptiveBon(4, "prune", every=4), 5)):
        scheduler = Scheduler(Judge().engine, budget=Budget(requests=requests))
        ((_, _, solution),) = scheduler.solve_all(solver, [(QUESTION, 0)])
        assert solution.truncated
        assert solution.answer.startswith("####")


def test_other_questions_are_another_run(monkeypatch) -> None:
    before = AdaptiveBon().reads
    monkeypatch.setitem(QUESTIONS, "tiny", replace(QUESTIONS["tiny"], text="?"))
    assert AdaptiveBon().reads != before


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"keep": 0.0}, {"keep": 1.1}, {"enough": -0.1}])
def test_parameters_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        AdaptiveBon(**wrong)


@pytest.mark.parametrize(
    ("solver", "requests"),
    [(QAlign(5, scorer="random"), 6), (AdaptiveBon(4, "prune"), 5), (AdaptiveBon(4, enough=0.4), 2)],
)
def test_what_goes_on_from_tokens_can_be_priced(solver, requests) -> None:
    found = price(solver, Judge().engine, [(QUESTION, 0)], Assumed(text="#### 7", tokens=6))
    assert (found.failures, found.requests) == (0, requests)
