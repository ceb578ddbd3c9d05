"""Commands of one part and of four, for a model that writes six lines at a time: with and without helpers.

The model is scripted and knows how each part of a command is done. Asked for a whole program without helpers
it writes the calls one below the other, and stops after six lines; asked for a program that may call helpers
it names them, and writes each when it is asked to. What is measured is the recursion.
"""

import re
from itertools import pairwise

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.scripted import ScriptedEngine

LINES = 6
FLAT, DEEP = "code_as_policies:hierarchical=false", "code_as_policies"
STEPS = {"composite": 4, "simple": 1}
N = {"smoke": 40, "small": 400}

COMPOSITE = Contrast("helper by helper against one flat program, four parts", FLAT, DEEP, on="composite")
SIMPLE = Contrast("the same, one part", FLAT, DEEP, "equal", 0.01, on="simple")

HELPERS = {
    "swap": """def swap(first, second):
    a, b = get_pos(first), get_pos(second)
    move(first, *free_place())
    move(second, *a)
    move(first, *b)""",
    "free_place": """def free_place():
    return first_free([get_pos(name) for name in get_names()])""",
    "first_free": """def first_free(taken):
    for y in range(10):
        for x in range(10):
            if (x, y) not in taken:
                return x, y""",
    "make_row": """def make_row(y):
    names = get_names()
    for x in range(len(names)):
        move(names[x], x, y)""",
    "stack_boxes": """def stack_boxes(names):
    for i in range(len(names) - 1):
        put_first_on_second(names[i + 1], names[i])""",
}
"""What the model writes when it is asked for a helper."""

_BOX = re.compile(r"the (\w+ box)")
_NUMBER = re.compile(r"\d+")


def with_helpers(part: str) -> list[str]:
    """Return the line that does one part of a command, with helpers."""
    boxes = _BOX.findall(part)
    if part.startswith("swap"):
        return [f"swap({boxes[0]!r}, {boxes[1]!r})"]
    if "in a row" in part:
        return [f"make_row({_NUMBER.findall(part)[0]})"]
    if part.startswith("stack"):
        return [f"stack_boxes({boxes!r})"]
    return without_helpers(part)


def without_helpers(part: str) -> list[str]:
    """Return the lines that do one part of a command by themselves."""
    boxes = _BOX.findall(part)
    if part.startswith("move"):
        return [f"move({boxes[0]!r}, {', '.join(_NUMBER.findall(part))})"]
    if part.startswith("put the"):
        return [f"put_first_on_second({boxes[0]!r}, {boxes[1]!r})"]
    if "in a row" in part:
        y = _NUMBER.findall(part)[0]
        return ["names = get_names()", "for x in range(len(names)):", f"    move(names[x], x, {y})"]
    if part.startswith("stack"):
        return [f"put_first_on_second({b!r}, {a!r})" for a, b in pairwise(boxes)]
    a, b = boxes
    return [
        "taken = [get_pos(name) for name in get_names()]",
        "free = [(x, y) for y in range(10) for x in range(10) if (x, y) not in taken][0]",
        f"a, b = get_pos({a!r}), get_pos({b!r})",
        f"move({a!r}, *free)",
        f"move({b!r}, *a)",
        f"move({a!r}, *b)",
    ]


def play(prompt: str, seed: int) -> str:
    """Reply as the model does."""
    del seed
    last = prompt.rstrip("\n").rpartition("\n")[2].removeprefix("# ")
    if last.startswith("define function: "):
        return HELPERS[last.removeprefix("define function: ").partition("(")[0]]
    parts = (last[0].lower() + last[1:].rstrip(".")).split(", then ")
    write = with_helpers if "names_on_left_half" in prompt else without_helpers
    lines = [line for part in parts for line in write(part)]
    return "\n".join(lines[:LINES])


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Give the commands of one length."""
    steps = STEPS[contrast.on]
    commands = lab.problems(
        smoke=f"tabletop:n={N['smoke']},steps={steps}", small=f"tabletop:n={N['small']},steps={steps}"
    )
    engine = ScriptedEngine(play, name="a model that writes six lines at a time")
    return lab.solve(arm, commands, engine=engine, grader="tabletop")


CLAIM = Claim((COMPOSITE, SIMPLE), control=COMPOSITE.without_treatment(), measure=measure)
