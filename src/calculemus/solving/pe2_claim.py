"""A search for prompts with a writer and a model that are known, and what its winner is worth elsewhere.

No language model takes part: prompts are words of which some help the model by a known amount and some do
harm, and the writer changes one word at random. So the search can be measured: whether it finds what helps,
whether going back pays, and by how much the score of the winner is too high where it was chosen. On a user's
model (size ``real``) the model writes and solves itself.
"""

import re
from functools import cache

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.pe2 import Pe2
from calculemus.solving.prompt_bench import PromptBench, Tally, split
from calculemus.solving.prompt_search import Tuned

BEGIN = "cot:shots=0"
PE2, FORWARD, ANY = "pe2", "pe2:backtrack=no", "pe2: a prompt written without looking"
ON_DEV, ON_TEST = "the winner on the development set", "the winner on the test set"

EDITED = Contrast("the edited prompt against the first one, on held-out problems", BEGIN, PE2)
CONTRASTS = (
    EDITED,
    Contrast("going back to earlier prompts against going on from the last", FORWARD, PE2),
    Contrast(
        "the winner where it was chosen against the winner on the test set", ON_TEST, ON_DEV, on="searches"
    ),
)
UNLOOKED = Contrast("a prompt written without looking at scores against the first one", BEGIN, ANY)

START = "Let us go through it step by step."
HELPS = {"carefully": 0.12, "units": 0.08, "check": 0.10, "numbers": 0.05}
HARMS = {"quickly": -0.15, "guess": -0.20, "story": -0.08, "briefly": -0.10}
BASE = 0.5  # share that the first prompt gets right
SIZES = {
    "smoke": (4, 20, 20),
    "small": (20, 50, 100),
}  # searches, problems to choose by, problems of the test


def strength(prompt: str) -> float:
    """Return the chance of a right answer with a prompt."""
    words = {word.strip(".,").lower() for word in prompt.split()}
    gain = sum(value for word, value in (HELPS | HARMS).items() if word in words)
    return min(0.95, max(0.05, BASE + gain))


def solver_of(prompt: str, seed: int) -> str:
    """Answer as the model does: a problem has a difficulty, and each prompt meets it with luck of its own."""
    del seed
    found = re.match(r"Q: (.*?)\nA: ?(.*)", prompt, re.S)
    assert found is not None, "Instructed asks so"
    question, instruction = found[1], found[2].strip()
    luck = float(Rng(0, ("luck", question, instruction)).generator().random())
    is_right = luck < strength(instruction)
    return f"#### {question.rpartition(' ')[2]}" if is_right else "#### -1"


def change_a_word(prompt: str, seed: int) -> str:
    """Write as the writer does: one of its words put in behind the prompt, or one of them taken out."""
    found = re.search(r"The prompt now: (.*)", prompt)
    assert found is not None, "the meta-prompt has it"
    now = found[1].split()
    words = sorted(HELPS | HARMS)
    word = words[Rng(seed, ("writer",)).integer(len(words))]
    changed = [w for w in now if w != word] if word in now else [*now, word]
    return f"<prompt>{' '.join(changed)}</prompt>"


@cache
def searched(arm: str, seed: int, n_dev: int, n_test: int) -> Tuned:
    """Return what a search came to on problems of its own."""
    dev, test = (
        ProblemSet(name, tuple(Problem(f"{name}/{seed}/{i}", f"The {name} answer {seed} is {i}", str(i))
                               for i in range(n)))
        for name, n in (("dev", n_dev), ("test", n_test))
    )  # fmt: skip
    model = ScriptedEngine(solver_of, name="a model that some words help")
    writer = ScriptedEngine(change_a_word, name="a writer that changes a word")
    pe2 = Pe2(steps=1 if arm == ANY else 4, expand=1 if arm == ANY else 4, backtrack=arm != FORWARD)
    return pe2.optimize(PromptBench(model, dev, test, writer, seed=seed), [START], Rng(seed, ("pe2 claim",)))


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Search, one unit a search; on a user's model search once, one unit a problem of the test."""
    if lab.size == "real":
        return on_a_model(arm, lab)
    n_searches, n_dev, n_test = SIZES[lab.size]
    figures: dict[str, tuple[float, ...]] = {}
    for number in range(n_searches):
        seeds = [seed * n_searches + number for seed in lab.seeds]
        figures[f"search {number}"] = tuple(one_share(arm, seed, n_dev, n_test) for seed in seeds)
    return Measured(figures)


def one_share(arm: str, seed: int, n_dev: int, n_test: int) -> float:
    """Return the share of right answers of an arm in one search."""
    tuned = searched(arm if arm in (FORWARD, ANY) else PE2, seed, n_dev, n_test)
    if arm == BEGIN:
        return tuned.start.score
    if arm != ANY:
        return tuned.winner.score if arm == ON_DEV else tuned.test.score
    written = tuned.nodes[-1].instruction  # whatever its score
    model = ScriptedEngine(solver_of, name="a model that some words help")
    dev = ProblemSet("none", (Problem("none", "none", "1"),))
    test = ProblemSet("test", tuple(tried.problem for tried in tuned.test.tried))
    return PromptBench(model, dev, test).on_test(written).score


def on_a_model(arm: str, lab: Lab) -> Measured:
    """Return what an arm does on the user's model and problems, half of them to choose by."""
    problems = lab.problems(smoke="", small="")
    search = arm if arm in (FORWARD, ANY) else PE2
    key = (lab.model().digest, problems.digest, search)
    if key not in _searches:
        half = len(problems) // 2
        dev, test = split(problems, half, half, Rng(0, ("pe2 claim",)))
        bench = PromptBench(lab.model(), dev, test)
        pe2 = Pe2(backtrack=arm != FORWARD, steps=1 if arm == ANY else 3)
        tuned = pe2.optimize(bench, [START], Rng(0, ("pe2 claim",)))
        unlooked = bench.on_test(tuned.nodes[-1].instruction)
        tallies = {ON_DEV: tuned.winner.tally, BEGIN: tuned.start, ANY: unlooked, search: tuned.test}
        _searches[key] = {**tallies, ANY: unlooked}, bench.cost
    tallies, cost = _searches[key]
    tally = tallies.get(arm, tallies[search])
    return Measured({f"problem {i}": (outcome,) for i, outcome in enumerate(tally.outcomes)}, cost)


_searches: dict[tuple[object, ...], tuple[dict[str, Tally], Cost]] = {}
"""Searches that were made: several arms look at one and the same."""

CLAIM = Claim(CONTRASTS, control=UNLOOKED, measure=measure)
