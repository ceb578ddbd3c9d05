"""Known methods of reasoning as settings of the blueprint, and the table of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from calculemus.solving.blueprint import Blueprint
from calculemus.solving.scheme import Scheme

_VALUED = "decompose; generate evaluate prune; aggregate evaluate prune"


@dataclass(frozen=True, slots=True)
class Case:
    """A method that is a setting of the blueprint.

    Attributes:
        title: What its paper calls it.
        settings: The blueprint's.
        source: Preprint, or system of this package, that it is.
        shown_by: The test that shows it.
        differs: Where it is not the method to the letter; empty where it is.
    """

    title: str
    settings: Blueprint
    source: str
    shown_by: str
    differs: str = ""

    @property
    def scheme(self) -> Scheme:
        """What it is made of."""
        return self.settings.own_scheme

    @property
    def changed(self) -> Mapping[str, object]:
        """Its settings that are not the blueprint's defaults."""
        default = Blueprint().params()
        return {name: value for name, value in self.settings.params().items() if value != default[name]}


CASES: Mapping[str, Case] = {
    "chain": Case(
        "Chain of thought",
        Blueprint(structure="chain", plan="generate", width=1, branch=1),
        "cot",
        "test_a_chain_a_narrow_tree_and_a_graph_without_merges_are_one",
        "a step a request",
    ),
    "vote": Case(
        "Self-consistency",
        Blueprint(plan="generate", width=40, branch=1, depth=1, step="whole", step_tokens=512, choose="vote"),
        "vote",
        "test_best_of_n_and_a_vote_have_the_laws_of_their_own_implementations",
    ),
    "best_of_n": Case(
        "Best of N",
        Blueprint(plan="generate evaluate", width=100, branch=1, depth=1, step="whole", step_tokens=512),
        "best_of_n",
        "test_best_of_n_and_a_vote_have_the_laws_of_their_own_implementations",
    ),
    "tot": Case(
        "Tree of thoughts, breadth first",
        Blueprint(width=5, branch=5, depth=3, scorer="judge"),
        "tot",
        "test_a_beam_with_judgements_asks_and_keeps_as_tree_of_thoughts_does",
        "states are judged by the chance of yes, not by sure, likely, impossible",
    ),
    "got": Case(
        "Graph of thoughts: cut, do the parts, join",
        Blueprint(
            structure="graph",
            plan=_VALUED,
            width=1,
            branch=3,
            step="whole",
            step_tokens=512,
            depth=8,
            scorer="value",
        ),
        "2308.09687",
        "test_a_graph_of_thoughts_sorts_32_numbers",
    ),
    "rap": Case(
        "Reasoning via planning",
        Blueprint(strategy="mcts", rule="uct", rollout=0.0, branch=4, scorer="judge"),
        "2305.14992",
        "test_planning_finds_the_best_of_all_texts",
        "a step is a state, and its reward the judgement of it alone",
    ),
    "x1": Case(
        "x1",
        Blueprint(strategy="mcts", scorer="value"),
        "2501.11223",
        "test_the_update_of_x1_comes_to_numbers_worked_out_by_hand",
    ),
    "llama_berry": Case(
        "LLaMA-Berry: rewrite whole solutions, prefer by pairs",
        Blueprint(
            structure="graph",
            plan="generate compare; refine compare select",
            width=4,
            branch=1,
            depth=4,
            step="whole",
            step_tokens=512,
        ),
        "2410.02884",
        "test_rewriting_and_comparing_by_pairs_finds_the_better_solution",
        "a beam in the place of its tree search; the count without closure under transitivity",
    ),
    "journey": Case(
        "Journey learning",
        Blueprint(strategy="depth-first", branch=3, scorer="judge", floor=0.5),
        "2410.18982",
        "test_a_journey_tells_its_wrong_turns_and_the_ways_back",
        "it makes the long thoughts; training on them is a recipe's part",
    ),
}
"""By the name of the method."""


def special_cases() -> list[dict[str, str]]:
    """Return the table of special cases, made from the settings: a row of texts for each."""
    return [
        {
            "case": name,
            "structure": case.scheme.structure,
            "strategy": case.scheme.strategy,
            "operators": " ".join(case.scheme.operators),
            "scorers": " ".join(case.scheme.scorers) or "none",
            "settings": ",".join(f"{key}={value}" for key, value in case.changed.items()),
            "method": case.source,
            "shown by": case.shown_by,
            "differs": case.differs,
        }
        for name, case in CASES.items()
    ]
