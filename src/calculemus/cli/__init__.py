"""The command line: a thin skin that parses, calls, prints, and turns errors into one paragraph.

Commands are named by import path and imported when they are called, so that ``--help`` stays fast.
"""

import io
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from calculemus import __version__
from calculemus.cli.progress import drawing
from calculemus.errors import CalculemusError

__all__ = ["app", "main", "run"]

_COMMANDS = {
    "compare": ("calculemus.cli.compare:compare", "Compare systems on one problem set, in pairs."),
    "curve": ("calculemus.cli.curve:curve", "Compare methods at equal sampled tokens, at several budgets."),
    "solve": ("calculemus.cli.solve:solve", "Solve one question with a method on a model."),
    "serve": ("calculemus.cli.serve:serve", "Serve a method as an OpenAI-compatible endpoint."),
    "web": ("calculemus.cli.web:web", "Show the atlas, claims and runs in a browser."),
    "grade": ("calculemus.cli.grade:grade", "Grade a file of responses, and say which rule decided."),
    "merge": ("calculemus.cli.merge:app", "Merge models by a recipe, or by a method with flags."),
    "mergebench": ("calculemus.cli.mergebench:mergebench", "Measure merging methods on experts of one base."),
    "data": ("calculemus.cli.data:app", "List, show and verify problem sets."),
    "runs": ("calculemus.cli.runs:runs", "List the runs of a store."),
    "show": ("calculemus.cli.show:show", "Show one method, or one run: what it is, and how it did."),
    "describe": ("calculemus.cli.describe:describe", "Say what solvers are made of."),
    "diff": ("calculemus.cli.runs:diff", "Say what differs between two runs."),
    "regrade": ("calculemus.cli.runs:regrade", "Grade a stored run again, without generating."),
    "export": ("calculemus.cli.runs:export", "Write a run's rows as JSONL, CSV or Parquet."),
    "list": ("calculemus.cli.catalog:list_methods", "List the methods, with how far each has come."),
    "search": ("calculemus.cli.search:search", "Find methods by words, needs, dates or likeness."),
    "claim": ("calculemus.cli.claim:claim", "Run the central claim of a method's paper, small."),
    "conform": ("calculemus.cli.conform:conform", "Check that a method keeps the rules of its interface."),
    "check": ("calculemus.cli.check:check", "Say what stands in the way of merging models."),
    "calibrate": ("calculemus.cli.calibrate:calibrate", "Merge models by a method that looks at data."),
    "align": ("calculemus.cli.align:align", "Write a model with the vocabulary of another one."),
    "vector": ("calculemus.cli.vector:app", "Take out what a model learned, look at it, add it to models."),
    "lora": ("calculemus.cli.lora:app", "Make an adapter of low rank from a model."),
    "verifier": ("calculemus.cli.verifier:app", "Train a verifier: a model that says how solutions end."),
    "feed": ("calculemus.cli.feed:app", "Read a page of the paper feed, and plan cards for what is new."),
    "digest": ("calculemus.cli.digest:digest", "Tell what is new, as a letter that is written or sent."),
    "tune-prompt": ("calculemus.cli.tune_prompt:tune_prompt", "Search for a better prompt for a model."),
    "profile-models": (
        "calculemus.cli.profile_models:profile_models",
        "Test what models can do, to route by it.",
    ),
    "power": ("calculemus.cli.power:power", "Say how many problems a gain needs, or what a set can show."),
}

app = App(
    name="calculemus",
    help="Which of these is better on these problems, at what cost, and how sure are we?",
    version=f"calculemus {__version__}",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
for _name, (_path, _summary) in _COMMANDS.items():
    app.command(_path, name=_name, help=_summary)

_IN_STORE = "what was answered and graded so far is in the store, and the same command goes on from there"
_KEPT = {
    "compare": _IN_STORE,
    "regrade": _IN_STORE,
    "merge": "what was merged so far is in the new folder, and the same command goes on from there",
}


def main() -> None:
    """Run the command line and leave the process with its status."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not end a comparison.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Read when torch is loaded: threads that wait sleep, and leave their cores to whoever computes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:]))


def run(tokens: Sequence[str]) -> int:
    """Run one command line.

    Args:
        tokens: The arguments after the program's name.

    Returns:
        0 where it worked, 1 where a method does not conform or nobody reads the output, 2 after an error, 130
        after an interrupt.
    """
    try:
        with drawing():
            status = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except (CalculemusError, CycloptsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = _KEPT.get(tokens[0])
        print(f"interrupted: {kept}" if kept else "interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it ends; that must not fail loudly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0
