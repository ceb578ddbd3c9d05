"""Monte Carlo tree search: visits add up, what is known is closed, and values tend to what can be had."""

import itertools
import math

import pytest

from calculemus.cost import Budget
from calculemus.engine.scheduler import Scheduler
from calculemus.engine.toy import ToyLM
from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.best_first import best_first_search
from calculemus.solving.mcts import mcts, puct, quality, rolled_out, uct, walk, x1_rule
from calculemus.solving.searching import Searching
from calculemus.solving.tree import Place

QUESTION = Problem("q", "How many?", "7")


class Watched(Searching):
    """Searches as it is told, and keeps the tree to look at."""

    def search(self, tree):
        self.__dict__["tree"] = tree
        yield from self.__dict__["how"](tree)


def grow(how, seed: int = 1, texts: int = 4, budget: Budget | None = None, depth: int = 10, **options):
    """Search the tree of a random model of digits; return the tree, the model and the solution."""
    lm = toy(seed, texts, **options)
    solver = Watched(step="tokens", step_tokens=1, temperature=1.0, depth=depth)
    solver.__dict__["how"] = how
    ((_, _, solution),) = Scheduler(lm, budget=budget or Budget()).solve_all(solver, [(QUESTION, 0)])
    return solver.__dict__["tree"], lm, solution


def toy(seed: int, length: int = 4, **options) -> ToyLM:
    draws = Rng(seed, ("rewards",)).generator()
    texts = ["".join(t) for n in range(length + 1) for t in itertools.product("123", repeat=n)]
    rewards = {text: float(draws.random()) for text in sorted(texts)}
    return ToyLM.random(Rng(seed), "123", length, rewards=rewards, **options)


def check_visits(tree, simulations: int) -> None:
    assert tree.root.visits == simulations
    for place in (tree.root, *walk(tree.root)):
        below = sum(child.visits for child in place.children)
        assert place.visits == (1 + below if place.visits else 0)
        assert not place.is_closed or all(child.is_closed for child in place.children)


RULES = {"puct": puct(1.5), "uct": uct(), "x1": x1_rule()}


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_after_every_simulation_a_place_was_visited_once_more_than_its_children(rule, in_flight) -> None:
    def how(tree):
        seen = 0

        def backup(path, value):
            nonlocal seen
            for place in path:
                place.visits += 1
                place.total += value
            seen += 1
            check_visits(tree, seen)

        yield from mcts(tree, 30, 3, rule, depth=5, backup=backup, in_flight=in_flight)

    tree, _, solution = grow(how)
    noted = [node.meta["visits"] for node in solution.trace.nodes if "visits" in node.meta]
    assert sum(place.visits for place in walk(tree.root)) == sum(noted)
    assert tree.root.visits == 30


def test_nothing_that_is_known_whole_is_entered_again() -> None:
    entered: list[Place] = []

    def rule(parent, child):
        assert not child.is_closed
        entered.append(child)
        return 0.0

    tree, _, _ = grow(lambda tree: mcts(tree, 1000, 2, rule, depth=2))
    assert tree.root.is_closed  # long before 1000
    check_visits(tree, 1 + sum(place.visits for place in tree.root.children))
    assert max(place.visits for place in walk(tree.root) if not place.children) == 1


def test_simulations_in_flight_go_to_different_leaves_and_share_their_requests() -> None:
    asked: list[int] = []

    def how(tree):
        searching = mcts(tree, 13, 3, puct(1.5), depth=5, in_flight=4)
        reply = None
        try:
            while True:
                request = searching.send(reply)
                if isinstance(request, list) and hasattr(request[0], "sampling"):
                    asked.append(len({id(sample.prompt) for sample in request}))
                reply = yield request
        except StopIteration:
            return

    tree, _, _ = grow(how)
    check_visits(tree, 13)
    assert asked[0] == 1  # the root alone
    assert max(asked) > 1
    assert len(asked) < 13


def reference(rule: str, parent: Place, children: list[Place]) -> Place:
    """Choose by the formulas as they are written down."""
    n, scores = parent.visits, []
    q = [child.total / child.visits if child.visits else 0.0 for child in children]
    for child, own in zip(children, q, strict=True):
        p = math.exp((child.logprob - parent.logprob) / (child.n_tokens - parent.n_tokens))
        span = max(q) - min(q)
        scores.append(
            {
                "puct": own + 1.5 * p * n**0.5 / (1 + child.visits),
                "uct": own + (2 * math.log(n) / child.visits) ** 0.5 if child.visits else math.inf,
                "x1": (own - min(q)) / span
                + (n - 1) ** 0.5 / (1 + child.visits) * (1.25 + math.log((n + 19652) / 19652)),
            }[rule]
        )
    return children[scores.index(max(scores))]


