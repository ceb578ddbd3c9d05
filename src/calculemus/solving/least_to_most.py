"""Least to most: break the question into smaller ones, then answer them in order."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from calculemus.engine.requests import Completion, Sample, Sampling
from calculemus.errors import ParseError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.listing import read_list
from calculemus.solving.scheme import Scheme

Answering = Generator[Sample, tuple[Completion, ...], Completion]
Splitting = Generator[Sample, tuple[Completion, ...], tuple[str, ...]]


@dataclass(frozen=True)
class LeastToMost(Solver):
    """Ask for the smaller questions, then answer one after the other, each with the earlier answers in view.

    Source: Zhou et al. 2022, arXiv:2205.10625, section 2. The last question is always the original one. Every
    answer is asked for with the prompt of ``cot``, the earlier ones standing as further turns of it, so that
    a question that is not broken up is answered exactly as ``cot`` does.

    Attributes:
        max_parts: Most questions that are answered; with 1 the question is not broken up.
        on_parse_error: What to do where no list of questions can be read: ``fail``, or answer as ``cot``.
        shots: Worked examples in the prompts; None shows all there are.
        temperature: 0 takes the most probable token.
        max_tokens: Longest list of questions, and longest answer to each.
    """

    max_parts: Annotated[int, AtLeast(1)] = 8
    on_parse_error: Literal["fail", "cot"] = "fail"
    shots: Annotated[int | None, AtLeast(0)] = None
    temperature: Annotated[float, AtLeast(0)] = 0.0  # paper, section 3: greedy
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("decompose", "generate"))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("cot",) if self.max_parts == 1 else ("least_to_most", "cot")

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Stage 1 breaks the question up, stage 2 answers."""
        parts: tuple[str, ...] = ()
        if self.max_parts > 1:
            parts = yield from self._split(problem, ctx)
        *smaller, original = self._questions(problem.question, parts)
        earlier: list[dict[str, str]] = []
        for question in smaller:
            completion = yield from self._answer(question, earlier, problem, ctx)
            earlier.append({"question": question, "solution": completion.text.strip()})
        return ctx.solution((yield from self._answer(original, earlier, problem, ctx)))

    def _answer(
        self, question: str, earlier: Sequence[Mapping[str, str]], problem: Problem, ctx: Context
    ) -> Answering:
        prompt = ctx.prompt("cot", problem, shots=self.shots, earlier=earlier, question=question)
        (completion,) = yield Sample(prompt, self._sampling("cot", ctx))
        ctx.trace.follow("question", question)
        ctx.trace.follow("completion", completion.text)
        return completion

    def _split(self, problem: Problem, ctx: Context) -> Splitting:
        prompt = ctx.prompt("least_to_most", problem)
        (completion,) = yield Sample(prompt, self._sampling("least_to_most", ctx))
        ctx.trace.follow("parts", completion.text)
        parts = read_list(completion.text)
        if not parts and self.on_parse_error == "fail":
            raise ParseError(
                "least_to_most: reading the list of smaller questions",
                completion.text,
                "a numbered, bulleted or quoted list. Set on_parse_error=cot to answer without one",
            )
        return parts

    def _sampling(self, template: str, ctx: Context) -> Sampling:
        return Sampling(self.temperature, max_tokens=self.max_tokens, stop=ctx.stop(template))

    def _questions(self, original: str, parts: tuple[str, ...]) -> list[str]:
        """Return what is asked, in order: the original question last and once."""
        smaller = [part for part in dict.fromkeys(parts) if not _is_original(part, original)]
        asked = smaller[: self.max_parts - 1]
        if asked:
            asked[0] = f"{original}\n{asked[0]}"  # the first to be asked tells the story
        return [*asked, original]


def _is_original(part: str, original: str) -> bool:
    """Say whether a smaller question is the original one, or the sentence of it that asks."""
    sentences = original.replace("!", ".").replace("?", ".").rstrip(". \n").split(".")
    return _letters(part) in (_letters(original), _letters(sentences[-1]))


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
