"""Twelve skills that a word problem may need, in two wordings, and the functions that have them.

For experiments with toolsets: who has a function for a skill is told apart from who has not. Nothing here is
shown to a model that was not made for it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from calculemus.problem import Problem
from calculemus.rng import Rng
from calculemus.solving.toolsets import Tool


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill.

    Attributes:
        name: Of its function.
        arguments: Of its function.
        docstring: Of its function.
        result: What the function returns, as an expression.
        first: A question that needs it, with ``{0}`` for the first number; tools come from such questions.
        second: The same question in other words.
        names: What someone might call the function who has not seen it.
        wish: What someone might want it to do who has not seen it.
    """

    name: str
    arguments: str
    docstring: str
    result: str
    first: str
    second: str
    names: str
    wish: str

    @property
    def code(self) -> str:
        """Its function."""
        return f'def {self.name}({self.arguments}):\n    """{self.docstring}"""\n    return {self.result}'

    def problem(self, index: int, wording: str, seed: int = 0) -> Problem:
        """Return a problem that needs it.

        Args:
            index: Which one.
            wording: ``first`` or ``second``.
            seed: Names the draw of its numbers.
        """
        draw = Rng(seed, ("craft_skills", self.name, wording, index)).generator()
        numbers = sorted(int(n) for n in draw.choice(range(12, 90), size=self.n_args, replace=False))
        numbers.reverse()
        question = getattr(self, wording).format(*numbers)
        name = f"skill/{self.name}/{wording}/{seed}/{index}"
        return Problem(name, question, self.answer(numbers), meta={"rel_tol": "1e-9"})

    @property
    def n_args(self) -> int:
        """How many arguments its function takes."""
        return len(self.arguments.split(","))

    def answer(self, numbers: Sequence[int]) -> str:
        """Return what its function gives for numbers, exactly."""
        names = dict(zip(self.arguments.split(", "), map(Fraction, numbers), strict=True))
        return str(_evaluate(self.result, names))


def _evaluate(expression: str, names: dict[str, Fraction]) -> Fraction:
    """Compute an expression of names, whole numbers and + - * / and brackets."""
    parts = re.findall(r"\w+|[-+*/()]", expression)

    def total() -> Fraction:
        value = product()
        while parts and parts[0] in "+-":
            value = value + product() if parts.pop(0) == "+" else value - product()
        return value

    def product() -> Fraction:
        value = single()
        while parts and parts[0] in "*/":
            value = value * single() if parts.pop(0) == "*" else value / single()
        return value

    def single() -> Fraction:
        part = parts.pop(0)
        if part == "(":
            value = total()
            parts.pop(0)
            return value
        return names[part] if part in names else Fraction(part)

    return total()


SKILLS = tuple(Skill(**row) for row in json.loads(Path(__file__).with_suffix(".json").read_text("utf-8")))
"""The skills."""

_UNITS = ("inch", "foot", "yard", "mile", "ell", "cubit", "rod", "league")


def skill_of(question: str) -> tuple[Skill, list[int]]:
    """Return the skill that a question needs, and its numbers in the order of the arguments."""
    for skill in SKILLS:
        for wording in (skill.first, skill.second):
            pattern = re.sub(
                r"\\\{(\d)\\\}", lambda place: f"(?P<n{place[1]}>\\d+)", re.escape(wording), count=0
            )
            found = re.search(_once(pattern), question)
            if found is not None:
                return skill, [int(found[f"n{i}"]) for i in range(skill.n_args)]
    raise ValueError(f"no skill fits {question!r}")


def _once(pattern: str) -> str:
    """Let a number that comes again be the same number."""
    seen: set[str] = set()

    def name(place: re.Match[str]) -> str:
        if place[1] in seen:
            return f"(?P={place[1]})"
        seen.add(place[1])
        return place[0]

    return re.sub(r"\(\?P<(n\d)>\\d\+\)", name, pattern)


def tool_of(skill: Skill) -> Tool:
    """Return the tool that has a skill, as if it were made from its first problem."""
    problem = skill.problem(0, "first")
    _, numbers = skill_of(problem.question)
    call = f"{skill.name}({', '.join(map(str, numbers))})"
    return Tool(
        skill.name,
        skill.code,
        skill.docstring,
        skill.n_args,
        call,
        problem.answer,
        problem.question,
        problem.id,
    )


def other_tools() -> list[Tool]:
    """Return 28 tools that help with none of the skills: each turns one unit into another."""
    made: list[Tool] = []
    for i, unit in enumerate(_UNITS):
        for j, other in enumerate(_UNITS[:i]):
            name = f"{unit}_to_{other}"
            docstring = f"Return how many of the unit {other} a length in the unit {unit} is."
            code = f'def {name}(length):\n    """{docstring}"""\n    return length * {3 + i + 2 * j}'
            question = f"How long is a rope of 7 of the unit {unit}, in the unit {other}?"
            made.append(
                Tool(
                    name, code, docstring, 1, f"{name}(7)", str(7 * (3 + i + 2 * j)), question, f"unit/{name}"
                )
            )
    return made