@pytest.mark.parametrize("name", RULES)
def test_rules_choose_as_their_formulas_do(name) -> None:
    for seed in range(200):
        draws = Rng(seed, ("tree",)).generator()
        parent = Place("p", logprob=-1.0, n_tokens=3, visits=int(draws.integers(2, 50)))
        for _ in range(4):
            visits = int(draws.integers(0, 9))
            child = Place(
                "c",
                parent=parent,
                logprob=-1 - 9 * draws.random(),
                n_tokens=int(draws.integers(4, 20)),
                visits=visits,
                total=visits * draws.random(),
            )
            parent.children.append(child)
        chosen = max(parent.children, key=lambda child: RULES[name](parent, child))
        assert chosen is reference(name, parent, parent.children)


def test_the_x1_rule_does_not_mind_how_rewards_are_scaled() -> None:
    def orders(scale, shift):
        parent = Place("p", visits=20)
        for visits, q in ((3, 0.2), (9, 0.5), (7, 0.4)):
            parent.children.append(
                Place("c", parent=parent, visits=visits, total=visits * (scale * q + shift))
            )
        return [x1_rule()(parent, child) for child in parent.children]

    assert orders(7.0, -3.0) == pytest.approx(orders(1.0, 0.0))


def test_what_is_brought_back_tends_to_the_best_that_can_be_had() -> None:
    tree, lm, solution = grow(lambda tree: mcts(tree, 4000, 12, uct(0.5), depth=3), texts=2)
    likely = {text: p for text, p in lm.texts().items() if p > 0.15}
    assert lm._reward(solution.answer) >= max(map(lm._reward, likely))
    assert tree.root.is_closed  # all that was drawn is known, so the mean is over all leaves
    leaves = [place for place in walk(tree.root) if not place.children]
    inner = [place for place in walk(tree.root) if place.children]
    mean = math.fsum(place.value for place in (*leaves, *inner)) / tree.root.visits
    assert quality(tree.root) == pytest.approx(mean)


def test_a_search_goes_most_often_to_where_most_is_to_be_had() -> None:
    tree, _, solution = grow(lambda tree: mcts(tree, 60, 6, uct(0.1), depth=5))
    visits: dict[str, int] = {}
    for child in tree.root.children:
        visits[child.text] = max(visits.get(child.text, 0), child.visits)
    best = max(tree.finals, key=lambda place: place.value)
    assert visits[best.text[0]] == max(visits.values())
    assert max(visits.values()) > 60 / 3
    assert solution.answer == best.text


def test_a_search_with_enough_solutions_ends() -> None:
    tree, _, _ = grow(lambda tree: mcts(tree, 100, 2, uct(), depth=5, enough=3))
    assert 3 <= len(tree.finals) <= 4
    assert tree.root.visits < 100


def test_the_number_of_children_may_depend_on_the_place() -> None:
    tree, _, _ = grow(lambda tree: mcts(tree, 10, lambda place: 2 if place.depth else 5, uct(), depth=5))
    assert len(tree.root.children) == 5
    assert {len(place.children) for place in walk(tree.root)} <= {0, 2}


def test_roll_outs_estimate_leaves_and_stay_out_of_the_tree() -> None:
    values: list[tuple[Place, float]] = []

    def backup(path, value):
        values.append((path[-1], value))
        for place in path:
            place.visits += 1
            place.total += value

    how = rolled_out(2000, 1.0, 9)
    tree, lm, solution = grow(lambda tree: mcts(tree, 4, 2, uct(), depth=5, estimate=how, backup=backup))
    for place, value in values:
        if not place.is_final:
            assert value == pytest.approx(lm.value(place.prompt), abs=0.03)
    assert len(list(walk(tree.root))) < 20
    assert len(tree.finals) > 2000
    sampled = sum(place.n_tokens - place.parent.n_tokens for place in tree.drawn)
    assert (solution.cost.tokens_out or 0) + (solution.cost.tokens_discarded or 0) == sampled


def test_a_short_budget_leaves_what_was_found() -> None:
    tree, _, solution = grow(lambda tree: mcts(tree, 100, 4, uct(), depth=5), budget=Budget(requests=24))
    assert solution.truncated
    assert solution.answer in {place.text for place in tree.finals}


def test_best_first_always_grows_the_place_of_most_worth() -> None:
    grown: list[tuple[float, float]] = []

    def how(tree):
        class Spy:
            def __getattr__(self, name):
                return getattr(tree, name)

            def grow(self, shares):
                ((place, _),) = shares
                others = [leaf.worth for leaf in walk(tree.root) if not leaf.children and tree.is_open(leaf)]
                grown.append((place.worth, max(others, default=place.worth)))
                return tree.grow(shares)

        yield from best_first_search(Spy(), 3, 30, 5)

    tree, _, solution = grow(how)
    assert all(own == most for own, most in grown)
    top = max(tree.finals, key=lambda place: place.value)
    assert solution.answer == top.text
    assert all(place.worth <= top.worth for place in walk(tree.root) if not place.children)


def test_best_first_keeps_to_its_depth_and_its_number_of_places() -> None:
    tree, _, _ = grow(lambda tree: best_first_search(tree, 2, 6, 5))
    assert sum(bool(place.children) for place in (tree.root, *walk(tree.root))) <= 6
    tree, _, solution = grow(lambda tree: best_first_search(tree, 2, 600, 2), depth=2)
    assert max(place.depth for place in walk(tree.root)) == 2
    assert solution.truncated or solution.answer
