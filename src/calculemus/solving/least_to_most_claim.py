"""Smaller questions first against the whole at once, by depth, with a simulated reader.

The reader is no model. It works out a quantity from the sentences of a problem and from answers that it was
given, and slips more often the more steps that takes at once: all of k steps are right with probability
``RIGHT ** (k * k)``. That longer reasoning is worse by more than its length is the assumption; that the
method hands every answer on, so that each question takes one step, is what is measured.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problems.generated import Generated, Item, Spec
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

RIGHT = 0.97
SIZES = {"smoke": 40, "small": 400}
WHOLE, PARTS = "cot", "least_to_most:max_parts=12"
CONTRASTS = tuple(
    Contrast(f"smaller questions first against the whole at once, {steps} steps", WHOLE, PARTS, on=str(steps))
    for steps in (6, 4, 2)
)


def parts_of(item: Item) -> list[tuple[str, str]]:
    """Return the smaller questions of a problem, in order, and their answers."""
    found = []
    for line in item.socratic_solution.splitlines()[:-1]:
        question, _, step = line.partition(" ** ")
        found.append((question, step.rpartition("=")[2].partition(">>")[0]))
    return found


def reader(items: Sequence[Item]) -> ScriptedEngine:
    """Return what answers prompts about these problems."""
    known = {item.question: parts_of(item) for item in items}

    def reply(prompt: str, seed: int) -> str:
        problem = max((question for question in known if question in prompt), key=prompt.rindex)
        if "these questions have to be answered first" in prompt[prompt.rindex(problem) :]:
            return "\n".join(f"{i}. {question}" for i, (question, _) in enumerate(known[problem], start=1))
        return answer(known[problem], prompt[prompt.index(problem) :], seed)

    return ScriptedEngine(reply, name=f"a reader who is right with {RIGHT} to the power of steps squared")


def answer(parts: Sequence[tuple[str, str]], asked: str, seed: int) -> str:
    """Return what the reader makes of the last question, given the answers that stand before it.

    Answers that were given are taken as they are: a slip early on is carried to the end.
    """
    *before, last = asked.rpartition("\nA:")[0].split("\nQ: ")
    n_given = len(before)
    target = next((i for i, (question, _) in enumerate(parts) if last.endswith(question)), len(parts) - 1)
    n_steps = target + 1 - n_given
    is_misled = any("slip" in turn for turn in before)
    is_right = Rng(seed, ("reader", asked)).generator().random() < RIGHT ** (n_steps * n_steps)
    right = parts[target][1]
    return f"#### {right}" if is_right and not is_misled else f"A slip.\n#### {Fraction(right) + 1}"


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve problems of so many steps."""
    spec = replace(Spec.level(3), steps=int(contrast.on), digits=3)
    items = list(islice(Generated(spec, "iid", seed=0), SIZES.get(lab.size, SIZES["small"])))
    problems = ProblemSet(f"least_to_most_claim:{spec.steps}", tuple(item.to_problem() for item in items))
    return lab.solve(arm, problems, engine=reader(items))


CLAIM = Claim(CONTRASTS, control=CONTRASTS[0].without_treatment(), measure=measure)
