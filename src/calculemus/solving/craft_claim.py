"""Word problems for a model that solves them only where it is shown a function that fits: 40 tools, 5, none.

The model is scripted. It says in words of its own which function would help; it writes a call of the right
function if that is among those it is shown, and else adds the numbers up. The problems are worded otherwise
than those from which the tools come. What is measured is the retrieval.
"""

import re
import tempfile
from functools import cache
from pathlib import Path

from calculemus.claim import Claim, Contrast, Lab, Measured
from calculemus.engine.scripted import ScriptedEngine
from calculemus.problems.problemset import ProblemSet
from calculemus.solving.craft_skills import SKILLS, other_tools, skill_of, tool_of
from calculemus.solving.toolsets import Toolset

NONE = "craft"
FEW, MANY, RANDOM = "craft with 5 tools", "craft with 40 tools", "craft with 3 of 40 tools at random"
TOOLS = {FEW: (5, "vote"), MANY: (40, "vote"), RANDOM: (40, "random")}
EACH = {"smoke": 4, "small": 40}

MORE = Contrast("40 tools against 5", FEW, MANY)
OTHERS = (
    Contrast("5 tools against none", NONE, FEW),
    Contrast("40 tools against programs without tools", "pal", MANY),
    Contrast("3 of 40 by votes against 3 at random", RANDOM, MANY),
)


@cache
def toolset_file(n: int) -> Path:
    """Write the toolset of so many tools, the skills first, and return where."""
    tools = [*map(tool_of, SKILLS), *other_tools()][:n]
    toolset = Toolset(tuple(tools))
    path = Path(tempfile.gettempdir()) / "calculemus-craft" / f"{toolset.digest}.jsonl"
    if not path.exists():
        toolset.save(path)
    return path


def problems(n_each: int) -> ProblemSet:
    """Return so many problems for each skill, in the wording that no tool comes from."""
    asked = [skill.problem(index, "second") for index in range(n_each) for skill in SKILLS]
    return ProblemSet(f"craft_claim:each={n_each}", tuple(asked))


def play(prompt: str, seed: int) -> str:
    """Reply as the model does."""
    del seed
    question = prompt[prompt.rindex("Q: ") :].partition("\n")[0].removeprefix("Q: ")
    skill, numbers = skill_of(question)
    if "Which function would help?" in prompt:
        return f" {skill.names}\nWhat it would do: {skill.wish}"
    shown = prompt.rpartition("Functions that may be of use:")[2]
    is_shown = re.search(rf"def {skill.name}\(", shown) is not None
    call = f"{skill.name}(*{numbers})" if is_shown else f"sum({numbers})"
    return f"def solution():\n    return {call}"


def measure(arm: str, contrast: Contrast, lab: Lab) -> Measured:
    """Solve the problems with one toolset."""
    del contrast
    asked = problems(EACH.get(lab.size, EACH["small"]))
    engine = ScriptedEngine(play, name="a model that needs a fitting function")
    if arm in TOOLS:
        n, choose = TOOLS[arm]
        arm = f"craft:toolset={toolset_file(n)},choose={choose}"
    return lab.solve(arm, asked, engine=engine)


CLAIM = Claim((MORE, *OTHERS), control=MORE.without_treatment(), measure=measure)
