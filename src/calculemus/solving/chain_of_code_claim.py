"""Questions that mix knowledge with long sums: Python for the sums, a model for the knowledge, and both.

The model is scripted: it knows what is a fruit and what an animal, and it gets some sums and products wrong.
Asked for a program it writes the right one, with a call of a function that nobody has defined. What is
measured is who does which part.
"""

import re

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

KNOWN = {
    "fruit": ("apples", "pears", "plums", "figs", "mangos", "cherries"),
    "animals": ("goats", "hens", "ponies", "geese", "rabbits", "ducks"),
    "tools": ("hammers", "saws", "files", "pliers", "chisels", "wrenches"),
}
"""What the model knows."""

ERRS = 0.15  # of how many sums and products the model gets wrong
N = {"smoke": 40, "small": 400}

MIXED = Contrast("interwoven against a chain of thought, mixed questions", "cot", "chain_of_code", on="mixed")
OTHERS = (
    Contrast("against a vote of five chains", "vote:n=5,temperature=0.7", "chain_of_code", on="mixed"),
    Contrast("against Python alone", "chain_of_code:variant=python", "chain_of_code", on="mixed"),
    Contrast("against the model alone", "chain_of_code:variant=lm", "chain_of_code", on="mixed"),
    Contrast("against programs, sums without knowledge", "pal", "chain_of_code", "equal", 0.01, on="sums"),
)

_LOT = re.compile(r"(\d+) (\w+) at (\d+) coins")
_ASKED = re.compile(r"What do (?:all|the) ?(\w+)? cost together")


def problems(on: str, n: int) -> ProblemSet:
    """Return questions about the price of some lots, of one kind of thing or of all."""
    made: list[Problem] = []
    for index in range(n):
        draw = Rng(0, ("chain_of_code_claim", on, index)).generator()
        kinds = list(KNOWN)
        kind = kinds[int(draw.integers(len(kinds)))]
        names = [name for each in kinds for name in draw.permutation(KNOWN[each])[:2]]
        lots = [(int(draw.integers(100, 999)), str(name), int(draw.integers(100, 999))) for name in names]
        listed = ", ".join(f"{number} {name} at {price} coins" for number, name, price in lots)
        wanted = f"the {kind}" if on == "mixed" else "all lots"
        question = f"A trader has {listed}, each. What do {wanted} cost together?"
        counts = [lot for lot in lots if on == "sums" or lot[1] in KNOWN[kind]]
        answer = str(sum(number * price for number, _, price in counts))
        made.append(Problem(f"chain_of_code/{on}/{index}", question, answer))
    return ProblemSet(f"chain_of_code_claim:{on},n={n}", tuple(made))


def own_part(prompt: str) -> str:
    """Return what a prompt says behind the examples."""
    return prompt[prompt.rindex("Q: ") :]


def wanted(question: str) -> str | None:
    """Return the kind of thing that is asked about; None for all."""
    found = _ASKED.search(question)
    return found[1] if found is not None and found[1] in KNOWN else None


def write_program(question: str) -> str:
    """Write the right program for a question."""
    lots = [(int(number), name, int(price)) for number, name, price in _LOT.findall(question)]
    kind = wanted(question)
    condition = "True" if kind is None else f"is_{kind}(name)"
    return (
        f"lots = {lots!r}\nanswer = 0\nfor number, name, price in lots:\n"
        f"    if {condition}:\n        answer += number * price\n"
    )


def reckon(question: str, seed: int) -> str:
    """Write a chain of thought: what counts is right, and some sums are wrong."""
    kind = wanted(question)
    draw = Rng(seed, ("reckoner", question)).generator()
    total, lines = 0, []
    for number, name, price in _LOT.findall(question):
        if kind is None or name in KNOWN[kind]:
            product = slip(int(number) * int(price), draw.random(), draw.random())
            total = slip(total + product, draw.random(), draw.random())
            lines.append(f"{number} {name} cost {number} * {price} = {product}, in all {total}.")
    return "\n".join([*lines, f"#### {total}"])


def slip(number: int, chance: float, where: float) -> int:
    """Return a number, sometimes with another digit in it."""
    return number + 10 ** int(1 + 4 * where) if chance < ERRS else number


def play(prompt: str, seed: int) -> str:
    """Reply as the model does."""
    part = own_part(prompt)
    if "What does this call return?" in part:
        kind, name = re.findall(r"is_(\w+)\('(\w+)'\) ->", part)[-1]
        return f" {name in KNOWN[kind]}"
    if "# solution in Python" in part:
        return write_program(part)
    return reckon(part.partition("?")[0] + "?", seed)


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Answer the questions of one set."""
    asked = problems(contrast.on, N.get(lab.size, N["small"]))
    engine = ScriptedEngine(play, name="a model that knows things and errs in sums")
    return lab.solve(arm, asked, engine=engine)


CLAIM = Claim((MIXED, *OTHERS), control=MIXED.without_treatment(), measure=measure)
