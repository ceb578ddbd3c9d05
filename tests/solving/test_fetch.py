"""FETCH: clusters against another library, what is left of siblings, searches with and without merging."""

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest

from calculemus.cost import Budget
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.scripted import ScriptedEngine
from calculemus.engine.toy import ToyLM
from calculemus.errors import InvalidParameterError
from calculemus.events import listening
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving import fetch as module
from calculemus.solving.fetch import Fetch, share_of_siblings
from calculemus.solving.mcts import walk
from calculemus.solving.ovm import Ovm
from calculemus.solving.rebase import Rebase
from calculemus.solving.same_meaning import cluster, key_of
from calculemus.solving.tree import Place, merged

QUESTION = Problem("q", "How many?", "7")
BY_SYMBOL: dict[str, Any] = {"step": "tokens", "step_tokens": 1, "temperature": 1.0, "values": "unit"}
STRATEGIES = ("beam", "best_first", "mcts", "rebase")


def solve(solver, engine, budget=None, seed=0):
    scheduler = Scheduler(engine, budget=budget or Budget(), seed=seed)
    ((_, _, solution),) = scheduler.solve_all(solver, [(QUESTION, 0)])
    return solution


def toy(seed: int = 1, **options) -> ToyLM:
    texts = ["".join(t) for n in range(5) for t in itertools.product("123", repeat=n)]
    draws = Rng(seed, ("rewards",)).generator()
    rewards = {text: float(draws.random()) for text in sorted(texts)}
    return ToyLM.random(Rng(seed), "123", 4, rewards=rewards, **options)


@pytest.mark.parametrize("seed", range(20))
def test_clusters_are_those_of_another_library(seed) -> None:
    sklearn_cluster = pytest.importorskip("sklearn.cluster")
    draws = Rng(seed, ("vectors",)).generator()
    vectors = draws.standard_normal((int(draws.integers(2, 12)), 3))
    threshold = float(draws.random())
    labels = sklearn_cluster.AgglomerativeClustering(
        n_clusters=None, distance_threshold=threshold, linkage="average", metric="cosine"
    ).fit_predict(vectors)
    theirs = [np.flatnonzero(labels == label).tolist() for label in dict.fromkeys(labels.tolist())]
    assert cluster(vectors.tolist(), threshold) == theirs


def test_the_order_of_siblings_does_not_change_clusters() -> None:
    draws = Rng(0, ("vectors",)).generator()
    vectors = draws.standard_normal((9, 3))
    for _ in range(20):
        order = draws.permutation(9)
        found = cluster(vectors[order].tolist(), 0.4)
        assert {frozenset(order[i] for i in each) for each in found} == {
            frozenset(each) for each in cluster(vectors.tolist(), 0.4)
        }


def test_at_the_ends_all_are_one_or_none_is() -> None:
    vectors = Rng(0, ("vectors",)).generator().standard_normal((9, 3))
    opposite = [*vectors.tolist(), (-vectors[0]).tolist()]
    assert cluster(opposite, 2.0) == [list(range(10))]
    assert cluster(vectors.tolist(), 1e-9) == [[index] for index in range(9)]
    assert cluster([(0.0, 0.0), (1.0, 0.0)], 0.5) == [[0], [1]]
    assert cluster([(1.0, 0.0)], 0.5) == [[0]]


def test_keys_leave_out_what_does_not_matter() -> None:
    assert key_of("text", "So it is  5.\n") == key_of("text", "so it is 5")
    assert key_of("result", "He has 2 + 3 = 5 eggs.") == key_of("result", "Now 4 + 1 = $5.")
    assert key_of("result", "2 + 3 = 5, 5 * 2 = 1,000") == "=5=1000"
    assert key_of("result", "No figure.") != key_of("result", "None, too.")


def called_fetch(base: type, **params: Any) -> Any:
    """Return a solver of another class under this one's name, by which its requests are seeded."""
    return type("Fetch", (base,), {})(step="tokens", step_tokens=1, temperature=1.0, depth=5, **params)


