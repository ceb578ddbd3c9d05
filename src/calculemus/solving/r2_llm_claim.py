"""Problems for a player that can take some steps only where it is shown one like it: what retrieval shows.

The player is no model. It adds and takes away by itself. What made-up words mean it learns from the last line
of an example alone, and how a guild counts from the first line alone; else it guesses. So steps in the middle
can be learned from what is shown at an expansion, and beginnings from whole solved problems. What is measured
is the retrieval, which sees words and no order, and the search around it.
"""

import json
import re
import tempfile
from functools import cache
from pathlib import Path

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

KNOWN = {"add": "{a} + {b}", "take": "{a} - {b}"}
MADE_UP = {
    "zorb": "{a} + 2 * {b}",
    "quell": "2 * {a} - {b}",
    "trine": "3 * {a} + {b}",
    "fleck": "{a} - 2 * {b}",
    "mundle": "2 * {a} + {b}",
    "sprock": "{a} + 3 * {b}",
}
GUILDS = {"weavers": 2, "coopers": 3, "tanners": 5, "masons": 7, "glaziers": 11, "saddlers": 13}
ERRS = 0.1  # how often the judge takes right for wrong and wrong for right
EACH = {"smoke": 6, "small": 100}

NONE, COARSE, FINE, BOTH = "no retrieval", "whole problems alone", "steps alone", "both levels"
BOTH_BY_COIN, VOTE = "both levels, values of a coin", "vote:n=27,shots=0"
SHOWN = {NONE: (0, 0), COARSE: (2, 0), FINE: (0, 3), BOTH: (2, 3), BOTH_BY_COIN: (2, 3)}
STEPS, BEGINNINGS = "made-up steps", "made-up beginnings"

MAIN = Contrast("both levels against none", NONE, BOTH)
OTHERS = (
    Contrast("made-up steps: steps alone", NONE, FINE, on=STEPS),
    Contrast("made-up steps: whole problems alone", NONE, COARSE, on=STEPS),
    Contrast("made-up beginnings: whole problems alone", NONE, COARSE, on=BEGINNINGS),
    Contrast("made-up beginnings: steps alone", NONE, FINE, on=BEGINNINGS),
    Contrast("both levels, by a coin, against none", NONE, BOTH_BY_COIN),
    Contrast("both levels against a vote of about as many tokens", VOTE, BOTH),
)


def reckon(formula: str, a: int, b: int) -> tuple[str, int]:
    """Return a formula with its numbers, and what it comes to."""
    written = formula.format(a=a, b=b)
    value, sign = 0, 1
    for part in re.split(r" ([-+]) ", written):
        if part in "+-":
            sign = 1 if part == "+" else -1
            continue
        factors = [int(factor) for factor in part.split(" * ")]
        value += sign * (factors[0] if len(factors) == 1 else factors[0] * factors[1])
    return written, value


def make(kind: str, index: int, split: str) -> Problem:
    """Return a problem with its solution."""
    draw = Rng(index, ("r2_llm", kind, split)).generator()

    def pick(words: dict[str, str]) -> str:
        return list(words)[int(draw.integers(len(words)))]

    guild = list(GUILDS)[int(draw.integers(len(GUILDS)))] if kind == BEGINNINGS else ""
    start = int(draw.integers(20, 100))
    verbs = [pick(KNOWN), *(pick(KNOWN if guild else MADE_UP) for _ in range(2))]
    numbers = [int(number) for number in draw.integers(2, 20, len(verbs))]
    total, lines = start, []
    if guild:
        total += GUILDS[guild]
        lines.append(f"{guild}: {start} counts {total}")
    for verb, number in zip(verbs, numbers, strict=True):
        written, total = reckon((KNOWN | MADE_UP)[verb], total, number)
        lines.append(f"{verb}: {written} = {total}")
    told = ", then ".join(f"{verb} {number}" for verb, number in zip(verbs, numbers, strict=True))
    begin = f"As the {guild} count, start with {start}" if guild else f"Start with {start}"
    question = f"{begin}. Then {told}. What is left?"
    return Problem(f"{split}/{kind}/{index}", question, str(total), "\n".join([*lines, f"#### {total}"]))


