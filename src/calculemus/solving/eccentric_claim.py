"""Sixty hand-written system messages against one that an optimiser writes, and against none at all.

The first part is simulated: snippets, and some further words that the optimiser may use, help or harm a model
by known amounts. So it can be seen what an optimiser with a larger choice gains over the best of sixty, and
what "the best of sixty" gains where no prompt matters at all. The last part asks the shipped model, which
knows no system messages.
"""

from functools import cache

import numpy as np

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.cost import Cost
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng
from calculemus.solving.eccentric import GRID, Eccentric, GridReport
from calculemus.solving.pe2 import Pe2
from calculemus.solving.prompt_bench import PromptBench, Tally, split
from calculemus.solving.prompt_grid import PromptGrid, Slot, choose

BEST, WRITTEN = "the best hand-written message", "the message of an optimiser"
NONE, THERE = "no message", "the best message, where it was chosen"
CHANCE = "the best message where none matters"

OPTIMISED = Contrast(
    "the optimiser's message against the best of 60, on the half that chose neither", BEST, WRITTEN
)
CONTRASTS = (
    OPTIMISED,
    Contrast("the best of 60 where it was chosen, where no message matters", NONE, THERE, on="null"),
    Contrast("the best of 60 against none, on the shipped model", NONE, BEST, on="model"),
)
HELD_OUT = Contrast("the best of 60 on the other half, where no message matters", NONE, CHANCE, on="null")

WORDS = ("carefully", "twice", "aloud", "slowly", "quickly", "somehow", "briefly", "captain")
SPREAD = 0.05  # of what a word or a snippet does, in shares of right answers
SIZES = {"smoke": (2, 10), "small": (10, 40)}  # simulated models, problems of each half
NULLS = {"smoke": 20, "small": 200}
P_NULL, N_NULL = 0.5, 50
SMALL_GRID = PromptGrid(tuple(Slot(slot.name, slot.snippets[:2]) for slot in GRID.slots))


def strength(message: str, seed: int) -> float:
    """Return a simulated model's chance of a right answer: each snippet and each word does its part."""
    parts = [snippet for slot in GRID.slots for snippet in slot.snippets if snippet and snippet in message]
    parts += [word for word in WORDS if word in message.split()]
    gains = [Rng(seed, ("does", part)).generator().normal(0.0, SPREAD) for part in parts]
    return float(np.clip(0.5 + sum(gains), 0.02, 0.98))


def model(seed: int) -> ScriptedEngine:
    """Return a simulated model; on each problem every message has luck of its own."""

    def answer(prompt: str, draw: int) -> str:
        del draw
        message, _, asked = prompt.rpartition("Q: ")
        luck = Rng(seed, ("luck", prompt)).generator().random()
        number = asked.partition("\n")[0].rpartition(" ")[2]
        return f"#### {number if luck < strength(message, seed) else -1}"

    return ScriptedEngine(answer, name=f"simulated model {seed}")


def change(prompt: str, seed: int) -> str:
    """Write as an optimiser: a word more or less at the end of the message."""
    now = prompt.partition("The prompt now: ")[2].partition("\n")[0].removesuffix("(empty)").split()
    word = WORDS[Rng(seed, ("optimiser",)).integer(len(WORDS))]
    changed = [w for w in now if w != word] if word in now else [*now, word]
    return f"<prompt>{' '.join(changed)}</prompt>"


@cache
def simulated(seed: int, n: int) -> GridReport:
    """Return what the study finds on a simulated model."""
    dev, test = (
        ProblemSet(half, tuple(Problem(f"{half}/{i}", f"The {half} answer is {i}", str(i)) for i in range(n)))
        for half in ("first", "second")
    )
    bench = PromptBench(model(seed), dev, test, ScriptedEngine(change, name="a writer of words"), seed=seed)
    return Eccentric(resamples=100).run(bench, Rng(seed, ("eccentric claim",)), Pe2(steps=4, expand=4))


def without_effect(arm: str, seed: int) -> float:
    """Return the gain of the best of 60 over none in a simulation in which no message does anything."""
    draws = Rng(seed, ("eccentric null",)).generator()
    choosing, held_out = ((draws.random((len(GRID.cells), N_NULL)) < P_NULL).astype(float) for _ in range(2))
    found = choose(GRID, choosing, held_out)
    return {NONE: 0.0, THERE: found.naive, CHANCE: found.corrected}[arm]


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Simulate, or ask a model."""
    if contrast.on == "model" or (lab.size == "real" and contrast.on != "null"):
        return on_a_model(arm, lab, optimises=contrast.on != "model")
    if contrast.on == "null":
        runs = range(NULLS.get(lab.size, NULLS["small"]))
        gains = {f"run {n}": tuple(without_effect(arm, s * len(runs) + n) for s in lab.seeds) for n in runs}
        return Measured(gains)
    n_models, n = SIZES[lab.size]
    shares: dict[str, tuple[float, ...]] = {}
    for number in range(n_models):
        reports = [simulated(seed * n_models + number, n) for seed in lab.seeds]
        shares[f"model {number}"] = tuple(
            (report.best if arm == BEST or report.tuned is None else report.tuned.test).score
            for report in reports
        )
    return Measured(shares)


def on_a_model(arm: str, lab: Lab, optimises: bool) -> Measured:
    """Return what an arm does on a model; one unit a problem of the second half."""
    problems = lab.problems(smoke="generated:level=2,n=12", small="generated:level=2,n=60")
    key = (lab.model().digest, problems.digest, lab.size, optimises)
    if key not in _asked:
        _asked[key] = ask_all(lab, problems, Pe2() if optimises else None)
    tallies, cost = _asked[key]
    return Measured({tried.problem.id: (float(tried.is_right),) for tried in tallies[arm].tried}, cost)


_asked: dict[tuple[object, ...], tuple[dict[str, Tally], Cost]] = {}
"""What models said to all messages: the arms of a contrast look at one and the same experiment."""


def ask_all(lab: Lab, problems: ProblemSet, optimizer: Pe2 | None) -> tuple[dict[str, Tally], Cost]:
    """Ask a model all messages, or few where seconds count; return each arm on the second half."""
    half = len(problems) // 2
    dev, test = split(problems, half, half, Rng(0, ("eccentric claim",)))
    bench = PromptBench(lab.model(), dev, test, place="system")
    grid = SMALL_GRID if lab.size == "smoke" else GRID
    report = Eccentric(resamples=100).run(bench, Rng(0, ("eccentric claim",)), optimizer, grid)
    tallies = {BEST: report.best, NONE: bench.on_test("")}
    if report.tuned is not None:
        tallies[WRITTEN] = report.tuned.test
    return tallies, bench.cost


CLAIM = Claim(CONTRASTS, control=HELD_OUT, measure=measure)