UNMERGED = {
    "beam": called_fetch(Ovm, candidates=12, beams=3, distinct=False),
    "rebase": called_fetch(Rebase, width=12, choose="best"),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_with_a_distance_of_0_it_is_the_search_without_merging(strategy) -> None:
    lm, sizes = toy(2), {"beams": 3, "children": 4, "depth": 5}
    for seed in range(3):
        solution = solve(Fetch(strategy=strategy, distance=0.0, **sizes, **BY_SYMBOL), lm, seed=seed)
        again = solve(
            Fetch(strategy=strategy, distance=0.0, merge="text", **sizes, **BY_SYMBOL), lm, seed=seed
        )
        assert again.trace == solution.trace
        assert len({node.text for node in solution.trace.nodes if not node.parents}) < len(
            [node for node in solution.trace.nodes if not node.parents]
        )  # there would have been something to merge


@pytest.mark.parametrize("strategy", UNMERGED)
def test_a_distance_of_0_gives_what_other_solvers_give(strategy) -> None:
    sizes = {"beams": 3, "children": 4, "depth": 5}
    for seed in range(5):
        solution = solve(Fetch(strategy=strategy, distance=0.0, **sizes, **BY_SYMBOL), toy(2), seed=seed)
        other = solve(UNMERGED[strategy], toy(2), seed=seed)
        assert solution.answer == other.answer
        assert [node.text for node in solution.trace.nodes] == [node.text for node in other.trace.nodes]


class Watched(Fetch):
    """Keeps its tree to look at."""

    def search(self, tree):
        self.__dict__["tree"] = tree
        yield from super().search(tree)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_two_siblings_that_are_left_mean_the_same(strategy) -> None:
    solver = Watched(strategy=strategy, merge="text", rollouts=0, children=6, depth=5, **BY_SYMBOL)
    solve(solver, toy(2))
    tree = solver.__dict__["tree"]
    places = list(walk(tree.root))
    assert any(place.members for place in places)
    for place in (tree.root, *places):
        kinds = [(child.is_final, child.step) for child in place.children]
        assert len(kinds) == len(set(kinds))
    standing = {id(single) for place in places for single in place.members or (place,)}
    assert standing == {id(place) for place in tree.drawn}
    assert all(place.members == () for place in tree.finals)


def test_visits_add_up_where_places_stand_for_several() -> None:
    solver = Watched(strategy="mcts", merge="text", enough=10**6, children=4, depth=5, **BY_SYMBOL)
    solve(solver, toy(2))
    tree = solver.__dict__["tree"]
    assert tree.root.visits == 40 or tree.root.is_closed
    for place in (tree.root, *walk(tree.root)):
        assert place.visits == (1 + sum(child.visits for child in place.children) if place.visits else 0)


@pytest.mark.parametrize(("pool", "worth"), [("max", 0.9), ("min", 0.1), ("mean", 0.5)])
def test_a_cluster_is_worth_what_its_members_make_it(pool, worth) -> None:
    values = {"one 1": 0.9, "one 2": 0.1, "one 3": 0.5, "two 4": 0.3}
    texts = itertools.cycle([f"{text}\n" for text in values])
    engine = ScriptedEngine(
        lambda prompt, seed: next(texts) if prompt.endswith("A:") else "#### 7",
        values=lambda prompt: values.get(prompt.rstrip()[-5:], 0.0),
        embeddings=lambda text: (1.0, 0.0) if text.startswith("one") else (0.0, 1.0),
    )
    solver = Watched(strategy="best_first", children=4, iterations=1, pool=pool, values="unit")
    solve(solver, engine)
    one, two = solver.__dict__["tree"].root.children
    assert (len(one.members), len(two.members)) == (3, 0)
    assert one.value == pytest.approx(worth)
    assert [share for _, share in one.spread(4)] == [2, 1, 1]
    assert next(member for member, _ in one.spread(4)).value == pytest.approx(0.9)


def test_whole_solutions_and_others_are_never_one() -> None:
    texts = itertools.cycle(["#### 7\n", "so\n"])
    engine = ScriptedEngine(
        lambda prompt, seed: next(texts), values=lambda prompt: 0.0, embeddings=lambda text: (1.0,)
    )
    solver = Watched(distance=2.0, beams=1, children=4, depth=1)
    solve(solver, engine)
    assert [place.is_final for place in solver.__dict__["tree"].root.children] == [True, False]


def test_steps_that_say_nothing_new_are_worth_nothing() -> None:
    texts = itertools.cycle(["again\n", "new\n", "\n"])
    engine = ScriptedEngine(lambda prompt, seed: next(texts), values=lambda prompt: 0.8, embeddings=len)
    solver = Watched(distance=0.0, beams=3, children=3, depth=2, values="unit")
    solve(solver, engine)
    for place in solver.__dict__["tree"].drawn:
        says_new = place.step.strip() not in ("", place.parent.step.strip())
        assert place.value == (0.8 if says_new else 0.0)


def paraphraser(noise: float) -> ScriptedEngine:
    """Return a player who goes right or wrong at every step and says each step in one of four ways."""

    def say(prompt: str, seed: int) -> str:
        draws = Rng(seed, ("say",)).generator()
        written = prompt.rpartition("A:")[2].count("\n")
        if written == 4:
            return "#### 7\n" if "wrong" not in prompt else "#### 8\n"
        turn = "right" if draws.random() < 0.5 else "wrong"
        return f"{('I', 'We', 'You', 'They')[int(draws.integers(4))]} go {turn} at {written}.\n"

    def judge(prompt: str) -> float:
        said = prompt.rpartition("A:")[2]
        error = noise * float(Rng(0, ("judge", said)).generator().standard_normal())
        return (0.2 if "wrong" in said else 0.8) + error

    def embed(text: str) -> tuple[float, ...]:
        angle = {"right": 0.0, "wrong": 1.2}.get(re.sub(r".* go (\w+) .*\n", r"\1", text), 2.5)
        slight = 0.02 * ("I", "We", "You", "They").index(text.split()[0]) if " go " in text else 0.0
        return (math.cos(angle + slight), math.sin(angle + slight))

    return ScriptedEngine(say, values=judge, embeddings=embed)


def test_a_player_who_says_each_step_in_four_ways_costs_half_as_much_or_less() -> None:
    problems = [(Problem(f"q{i}", "How many?", "7"), 0) for i in range(40)]
    found = {}
    for distance in (0.0, 0.15):
        solver = Fetch(strategy="best_first", distance=distance, children=8, values="unit")
        solutions = [s for _, _, s in Scheduler(paraphraser(0.15)).solve_all(solver, problems)]
        right = sum(s.answer is not None and s.answer.endswith("#### 7\n") for s in solutions)
        tokens = sum((s.cost.tokens_out or 0) + (s.cost.tokens_discarded or 0) for s in solutions)
        found[distance] = (right / 40, tokens)
    assert found[0.15][0] >= found[0.0][0] - 0.05
    assert 2 * found[0.15][1] <= found[0.0][1]


def test_the_mean_of_more_verifiers_makes_the_search_jump_about_less() -> None:
    def switches(n_heads: int) -> float:
        """Return how often the next place to be grown is not behind the one before."""
        n, switched = 0, 0
        for seed in range(80):
            heads = "+".join(f"{seed}-{head}" for head in range(n_heads))
            solver = Watched(
                strategy="best_first", distance=0.0, children=3, depth=5, heads=heads, **BY_SYMBOL
            )
            solve(solver, toy(seed, noise=0.15))
            grown = [place for place in solver.__dict__["tree"].drawn if place.children]
            grown.sort(key=lambda place: place.children[0].node)
            n += len(grown)
            switched += sum(after.parent is not before for before, after in itertools.pairwise(grown))
        return switched / n

    one, two, four = switches(1), switches(2), switches(4)
    assert one > two > four


def test_the_noise_of_the_mean_of_verifiers_falls_with_the_root_of_their_number() -> None:
    lm, errors = toy(7, noise=0.1), {1: [], 2: [], 4: []}
    for n, found in errors.items():
        for group in range(300):
            heads = "+".join(f"{group}-{head}" for head in range(n))
            solver = Watched(distance=0.0, beams=1, children=1, depth=1, heads=heads, **BY_SYMBOL)
            solve(solver, lm)
            (place,) = solver.__dict__["tree"].drawn
            found.append(place.value - lm.value(place.prompt))
    spread = {n: float(np.std(found)) for n, found in errors.items()}
    assert spread[2] == pytest.approx(spread[1] / math.sqrt(2), rel=0.15)
    assert spread[4] == pytest.approx(spread[1] / 2, rel=0.15)


def test_without_embeddings_equal_texts_are_merged_and_it_says_so_once(monkeypatch) -> None:
    monkeypatch.setattr(module, "_warned", set())
    heard: list[Any] = []
    with listening(heard.append):
        for _ in range(2):
            solver = Watched(depth=2, **BY_SYMBOL)
            solve(solver, toy(2))
    assert [event.message.partition(";")[0] for event in heard if hasattr(event, "message")] == [
        "fetch: the engine embeds no texts"
    ]
    assert any(place.members for place in solver.__dict__["tree"].root.children)


def test_large_clusters_are_favoured_and_get_more_next_steps() -> None:
    root, solver = Place("p"), Fetch(strategy="mcts")
    singles = [Place("p", parent=root) for _ in range(8)]
    large, small = merged(singles[:6]), merged(singles[6:7])
    root.children += [large, small, singles[7]]
    assert share_of_siblings(root, large) == pytest.approx(0.8 + 0.2 * 6 / 8)
    assert share_of_siblings(root, small) == pytest.approx(0.8 + 0.2 / 8)
    assert [solver._budget(place) for place in (root, small, large)] == [8, 4, 7]
    assert solver._budget(merged([Place("p", parent=root) for _ in range(40)])) == 8


def test_a_budget_that_ends_while_siblings_are_merged_leaves_what_was_drawn() -> None:
    solver = Fetch(strategy="best_first", children=4, values="unit")
    for requests in range(1, 12):
        solution = solve(solver, paraphraser(0.15), Budget(requests=requests))
        steps = [node for node in solution.trace.nodes if node.kind == "step"]
        words = sum(len(re.findall(r"\s*\S+|\s+", node.text)) for node in steps)
        assert (solution.cost.tokens_out or 0) + (solution.cost.tokens_discarded or 0) == words
        assert solution.answer or solution.failure


def test_identical_next_steps_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="children=10"):
        Fetch(strategy="best_first", temperature=0.0)
