"""One instruction as a prompt of its own: what searches for prompts change and try."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from calculemus.engine.requests import Sample, Sampling
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.templates import Form, Template

Place = Literal["answer", "system"]
"""Where an instruction stands: at the beginning of the answer, or in a system message before the question.

To a model that only continues text the system message is what the prompt begins with; in a conversation the
first kind stands behind the question.
"""

_STOP = ("\nQ:",)
_PLACES = ("{{", "}}")


def template_of(instruction: str, place: Place = "answer", think: str = "") -> Template:
    """Return the prompt that an instruction makes; without one it is the question alone.

    Args:
        instruction: What it says.
        place: Where it stands.
        think: Stands at the beginning of the answer beside a system message; empty for nothing.
    """
    said = _without_places(instruction)
    if place == "answer":
        plain = f"Q: {{{{question}}}}\nA: {said}\n" if said else "Q: {{question}}\nA:"
        chat = f"{{{{question}}}}\n\n{said}" if said else "{{question}}"
        return Template("instruction", Form(plain, plain, "", _STOP), Form(chat, chat, ""))
    begun = f" {think}\n" if think else ""
    asked = "Q: {{question}}\nA:" + begun
    plain = f"{said}\n\n{asked}" if said else asked
    chat = "{{question}}" + (f"\n\n{think}" if think else "")
    return Template("instruction", Form(plain, plain, "", _STOP), Form(chat, chat, "", system=said))


def _without_places(instruction: str) -> str:
    """Return an instruction without what would be a place of a template."""
    for mark in _PLACES:
        instruction = instruction.replace(mark, " ".join(mark))
    return instruction


def template_text(instruction: str, place: Place = "answer") -> str:
    """Return the file that makes the instruction a template of ``cot``; see ``templates``."""
    template = template_of(instruction, place)
    return "\n".join(
        [
            f"text = {_quoted(template.plain.text)}",
            'reply = " {{solution}}"',
            f"stop = {json.dumps(list(template.plain.stop))}",
            "[chat]",
            f"system = {_quoted(template.chat.system)}",
            f"text = {_quoted(template.chat.text)}",
            "stop = []",
            "",
        ]
    )


def _quoted(text: str) -> str:
    """Write a text as TOML does: as JSON, with one sign more that must not stand as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True)
class Instructed(Solver):
    """Ask with one instruction and nothing else.

    Source: Kojima et al. 2022, arXiv:2205.11916, section 3, where the instruction is "Let's think step by
    step", in one request. The trace says where a system message went into the user's turn.

    Attributes:
        instruction: What it says; empty asks with the question alone.
        place: Where it stands.
        think: What the answer begins with beside a system message, such as a request for steps.
        temperature: 0 takes the most probable token.
        max_tokens: Longest answer.
    """

    instruction: str = ""
    place: Place = "answer"
    think: str = ""
    temperature: Annotated[float, AtLeast(0)] = 0.0
    max_tokens: Annotated[int, AtLeast(1)] = 512

    @property
    def prompts(self) -> tuple[str, ...]:
        """It brings its own."""
        return ()

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample one answer."""
        template = template_of(self.instruction, self.place, self.think)
        stop = (template.chat if ctx.is_chat else template.plain).stop
        prompt = ctx.fill(template, {"question": problem.question})
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=stop)
        (completion,) = yield Sample(prompt, sampling)
        is_merged = ctx.is_chat and ctx.merges_system and bool(template.chat.system)
        ctx.trace.add("completion", completion.text, **({"system_merged": True} if is_merged else {}))
        return ctx.solution(completion)
