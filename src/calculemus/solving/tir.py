"""Tool-integrated reasoning: text and code in turn, each piece of code run before the model goes on."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calculemus.engine.requests import Completion, Prompt, Run, Sample, Sampling
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.errors import BudgetExceededError
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solution import Solution
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.programs import has_run
from calculemus.solving.scheme import Scheme

SESSION = "tir"
LONGEST_OUTPUT = 400  # characters of an observation
_GAP = "\n...\n"
_FENCE = "```"
_CLOSING = "\n```\n"
_OUTPUT = "```output"
_LANGUAGES = ("python", "py", "")


@dataclass(frozen=True)
class Tir(Solver):
    """Let the model write code between its sentences, run it, and show it the output.

    Source: the loop of Gou et al. 2023, arXiv:2309.17452, section 2.1, on which several methods stand. A code
    block is run when its fence closes, in a session that keeps variables. What it prints, or the last line of
    its error, is put behind it as an observation: nothing of that is sampled, so none of it counts as such.

    Attributes:
        max_calls: Blocks that are run; what is sampled after the last one's output ends the solution.
        temperature: 0 takes the most probable token.
        shots: Worked examples in the prompt; None shows all there are.
        max_tokens: Longest piece between two outputs.
    """

    max_calls: Annotated[int, AtLeast(1)] = 4
    temperature: Annotated[float, AtLeast(0)] = 0.0
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("generate", "execute"))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("tir",)

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Sample until a block closes, run it, show its output, and go on."""
        ends = ctx.stop("tir")
        stop = (_CLOSING, *ends)
        sampling = Sampling(self.temperature, max_tokens=self.max_tokens, stop=stop, keep_stop=True)
        talk = Talk(ctx.prompt("tir", problem, shots=self.shots))
        calls = 0
        try:
            for _ in range(2 * self.max_calls + 1):  # a fence without a language stops where it opens, too
                (completion,) = yield Sample(talk.prompt, sampling)
                talk.hear(completion, ends)
                code = last_block(talk.piece)
                if code is None and completion.stopped_by != _CLOSING:
                    return self._finish(talk, ctx, completion.finish == "length")
                if code is not None:
                    if calls == self.max_calls:
                        break
                    run = yield Run(code, entry=None, session=SESSION)
                    calls += 1
                    talk.show(code, run, ctx)
        except BudgetExceededError:
            if not talk.piece and talk.output is None:
                raise
        return self._finish(talk, ctx, is_cut=True)

    def _finish(self, talk: "Talk", ctx: Context, is_cut: bool) -> Solution:
        """Return what was written last, or else the last output: some models stop once they see it."""
        if talk.piece:
            ctx.trace.follow("completion", talk.piece)
        is_answer = last_block(talk.piece) is None and ctx.extract(talk.piece) is not None
        answer = talk.piece if is_answer else talk.output
        return ctx.solution(answer, truncated=is_cut, failure=None if answer else "no answer and no output")


class Talk:
    """What the model and the interpreter have said so far.

    Attributes:
        prompt: What the model continues next.
        piece: What was sampled since the last output.
        output: What code that ran has put out last; None before there is something.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.piece = ""
        self.output: str | None = None

    def hear(self, completion: Completion, ends: tuple[str, ...]) -> None:
        """Take what was sampled, without the text that ends a whole solution."""
        ended_by = completion.stopped_by if completion.stopped_by in ends else None
        self.piece += completion.text.removesuffix(ended_by or "")
        self.prompt = completion.prefix

    def show(self, code: str, run: RunRecord, ctx: Context) -> None:
        """Put what came of the code behind it, and both in the trace."""
        shown, added = show(run, self.piece)
        text = self.piece[: self.piece.rindex(code)].rpartition(_FENCE)[0].strip()
        if text:
            ctx.trace.follow("step", text)
        ctx.trace.follow("code", code)
        ctx.trace.follow("output", shown, status=run.status, error_kind=run.error_kind, tier=run.tier)
        assert not isinstance(self.prompt, str), "an engine's prefix is what is continued"
        self.prompt += added
        self.piece = ""
        self.output = shown if shown and has_run(run) else self.output


def last_block(piece: str) -> str | None:
    r"""Return the code of the block with which a piece of text ends; None where it ends otherwise.

    Example:
        >>> last_block("I compute it.\n```python\nprint(6 * 7)\n```\n")
        'print(6 * 7)\n'
    """
    lines = piece.rstrip("\n").split("\n")
    fences = [index for index, line in enumerate(lines) if line.startswith(_FENCE)]
    if len(fences) < 2 or len(fences) % 2 or fences[-1] != len(lines) - 1:
        return None
    language = lines[fences[-2]].removeprefix(_FENCE).strip().lower()
    code = lines[fences[-2] + 1 : fences[-1]]
    return "\n".join([*code, ""]) if language in _LANGUAGES else None


def show(run: RunRecord, piece: str) -> tuple[str, str]:
    """Return what the model gets to see of a run, alone and as it stands behind the piece that was run."""
    shown = observation(run)
    opening = _OUTPUT if piece.endswith("\n") else f"\n{_OUTPUT}"
    return shown, f"{opening}\n{shown}\n{_FENCE}\n"


def observation(run: RunRecord) -> str:
    """Return what the model gets to see of a run: what was printed, else its value, or the error's last line.

    Both ends of a long text are kept.
    """
    text = run.stdout.strip("\n") or _value(run) if has_run(run) else run.error or run.status
    if len(text) <= LONGEST_OUTPUT:
        return text
    kept = LONGEST_OUTPUT - len(_GAP)
    return text[: kept - kept // 2] + _GAP + text[-(kept // 2) :]


def _value(run: RunRecord) -> str:
    try:
        return "" if run.value is None else str(run.value)
    except ValueError:  # a whole number with more digits than Python writes
        return "a number with too many digits to be shown"
