"""CRAFT: a few functions of a toolset, chosen by three votes, shown to the model that writes the program."""

import logging
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from calculemus.engine.requests import Completion, Run, Sample, Sampling
from calculemus.engine.sandbox.record import Run as RunRecord
from calculemus.params import AtLeast
from calculemus.problem import Problem
from calculemus.solving.base import Solver, Steps
from calculemus.solving.context import Context
from calculemus.solving.programs import failure_of, find_program, value_text
from calculemus.solving.retrieving import Hit, Retriever
from calculemus.solving.scheme import Scheme
from calculemus.solving.toolsets import Tool, Toolset, read_toolset, show_tools

_DOCSTRING = "what it would do:"
_log = logging.getLogger(__name__)

Asking = Generator[Sample, tuple[Completion, ...], tuple[Tool, ...]]


@dataclass(frozen=True)
class Craft(Solver):
    """Show the functions of a toolset that fit a problem best, and run the program that is written with them.

    Source: Yuan et al. 2023, arXiv:2309.17428, section 2.2 and 2.3 (retrieval and inference); its public code
    at github.com/lifan-yuan/CRAFT. The toolset is built by ``calculemus.solving.crafting.build``. The model
    first says which function it would want; three lists of similar tools then vote: by the question, by the
    names it expects, and by the docstring it expects.

    Attributes:
        toolset: File of the tools; None for no tools.
        n_shown: Tools that are shown.
        n_by_text: Tools in the lists by question and by docstring.
        n_by_name: Tools in the list of each expected name.
        min_votes: Lists that a tool must be in.
        choose: How the tools are chosen that are shown: ``vote``, or ``random`` as a control.
        shots: Examples in the prompt for the program; None shows all there are.
        max_tokens: Longest program.
    """

    toolset: str | None = None
    n_shown: Annotated[int, AtLeast(1)] = 3  # paper, section 2.2: the top 3
    n_by_text: Annotated[int, AtLeast(1)] = 10  # public code: k = 10
    n_by_name: Annotated[int, AtLeast(1)] = 5  # public code: k = 5
    min_votes: Annotated[int, AtLeast(1)] = 2  # paper, section 2.2: at least twice among the three lists
    choose: Literal["vote", "random"] = "vote"
    shots: Annotated[int | None, AtLeast(0)] = None
    max_tokens: Annotated[int, AtLeast(1)] = 512

    scheme: ClassVar[Scheme] = Scheme("chain", "one", ("retrieve", "generate", "execute"))

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its prompt templates."""
        return ("craft", "craft_query")

    @property
    def reads(self) -> str:
        """The toolset by its content."""
        return "" if self.toolset is None else read_toolset(self.toolset).digest

    def solve(self, problem: Problem, ctx: Context) -> Steps:
        """Choose the tools, have the program written, run it with them."""
        toolset = Toolset() if self.toolset is None else read_toolset(self.toolset)
        tools = yield from self._choose(toolset, problem, ctx)
        sampling = Sampling(0.0, max_tokens=self.max_tokens, stop=ctx.stop("craft"))
        shown = show_tools(tools) or "# none"
        (completion,) = yield Sample(ctx.prompt("craft", problem, shots=self.shots, tools=shown), sampling)
        program = find_program(completion.text)
        names = [tool.name for tool in tools]
        code = ctx.trace.follow("code", program, logprob=completion.logprob, tools=names)
        run: RunRecord = yield Run("\n\n".join([*(tool.code for tool in tools), program]))
        run = run.require_number()
        text = value_text(run.value) if run.ok else failure_of(run)
        ctx.trace.add("output", text, code, status=run.status, error_kind=run.error_kind, tier=run.tier)
        if tools and run.tier not in toolset.tiers:
            ctx.trace.annotate(code, warning=other_tier(toolset, run.tier))
        return ctx.solution(text) if run.ok else ctx.solution(None, failure=text)

    def _choose(self, toolset: Toolset, problem: Problem, ctx: Context) -> Asking:
        """Ask which function would help, and return the tools that most lists agree on."""
        if not toolset.tools:
            return ()
        sampling = Sampling(0.0, max_tokens=128, stop=ctx.stop("craft_query"))
        (completion,) = yield Sample(ctx.prompt("craft_query", problem), sampling)
        names, docstring = read_query(completion.text)
        index = index_of(toolset)
        lists = index.lists(problem.question, names, docstring, self.n_by_text, self.n_by_name)
        chosen = vote(lists, self.min_votes, self.n_shown)
        if self.choose == "random":
            drawn = ctx.rng.child("tools").generator().permutation(len(toolset.tools))
            chosen = [int(index) for index in drawn[: self.n_shown]]
        ctx.trace.add("step", completion.text.strip(), tools=[toolset.tools[i].name for i in chosen])
        return tuple(toolset.tools[i] for i in chosen)


@lru_cache(maxsize=64)
def other_tier(toolset: Toolset, tier: str) -> str:
    """Say, and warn once, that tools were tried elsewhere than where they run now."""
    tried = " and ".join(toolset.tiers)
    warning = f"the tools were tried on the sandbox tier {tried} and run on '{tier}', where they may differ"
    _log.warning("craft: %s", warning)
    return warning


class Index:
    """The tools of a toolset, to be searched in three ways."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._questions = Retriever([tool.question for tool in tools])
        self._names = Retriever([tool.name for tool in tools])
        self._docstrings = Retriever([tool.docstring for tool in tools])

    def lists(
        self, question: str, names: Sequence[str], docstring: str, n_by_text: int, n_by_name: int
    ) -> tuple[list[Hit], list[Hit], list[Hit]]:
        """Return the tools most similar by question, by expected names and by expected docstring."""
        by_name: dict[int, Hit] = {}
        for name in names:
            for hit in self._names.rank(name, n_by_name):
                if hit.index not in by_name or by_name[hit.index].score < hit.score:
                    by_name[hit.index] = hit
        return (
            self._questions.rank(question, n_by_text),
            sorted(by_name.values(), key=lambda hit: hit.index),
            self._docstrings.rank(docstring, n_by_text),
        )


@lru_cache(maxsize=8)
def index_of(toolset: Toolset) -> Index:
    """Return a toolset's index; that of equal toolsets is made once."""
    return Index(toolset.tools)


def vote(lists: Sequence[Sequence[Hit]], min_votes: int, n_shown: int) -> list[int]:
    """Return the tools that are in enough lists, those in most first, then the most similar ones."""
    votes = Counter(hit.index for hits in lists for hit in hits)
    similarity: dict[int, float] = {}
    for hits in lists:
        for hit in hits:
            similarity[hit.index] = similarity.get(hit.index, 0.0) + hit.score
    kept = [index for index in votes if votes[index] >= min_votes]
    return sorted(kept, key=lambda i: (-votes[i], -round(similarity[i], 9), i))[:n_shown]


def read_query(text: str) -> tuple[list[str], str]:
    r"""Return the names and the docstring that a model expects of a helpful function.

    Example:
        >>> read_query("sum_of_squares, add_squares\nWhat it would do: Return the sum of squares.")
        (['sum_of_squares', 'add_squares'], 'Return the sum of squares.')
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    docstring = next((line for line in lines[::-1] if line.lower().startswith(_DOCSTRING)), "")
    rest = [line for line in lines if line != docstring]
    names = [name.strip(" `.()") for name in (rest[0].split(",") if rest else [])]
    return [name for name in names if name][:10], docstring[len(_DOCSTRING) :].strip() or " ".join(rest[1:])
