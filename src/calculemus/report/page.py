"""Write the page: problems stream into it, everything else is rendered around them.

The file holds, in this order, the tables and figures, the problems as compressed data, and the scripts. The
problems come first from the caller and last in memory: they go chunk by chunk to a nameless temporary file
while they are counted; then the page is rendered from the counts and that file is copied into its place.
"""

import base64
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined

from calculemus import __version__
from calculemus.errors import OutputError
from calculemus.events import track
from calculemus.files import replacing
from calculemus.report import plots, tables, words
from calculemus.report.curve_plot import curve_plot
from calculemus.report.embed import Embedder, json_for_html
from calculemus.report.tally import Tally
from calculemus.study.comparison import Comparison, ProblemView
from calculemus.study.costs import front_cost
from calculemus.study.curve import Curve

VEGA = ("vega/vega.min.js", "vega/vega-lite.min.js", "vega/vega-interpreter.js")
SCRIPTS = ("tools.js", "plots.js", "data.js", "filters.js", "list.js", "trace.js", "detail.js", "report.js")
PLACE_OF_DATA = "<!--problems-->"


def write_report(
    path: Path,
    comparison: Comparison,
    problems: Iterable[ProblemView],
    title: str = "",
    curve: Curve | None = None,
) -> None:
    """Write a comparison as one HTML file that needs nothing but a browser.

    Args:
        path: The file; its folder exists. An older file stays whole until the new one is complete.
        comparison: The figures.
        problems: What the drill-down shows, read once; memory does not grow with their number.
        title: The page's heading; names the problem set where empty.
        curve: Whose last comparison this is; drawn and tabled where given.

    Raises:
        OutputError: The file cannot be written.
    """
    with _naming(path):
        data = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  # closed by the next line's block
    with data:
        tally = _embed(data, path, comparison, problems)
        before, after = render(comparison, tally, title or _heading(comparison), curve).split(PLACE_OF_DATA)
        data.seek(0)
        with replacing(path) as temporary, temporary.open("wb") as out:
            out.write(before.encode("utf-8", "replace"))
            shutil.copyfileobj(data, out, 1 << 20)
            out.write(after.encode("utf-8", "replace"))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what the system says about the temporary file into an error that names the one asked for."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"report: cannot write '{path}': {error.strerror or error}; expected a folder that exists, can "
            "be written to and has room. Give another path"
        ) from error


def _heading(comparison: Comparison) -> str:
    n = len(comparison.systems)
    return f"{n} system{'s' * (n > 1)} on {comparison.problems}"


def _embed(out: BinaryIO, path: Path, comparison: Comparison, problems: Iterable[ProblemView]) -> Tally:
    """Write the problems to ``out`` and count them; errors of their source stay what they are."""
    tally = Tally(len(comparison.systems))
    embedder = Embedder(out)
    for view in track(problems, "report", comparison.n):
        facts = tally.add(view)
        with _naming(path):
            embedder.add(view, facts)
    with _naming(path):
        embedder.finish()
        out.flush()
    return tally


def render(comparison: Comparison, tally: Tally, title: str, curve: Curve | None = None) -> str:
    """Return the page with ``PLACE_OF_DATA`` where the problems belong."""
    names = [system.name for system in comparison.systems]
    costs = plots.cost_names(comparison)
    pattern_rows, n_elsewhere = tables.patterns(tally, len(names))
    drawn = _plots(comparison, tally, costs)
    if curve is not None:
        drawn["curve"] = curve_plot(curve)
    style, scripts = _asset("assets/report.css"), _scripts()
    template = _environment().get_template("page.html.j2")
    return template.render(
        title=title,
        version=__version__,
        comparison=comparison,
        tally=tally,
        finding=tables.finding(comparison),
        rows=tables.system_rows(comparison, costs),
        costs=[(cost, words.COST_TITLES[cost]) for cost in costs],
        first_cost=_first_cost(comparison, costs),
        letters=[words.letter(index) for index in range(len(names))],
        matrix=tables.matrix(comparison),
        describe=lambda cell: tables.describe(cell, names),
        patterns=pattern_rows,
        n_elsewhere=n_elsewhere,
        groups=tally.groups(),
        curve=curve,
        plots=drawn,
        facts=json_for_html(_facts(comparison, tally, drawn)),
        policy=_policy(style, scripts),
        style=style,
        scripts=scripts,
    )


def _plots(comparison: Comparison, tally: Tally, costs: list[str]) -> dict[str, plots.Spec]:
    drawn = {
        "intervals": plots.interval_plot(comparison),
        "differences": plots.difference_plot(comparison),
        "steps": plots.steps_plot(comparison, tally),
        **{f"cost-{cost}": plots.cost_plot(comparison, cost) for cost in costs},
    }
    return {name: spec for name, spec in drawn.items() if spec is not None}


def _first_cost(comparison: Comparison, costs: Sequence[str]) -> str | None:
    """Return the cost that the plot shows first: the one that the front in the terminal is over."""
    over = front_cost([system.cost for system in comparison.systems])
    return over if over in costs else next(iter(costs), None)


def _facts(comparison: Comparison, tally: Tally, drawn: dict[str, plots.Spec]) -> dict[str, Any]:
    """Return what the page's scripts have to know."""
    return {
        "n": tally.n,
        "problems": comparison.problems,
        "systems": [
            {"letter": words.letter(index), "name": system.name}
            for index, system in enumerate(comparison.systems)
        ],
        "costs": words.COST_TITLES,
        "groups": [{"label": g.label, "low": g.low, "high": g.high} for g in tally.groups()],
        "plots": drawn,
    }


def _scripts() -> list[str]:
    """Return the scripts in their order: the drawing library, then the page's own as one closed function."""
    own = "\n".join(_asset(f"assets/{name}") for name in SCRIPTS)
    return [*map(_asset, VEGA), f"(() => {{\n'use strict';\n{own}}})();\n"]


def _policy(style: str, scripts: list[str]) -> str:
    """Return a policy under which the page runs these scripts, no others, and reaches no network.

    Scripts are named by their digest: even text that slipped into the page as HTML could not run.
    """
    allowed = " ".join(map(_source_digest, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_source_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("calculemus.report").joinpath(name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("calculemus.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=words.percent,
        points=words.points,
        p_value=words.p_value,
        short=words.short,
        quantity=words.quantity,
    )
    return environment
