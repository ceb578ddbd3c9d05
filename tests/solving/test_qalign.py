"""QAlign: its walk tends to the tilted law, exactly; cuts are by token; what it notes is right."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from calculemus.cost import Budget
from calculemus.engine.exact import answer_law
from calculemus.engine.requests import Prefix, Sample, Sampling
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import EngineCapabilityError, InvalidParameterError
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.best_of_n import BestOfN
from calculemus.solving.drafts import make_draft
from calculemus.solving.qalign import QAlign, effective_samples

QUESTION = Problem("q", "How many?", "7")
TEXTS = ["".join(t) for n in range(5) for t in itertools.product("12", repeat=n)]
REWARDS = {text: 2.0 * len(text) % 3 + text.count("1") - 0.7 * text.count("22") for text in TEXTS} | {
    "": -1.0
}
TOY = ToyLM(
    "12", [0.5, 0.3, 0.2], [[0.3, 0.2, 0.5], [0.45, 0.35, 0.2]], max_length=4, rewards=REWARDS
)  # 31 texts, the empty one too
BASE = np.array([TOY.texts()[text] for text in TEXTS])


def tilted(beta: float) -> np.ndarray:
    """The law that the walk is to have."""
    law = BASE * np.exp([REWARDS[text] / beta for text in TEXTS])
    return law / law.sum()


def kernel(beta: float, with_lengths: bool = True) -> np.ndarray:
    """The walk's transition matrix, from the paper's formula and the list of texts alone."""
    ends = [text + "$" * (len(text) < 5) for text in TEXTS]  # the end is drawn like a symbol
    matrix = np.zeros((31, 31))
    for i, one in enumerate(ends):
        for place in range(len(one)):
            alike = np.array([other[:place] == one[:place] for other in ends])
            law = BASE * alike / (BASE * alike).sum()
            for j, other in enumerate(ends):
                ratio = math.exp((REWARDS[TEXTS[j]] - REWARDS[TEXTS[i]]) / beta)
                ratio *= len(one) / len(other) if with_lengths else 1
                matrix[i, j] += law[j] * min(1, ratio) / len(one)
    return matrix + np.diag(1 - matrix.sum(axis=1))


def stationary(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.matrix_power(matrix, 4096)[0]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(abs(a - b).sum() / 2)


def from_toy(seed: int):
    """Answer requests with the toy model, without a scheduler."""
    seeds = itertools.count(seed * 10**9)

    def answer(request):
        if isinstance(request, Sample):
            return (TOY.draw(request.prompt, request.sampling, next(seeds))[0],)
        (prompt,) = request.prompts
        return (REWARDS[TOY._text(prompt.ids[1:])],)

    return answer


@dataclass(frozen=True)
class WithoutLengths(QAlign):
    """The common mistake."""

    def log_ratio(self, before, after):
        return super().log_ratio(replace_length(before), replace_length(after))


def replace_length(draft):
    return replace(draft, n_drawn=1)


def walk(drive, solver: QAlign) -> np.ndarray:
    """How often each text was visited."""
    solution = drive(solver, QUESTION, from_toy(1)).solution
    visits = Counter()
    for node in solution.trace.nodes:
        visits[node.text] += node.meta.get("visits", 0)
    counts = np.array([visits[text] for text in TEXTS])
    assert counts.sum() == solver.steps + 1
    return counts / counts.sum()


def test_the_walk_tends_to_the_tilted_law_and_needs_the_lengths_for_it() -> None:
    assert distance(stationary(kernel(1.0)), tilted(1.0)) < 1e-9
    assert distance(stationary(kernel(1.0, with_lengths=False)), tilted(1.0)) == pytest.approx(0.14, abs=0.03)


@pytest.mark.slow
def test_60_000_steps_come_within_two_hundredths_of_the_tilted_law(drive) -> None:
    assert distance(walk(drive, QAlign(60_000, 1.0, scorer="value")), tilted(1.0)) < 0.02


@pytest.mark.slow
def test_without_the_lengths_the_walk_has_another_law(drive) -> None:
    found = walk(drive, WithoutLengths(15_000, 1.0, scorer="value"))
    assert distance(found, tilted(1.0)) > 0.1
    assert distance(found, stationary(kernel(1.0, with_lengths=False))) < 0.06


def test_best_of_n_moves_away_from_the_tilted_law_while_the_walk_comes_closer() -> None:
    order = np.argsort([REWARDS[text] for text in TEXTS], kind="stable")
    target = tilted(2.0)

    def best_of(n: int) -> np.ndarray:
        """The law of the best of n; equal rewards share theirs by probability."""
        law = np.zeros(31)
        for level in sorted(set(REWARDS.values())):
            at = np.array([REWARDS[text] == level for text in TEXTS])
            below = sum(BASE[i] for i in order if REWARDS[TEXTS[i]] < level)
            law[at] = ((below + BASE[at].sum()) ** n - below**n) * BASE[at] / BASE[at].sum()
        return law

    law = answer_law(BestOfN(2, 1.0, scorer="value"), QUESTION, TOY)
    known = np.array([law.get(text or None, 0.0) for text in TEXTS])
    assert known == pytest.approx(best_of(2), abs=1e-12)
    apart = [distance(best_of(n), target) for n in (4, 16, 64, 256)]
    assert apart == sorted(apart)
    assert apart[-1] > apart[0] + 0.1
    walked = [distance(BASE @ np.linalg.matrix_power(kernel(2.0), n), target) for n in (4, 16, 64, 256)]
    assert walked == sorted(walked, reverse=True)
    assert walked[-1] < 1e-3


def test_a_large_beta_accepts_every_proposal_of_equal_length(drive) -> None:
    table = [[0.6, 0.4, 0.0]] * 2
    lm = ToyLM("12", table[0], table, max_length=4, rewards=REWARDS)
    ((_, _, solution),) = Scheduler(lm).solve_all(QAlign(50, 1e12, scorer="value"), [(QUESTION, 0)])
    assert solution.trace.nodes[0].meta["acceptance"] == 1.0
    ((_, _, solution),) = Scheduler(lm).solve_all(QAlign(50, 0.1, scorer="value"), [(QUESTION, 0)])
    assert solution.trace.nodes[0].meta["acceptance"] < 0.9


def test_the_log_ratio_is_clamped(drive) -> None:
    solver = QAlign(beta=1e-6)
    draft = make_draft("test", one("ab", ("a", "b")), ())
    other = replace_length(draft)
    other.reward = 5.0
    assert solver.log_ratio(draft, other) == 20.0
    assert solver.log_ratio(other, draft) == -20.0
    other.reward = 0.0
    assert solver.log_ratio(draft, other) == pytest.approx(math.log(3))  # a, b and the end


def one(text: str, pieces: tuple[str, ...], finish: str = "stop"):
    engine = ScriptedEngine(text)
    (whole,) = ask(engine, Sample("Q:", Sampling(1.0, pieces=True)))
    ids = tuple(range(1, len(pieces) + 1))
    return replace(whole, ids=ids, pieces=pieces, finish=finish, logprobs=(-0.5,) * len(ids))


def ask(engine, request):
    from calculemus.engine.base import Job

    engine.submit([Job(0, request, (0,))])
    return engine.wait()[0].reply


def test_a_stop_text_across_the_cut_ends_the_draft_and_what_stands_behind_is_dropped() -> None:
    first = make_draft("test", one("so a\n", ("so", " a", "\n", "")), ("\nQ:",))
    assert (first.text, first.n_drawn, first.is_cut) == ("so a\n", 4, False)
    second = make_draft("test", one("Q: more", ("Q", ": ", "more", "")), ("\nQ:",), first, 3)
    assert (second.text, second.pieces, second.n_drawn) == ("so a", ("so", " a", "\n", "Q", ": "), 5)
    assert second.prompt == Prefix("Q:so a", (*first.start.ids, 1, 2))
    assert (second.n_tokens, second.logprob) == (2, -1.0)


def test_what_a_token_writes_of_the_text_before_the_stop_stands_behind_the_ids() -> None:
    draft = make_draft("test", one("so a.\nQ:", ("so", " a", ".\nQ:")), ("\nQ:",))
    assert (draft.text, draft.n_drawn) == ("so a.", 3)
    assert draft.prompt == Prefix("Q:so a.", (*draft.start.ids, 1, 2), ".")


def test_a_mark_of_the_end_counts_as_a_draw_whether_it_is_among_the_tokens_or_not() -> None:
    marked, unmarked = one("a b", ("a", " b", "")), one("a b", ("a", " b"))
    assert [make_draft("test", each, ()).n_drawn for each in (marked, unmarked)] == [3, 3]
    assert make_draft("test", one("a b", ("a", " b"), "length"), ()).n_drawn == 2
    assert make_draft("test", one("", ()), ()).n_drawn == 1


def test_no_text_is_encoded_again_and_the_limit_holds_for_the_whole(drive) -> None:
    driven = drive(QAlign(30, scorer="value", max_tokens=3), QUESTION, from_toy(3))
    samples = [request for request in driven.asked if isinstance(request, Sample)]
    assert len(samples) == 31
    for request in samples[1:]:
        assert request.prompt.ids
        assert not request.prompt.added
        written = len(request.prompt.ids) - 1
        assert request.sampling.max_tokens == 3 - written
    assert {len(request.prompt.ids) for request in samples[1:]} == {1, 2, 3}


def test_the_answer_is_that_of_most_states(drive) -> None:
    for choose, pick in (("vote", lambda states: max(states, key=lambda s: (s[1], -s[2]))),):
        solution = drive(QAlign(200, 1.0, scorer="value", choose=choose), QUESTION, from_toy(7)).solution
        votes = Counter()
        for node in solution.trace.nodes:
            votes[node.meta["answer"]] += node.meta.get("visits", 0)
        del votes[None]
        assert solution.answer == pick([(a, n, 0) for a, n in votes.items()])[0]
        assert votes.most_common(1)[0][1] > votes.most_common(2)[1][1]


def test_the_last_state_and_the_most_agreeable_one_can_be_the_answer(drive) -> None:
    solution = drive(QAlign(40, 1.0, scorer="value", choose="last"), QUESTION, from_toy(7)).solution
    accepted = [node for node in solution.trace.nodes[1:] if node.meta["accepted"]]
    assert solution.answer == accepted[-1].text
    solution = drive(QAlign(40, 1.0, scorer="value", choose="mbr"), QUESTION, from_toy(7)).solution
    votes = Counter()
    for node in solution.trace.nodes:
        votes[node.text] += node.meta.get("visits", 0)
    assert solution.answer == max((text for text in votes if text), key=lambda text: votes[text])
    by_weight = drive(QAlign(40, 5.0, scorer="value", choose="weighted_vote"), QUESTION, from_toy(7)).solution
    weights = Counter()
    for node in by_weight.trace.nodes:
        weights[node.text] += node.meta.get("visits", 0) * max(0, node.meta["score"])
    assert by_weight.answer == max((text for text in weights if text), key=lambda text: weights[text])


def test_rejected_tokens_are_charged_as_discarded() -> None:
    ((_, _, solution),) = Scheduler(TOY).solve_all(QAlign(100, 0.2, scorer="value"), [(QUESTION, 0)])
    rejected = [node for node in solution.trace.nodes[1:] if not node.meta["accepted"]]
    whole = [len(node.text) + 1 - node.meta["cut"] for node in rejected]
    assert solution.cost.tokens_discarded == sum(whole) > 0
    meta = solution.trace.nodes[0].meta
    assert meta["acceptance"] == pytest.approx(1 - len(rejected) / 100)
    assert 1 < meta["effective_samples"] < 101


def test_effective_samples_of_an_autoregression_are_known() -> None:
    """Its autocorrelations are phi^k, so that n states are worth n (1 - phi) / (1 + phi)."""
    for phi in (0.0, 0.5, 0.9):
        noise = Rng(5, ("ar",)).generator().standard_normal(20_000)
        values = list(itertools.accumulate(noise.tolist(), lambda before, e, phi=phi: phi * before + e))
        assert effective_samples(values) == pytest.approx(20_000 * (1 - phi) / (1 + phi), rel=0.15)
    assert effective_samples([2.0] * 9) == 9.0


def test_another_temperature_is_noted_as_another_law(drive) -> None:
    for solver, law in (
        (QAlign(1, scorer="value"), "the model"),
        (QAlign(1, temperature=0.7, top_p=0.9, scorer="value"), "the model at temperature 0.7 and top_p 0.9"),
    ):
        solution = drive(solver, QUESTION, from_toy(1)).solution
        assert solution.trace.nodes[0].meta["base_law"] == law


def test_an_engine_without_token_ids_is_refused_before_anything_is_asked(drive, able) -> None:
    asked = []
    with pytest.raises(EngineCapabilityError, match=r"no token ids; expected .* A cut by text"):
        drive(QAlign(scorer="value"), QUESTION, asked.append, replace(able, token_ids=False))
    assert asked == []


def test_completions_that_do_not_tell_their_tokens_are_refused(drive, in_order) -> None:
    with pytest.raises(EngineCapabilityError, match="which token writes what"):
        drive(QAlign(scorer="random"), QUESTION, in_order("#### 1"))


@pytest.mark.parametrize("beta", [0.0, -1.0])
def test_a_beta_that_is_not_above_zero_is_refused(beta) -> None:
    with pytest.raises(InvalidParameterError, match="'beta'"):
        QAlign(beta=beta)


def test_the_end_of_the_budget_leaves_the_walk_so_far() -> None:
    scheduler = Scheduler(TOY, budget=Budget(requests=21))
    ((_, _, solution),) = scheduler.solve_all(QAlign(100, scorer="value"), [(QUESTION, 0)])
    assert solution.truncated
    assert solution.answer
    assert solution.trace.nodes[0].meta["steps"] == 9  # a sample and a value each


def test_values_are_asked_of_the_whole_solution(drive) -> None:
    driven = drive(QAlign(20, scorer="value"), QUESTION, from_toy(2))
    values = [asked[0].prompts[0] for asked in driven.asked if isinstance(asked, list)]
    texts = [node.text for node in driven.solution.trace.nodes]
    question = values[0].text.removesuffix(texts[0])
    assert [prompt.text for prompt in values] == [question + text for text in texts]