def problems(kinds: tuple[str, ...], n_each: int) -> ProblemSet:
    """Return the problems under test."""
    asked = [make(kind, index, "test") for index in range(n_each) for kind in kinds]
    return ProblemSet(f"r2_llm_claim:{'+'.join(kinds)},each={n_each}", tuple(asked))


@cache
def reference_file() -> Path:
    """Write solved problems of both kinds and return where."""
    solved = ProblemSet(
        "r2_llm_claim:references",
        tuple(make(kind, index, "train") for index in range(100) for kind in (STEPS, BEGINNINGS)),
    )
    path = Path(tempfile.gettempdir()) / "calculemus-r2_llm" / f"{solved.digest}.jsonl"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        rows = [
            {"id": one.id, "question": one.question, "answer": one.answer, "solution": one.solution}
            for one in solved
        ]
        new = path.with_suffix(".new")
        new.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        new.replace(path)
    return path


def play(prompt: str, seed: int) -> str:
    """Go on with a solution as the player does, to its end."""
    examples, _, own = prompt.rpartition("Q: ")
    shown = [
        part.rpartition("A: ")[2].strip().splitlines() for part in examples.split("\n\n") if part.strip()
    ]
    taught = {line.partition(":")[0] for lines in shown for line in (lines[0], lines[-1])}
    question, _, written = own.partition("\nA:")
    done = re.findall(r"^ ?(\w+): .* (-?\d+)$", written, re.M)
    total = int(done[-1][1]) if done else int(re.findall(r"start with (\d+)", question, re.I)[0])
    draw, lines = Rng(seed, ("player", own)).generator(), []
    guild = re.search(r"the (\w+) count", question)
    if guild and not done:
        more = GUILDS[guild[1]] if guild[1] in taught else int(draw.integers(1, 20))
        lines.append(f"{guild[1]}: {total} counts {total + more}")
        total += more
    asked = re.findall(r"(\w+) (\d+)", question.partition("Then ")[2])
    for verb, number in asked[max(0, len(done) - bool(guild)) :]:
        guesses = [*MADE_UP.values(), *KNOWN.values()]
        formula = (KNOWN | MADE_UP)[verb]
        if verb not in KNOWN and verb not in taught:
            formula = guesses[int(draw.integers(len(guesses)))]
        left, total = reckon(formula, total, int(number))
        lines.append(f"{verb}: {left} = {total}")
    return "\n".join([*lines, f"#### {total}\n"])


def player(asked: ProblemSet) -> ScriptedEngine:
    """Return the player, with a judge that mostly knows whether a solution is right so far."""
    solutions = {problem.question: (problem.solution or "").splitlines() for problem in asked}

    def judge(text: str) -> float:
        question, _, written = text.rpartition("Q: ")[2].partition("\nA:")
        lines = [line.strip() for line in written.splitlines() if re.match(r" ?(\w+:|####) ", line)]
        is_right = lines == solutions[question][: len(lines)]
        # By what was written alone: the judge errs on the same steps whatever else an arm shows.
        errs = Rng(0, ("judge", question, *lines)).generator().random() < ERRS
        return float(is_right != errs)

    return ScriptedEngine(play, values=judge, name=f"a player whose judge errs on {ERRS:.0%}")


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Have the player solve problems with what an arm shows it."""
    kinds = (contrast.on,) if contrast.on else (STEPS, BEGINNINGS)
    asked = problems(kinds, EACH.get(lab.size, EACH["small"]))
    solver = VOTE
    if arm != VOTE:
        coarse, fine = SHOWN[arm]
        scorer = "random" if arm == BOTH_BY_COIN else "value"
        solver = (
            f"r2_llm:coarse={coarse},fine={fine},references={reference_file()},leak=leave_out,shots=0,"
            f"simulations=40,children=3,scorer={scorer}"
        )
    return lab.solve(solver, asked, engine=player(asked))


CLAIM = Claim((MAIN, *OTHERS), control=MAIN.without_treatment(), measure=measure)
