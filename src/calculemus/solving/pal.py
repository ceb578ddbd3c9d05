"""Program-aided language models: the model writes a program, the sandbox computes the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from calculemus.engine.requests import Completion, Run, Sample, Sampling
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.drawing import Chain, refuse_identical
from calculemus.solving.preludes import PRELUDES
from calculemus.solving.programs import count_failures, failure_of, find_program, printed_value, value_text
from calculemus.solving.scheme import Scheme
from calculemus.solving.selecting import poll

SEVERAL = 0.7  # the temperature for several programs


@dataclass(frozen=True)
class Pal(Solver):
    """Ask for a program as the worked solution, run it, and take what it returns.

    Source: Gao et al. 2022, arXiv:2211.10435, section 3 and appendix; its public code at
    github.com/reasoning-machines/pal. Several programs vote with their results; who fails does not vote.
    Every program runs in the sandbox, and every failure is kept with its kind.

    Attributes:
        n: Programs.
        temperature: None is 0 for one program and 0.7 for several.
        variant: Where the answer is. ``function``: what ``solution()`` returns, a number. ``dates``: the
            variable ``answer``, with a ``timedelta`` that knows months and years. ``symbols``: the same
            variable, any text, with a ``dict`` that may lose members while it is gone through. ``stdout``:
            the last line that is printed.
        shots: Examples in the prompt; None shows all there are.
        max_tokens: Longest program.
    """

    n: Annotated[int, AtLeast(1)] = 1
    temperature: Annotated[float | None, AtLeast(0)] = None  # paper, section 4: greedy; 0.7 for majority@40
    variant: Literal["function", "dates", "symbols", "stdout"] = "function"
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512  # public code: max_tokens=512

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("generate", "execute"))

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_identical(self, self.n, self._temperature)

    @property
    def _temperature(self) -> float:
        if self.temperature is None:
            return 0.0 if self.n == 1 else SEVERAL
        return self.temperature

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("pal" if self.variant == "function" else f"pal_{self.variant}",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample the programs, run them all, and let their results vote."""
        (template,) = self.prompts
        sampling = Sampling(self._temperature, max_tokens=self.max_tokens, stop=ctx.stop(template))
        completions = yield Sample(ctx.prompt(template, problem, shots=self.shots), sampling, self.n)
        programs = [self._program(completion.text) for completion in completions]
        runs = yield [Run(program) for program in programs]
        answers = [self._answer(run) for run in runs]
        chains = self._record(ctx, completions, programs, runs, answers)
        groups = poll(ctx, chains)
        if not groups:
            return self._failed(ctx, runs)
        results = [answers[group.members[0]] or "" for group in groups]
        return ctx.solution(results[0], candidates=results[1:])

    def _program(self, text: str) -> str:
        return PRELUDES.get(self.variant, "") + find_program(text)

    def _answer(self, run: RunRecord) -> str | None:
        """Return a program's answer; None where it failed or gave none."""
        if self.variant == "stdout":
            return printed_value(run)
        if self.variant == "function":
            run = run.require_number()
        return value_text(run.value) if run.ok and run.value is not None else None

    def _failed(self, ctx: Context, runs: Sequence[RunRecord]) -> Solution:
        checked = [run.require_number() if self.variant == "function" else run for run in runs]
        one = failure_of(checked[0])
        return ctx.solution(
            None, failure=one if self.n == 1 else f"no program gave an answer: {count_failures(checked)}"
        )

    def _record(
        self,
        ctx: Context,
        completions: Sequence[Completion],
        programs: Sequence[str],
        runs: Sequence[RunRecord],
        answers: Sequence[str | None],
    ) -> list[Chain]:
        """Put every program and its outcome in the trace."""
        chains: list[Chain] = []
        for completion, program, run, answer in zip(completions, programs, runs, answers, strict=True):
            code = ctx.trace.add("code", program, logprob=completion.logprob)
            shown = failure_of(run.require_number()) if answer is None else answer
            ctx.trace.add("output", shown, code, status=run.status, error_kind=run.error_kind, tier=run.tier)
            chains.append(Chain(completion, answer, code))
        return chains
