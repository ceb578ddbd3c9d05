"""Summing over what a model may write: the sums obey the laws, and sampling comes close to them."""

import math
from collections import Counter
from collections.abc import Generator
from itertools import product
from typing import Any

import pytest

from calculemus import Problem, Rng, Solution
from calculemus.engine.exact import answer_law, solutions
from calculemus.engine.requests import First, Run, Sample, Sampling, Score, Value
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.toy import ToyLM
from calculemus.errors import InvalidParameterError

HOT = Sampling(temperature=1.0, max_tokens=9)
PROBLEM = Problem("p", "Q: ?\nA:", "")
Steps = Generator[Any, Any, Solution]


def reward(text: str) -> float:
    return text.count("a") + 0.1 * text.count("b")


class Method:
    """A solver made of a function of the problem."""

    def __init__(self, solve: Any) -> None:
        self.solve = solve

    def start(self, problem: Problem, rng: Rng, capabilities: Any) -> Steps:
        return self.solve(problem)


def lm(length: int = 2) -> ToyLM:
    return ToyLM.random(Rng(6), "abc", length, rewards=reward)


def vote(n: int) -> Method:
    """The most frequent text; of equally frequent ones the first."""

    def solve(problem: Problem) -> Steps:
        completions = yield Sample(problem.question, HOT, n)
        return Solution(Counter(completion.text for completion in completions).most_common(1)[0][0])

    return Method(solve)


def best_of(n: int) -> Method:
    """The text with the largest value."""

    def solve(problem: Problem) -> Steps:
        completions = yield Sample(problem.question, HOT, n)
        values = yield Value(tuple(completion.prefix for completion in completions))
        return Solution(completions[values.index(max(values))].text)

    return Method(solve)


def distance(a: dict[Any, float], b: dict[Any, float]) -> float:
    return sum(abs(a.get(key, 0) - b.get(key, 0)) for key in a.keys() | b.keys()) / 2


def sampled(method: Method, model: ToyLM, n: int) -> dict[Any, float]:
    solved = Scheduler(model).solve_all(method, ((PROBLEM, sample) for sample in range(n)))
    counts = Counter(solution.answer for _, _, solution in solved)
    return {answer: count / n for answer, count in counts.items()}


def near(law: dict[Any, float], n: int) -> float:
    """Twice the distance that n draws have from their law on average, at most."""
    return 2 * math.sqrt(len(law) / (2 * math.pi * n))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_best_of_n_has_the_law_of_the_largest_of_n(n: int) -> None:
    model = lm()
    law = answer_law(best_of(n), PROBLEM, model)
    texts = model.texts()
    levels = sorted({reward(text) for text in texts})
    below, at_most = 0.0, 0.0
    for level in levels:
        at_most += sum(p for text, p in texts.items() if reward(text) == level)
        found = sum(p for text, p in law.items() if text is not None and reward(text) == level)
        assert found == pytest.approx(at_most**n - below**n)
        below = at_most


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_vote_has_the_law_of_the_multinomial(n: int) -> None:
    model = lm()
    texts = model.texts()
    expected: dict[Any, float] = {}
    for drawn in product(texts, repeat=n):
        winner = Counter(drawn).most_common(1)[0][0]
        expected[winner] = expected.get(winner, 0) + math.prod(texts[text] for text in drawn)
    assert answer_law(vote(n), PROBLEM, model) == pytest.approx(expected)


@pytest.mark.parametrize("make", [vote, best_of])
def test_sampling_comes_as_close_to_the_sum_as_chance_allows(make: Any) -> None:
    law = answer_law(make(3), PROBLEM, lm())
    n = 3000
    assert distance(law, sampled(make(3), lm(), n)) < near(law, n)


@pytest.mark.slow
@pytest.mark.parametrize("make", [vote, best_of])
def test_twenty_thousand_draws_are_within_a_hundredth_of_the_sum(make: Any) -> None:
    model = ToyLM.random(Rng(6), "abc", 1, rewards=reward)
    assert distance(answer_law(make(5), PROBLEM, model), sampled(make(5), model, 20_000)) < 0.01


def tree(problem: Problem) -> Steps:
    """Two first symbols, each continued twice, and a request that draws nothing in between."""
    starts = yield Sample(problem.question, Sampling(temperature=1.0, max_tokens=1), 2)
    (scored,) = yield Score(problem.question, (starts[0].text,))
    ends = yield [Sample(start.prefix, HOT, 2) for start in starts]
    return Solution(f"{scored.logprob:.3f} " + " ".join(c.text for reply in ends for c in reply))


def test_a_tree_sums_over_all_its_branches() -> None:
    model = lm()
    law = answer_law(Method(tree), PROBLEM, model)
    expected: dict[str, float] = {}
    one = list(model.outcomes(PROBLEM.question, Sampling(temperature=1.0, max_tokens=1)))
    for (a, p), (b, q) in product(one, repeat=2):
        after_a, after_b = (list(model.outcomes(start.prefix, HOT)) for start in (a, b))
        for ends in product(after_a, after_a, after_b, after_b):
            probability = p * q * math.prod(share for _, share in ends)
            logprob = model.measure(Score(PROBLEM.question, (a.text,)))[0].logprob  # type: ignore[attr-defined]  # a Scored
            text = f"{logprob:.3f} " + " ".join(c.text for c, _ in ends)
            expected[text] = expected.get(text, 0) + probability
    assert sum(law.values()) == pytest.approx(1)
    assert law == pytest.approx(expected)


def test_a_method_that_fails_on_some_texts_has_no_answer_there() -> None:
    def solve(problem: Problem) -> Steps:
        (completion,) = yield Sample(problem.question, HOT)
        if completion.text.startswith("a"):
            raise ValueError("no a")
        return Solution(completion.text)

    law = answer_law(Method(solve), PROBLEM, lm())
    assert law[None] == pytest.approx(sum(p for text, p in lm().texts().items() if text[0] == "a"))


def test_every_solution_comes_with_its_probability() -> None:
    found = list(solutions(vote(2), PROBLEM, lm()))
    assert len(found) == len(lm().texts()) ** 2
    assert sum(p for _, p in found) == pytest.approx(1)


def test_of_a_race_the_first_requests_are_taken() -> None:
    def solve(problem: Problem) -> Steps:
        replies = yield First((Sample(problem.question, HOT), Sample(problem.question, HOT)))
        return Solution(f"{replies[0][0].text} {replies[1]}")

    expected = {f"{text} None": p for text, p in lm().texts().items()}
    assert answer_law(Method(solve), PROBLEM, lm()) == pytest.approx(expected)


def test_too_many_combinations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calculemus.engine.exact.MAX_SOLUTIONS", 100)
    with pytest.raises(InvalidParameterError, match="more than 100 combinations"):
        answer_law(vote(3), PROBLEM, lm())


def test_programs_are_not_summed_over() -> None:
    def solve(problem: Problem) -> Steps:
        ran = yield Run("1")
        return Solution(str(ran.value))

    with pytest.raises(InvalidParameterError, match="asks to run a program"):
        answer_law(Method(solve), PROBLEM, lm())
