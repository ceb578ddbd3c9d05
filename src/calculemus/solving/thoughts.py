"""Thoughts of a tree of thoughts: how next ones are proposed, and how states are judged."""

import math
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from calculemus.engine.requests import Completion, Prompt, Request, Sample, Sampling, Value
from calculemus.problem import Problem
from calculemus.solving.context import Context
from calculemus.solving.listing import read_lines
from calculemus.solving.steps import is_final

VALUES = {"impossible": 0.001, "likely": 1.0, "sure": 20.0}  # public code of arXiv:2305.10601
_VERDICT = re.compile("|".join(VALUES), re.I)
_CHOICE = re.compile(r"\d+")

Growing = Generator[Request | Sequence[Request], Any, "list[State]"]


@dataclass(frozen=True, slots=True)
class State:
    """A partial solution.

    Attributes:
        thoughts: Its steps.
        node: Its last step's place in the trace; None at the root.
        value: What it was judged to be worth.
    """

    thoughts: tuple[str, ...] = ()
    node: int | None = None
    value: float = 0.0

    @property
    def text(self) -> str:
        """Its steps as they stand in a prompt."""
        return "".join(f"\n{thought}" for thought in self.thoughts) or " none"

    @property
    def is_final(self) -> bool:
        """Whether its last step states the answer."""
        return bool(self.thoughts) and is_final(self.thoughts[-1])


@dataclass(frozen=True, slots=True)
class Thinker:
    """Asks the model about states of one problem."""

    problem: Problem
    ctx: Context
    temperature: float
    max_tokens: int

    def sample(self, template: str, state: State, n: int = 1, choices: str = "") -> Sample:
        """Return the request that asks ``n`` times what ``template`` asks of a state."""
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=self.ctx.stop(template))
        return Sample(self.prompt(template, state, choices), sampling, n)

    def prompt(self, template: str, state: State, choices: str = "") -> Prompt:
        """Return the prompt that shows a state, or several as choices."""
        return self.ctx.prompt(template, self.problem, steps=state.text, choices=choices)

    def propose(self, states: Sequence[State], how: Literal["list", "sample"], n: int) -> Growing:
        """Return the states that may come next, each once."""
        if how == "list":
            replies = yield [self.sample("tot_list", state) for state in states]
            found = [read_lines(completion.text) for (completion,) in replies]
        else:
            replies = yield [self.sample("tot_step", state, n) for state in states]
            found = [_first_lines(completions) for completions in replies]
        grown: dict[tuple[str, ...], State] = {}
        for state, thoughts in zip(states, found, strict=True):
            for thought in thoughts:
                grown.setdefault((*state.thoughts, thought), state)
        return [self._add(parent, thoughts[-1]) for thoughts, parent in grown.items()]

    def _add(self, parent: State, thought: str) -> State:
        node = self.ctx.trace.add("thought", thought, () if parent.node is None else parent.node)
        return State((*parent.thoughts, thought), node)

    def evaluate(self, states: Sequence[State], how: Literal["value", "vote", "head"], n: int) -> Growing:
        """Return the states with their values."""
        if how == "head":
            values = yield Value(tuple(self.prompt("tot_step", state) for state in states))
        elif how == "vote":
            listed = "\n".join(f"Choice {number}:{state.text}" for number, state in enumerate(states, 1))
            replies = yield self.sample("tot_vote", State(), n, listed)
            values = count_choices([completion.text for completion in replies], len(states))
        else:
            replies = yield [self.sample("tot_value", state, n) for state in states]
            values = [math.fsum(read_value(completion.text) for completion in reply) for reply in replies]
        judged = [replace(state, value=float(value)) for state, value in zip(states, values, strict=True)]
        for state in judged:
            self.ctx.trace.annotate(state.node or 0, value=state.value)
        return judged


def _first_lines(completions: Sequence[Completion]) -> tuple[str, ...]:
    return tuple(lines[0] for completion in completions if (lines := read_lines(completion.text)))


def read_value(text: str) -> float:
    r"""Return what the last verdict in a text is worth; without one nothing.

    Example:
        >>> read_value("10 + 14 = 24\nsure"), read_value("I cannot say.")
        (20.0, 0.0)
    """
    verdicts = _VERDICT.findall(text)
    return VALUES[verdicts[-1].lower()] if verdicts else 0.0


def count_choices(texts: Sequence[str], n: int) -> list[float]:
    """Return how many texts end in each of the choices 1 to ``n``."""
    votes = [0.0] * n
    for text in texts:
        numbers = [int(number) for number in _CHOICE.findall(text)[-1:]]
        for number in numbers:
            if 1 <= number <= n:
                votes[number - 1] += 1
    return votes
