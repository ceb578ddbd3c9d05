"""From what a form sends to the arguments of a command: only what the command line could start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calculemus.catalog import claim_path
from calculemus.errors import InvalidParameterError
from calculemus.grading import get_grader
from calculemus.problems import load
from calculemus.solving import get_solver
from calculemus.solving.opening import check_model
from calculemus.study.systems import models_of
from calculemus.web.site import Site

MOST_SYSTEMS = 20
_MOST_CHARACTERS = 2000
_SIZES = ("smoke", "small")
_ENDLESS = 1_000_000

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Order:
    """A command that a form asks for.

    Attributes:
        title: What a list calls it.
        arguments: Of ``calculemus``, without the store and the folders of cards.
    """

    title: str
    arguments: tuple[str, ...]


def order(kind: str, fields: Fields, site: Site) -> Order:
    """Return the command that a form of a kind asks for, with the site's own store and folders.

    Raises:
        InvalidParameterError: A field holds what the command would not take, or what would read as a flag.
    """
    asked = KINDS[kind](fields, site)
    folders = [f"--path={folder}" for folder in site.folders] if kind == "claim" else []
    return Order(asked.title, (*asked.arguments, f"--store={site.store}", *folders))


def _claim(fields: Fields, site: Site) -> Order:
    entry = site.entry(_text(fields, "id", "the id of a method"))
    if claim_path(entry.card) is None:
        raise _refused(
            "id", entry.card.id, "a method with a claim that runs; its page says whether it has one"
        )
    size = _text(fields, "size", " or ".join(_SIZES))
    if size not in _SIZES:
        raise _refused("size", size, " or ".join(_SIZES))
    seeds = _whole(fields, "seeds", 1, 20, default=1)
    model = _text(fields, "model", "tiny, a folder, a hub id or an endpoint", default="tiny")
    check_model(model)
    arguments = ("claim", entry.card.id, f"--size={size}", f"--seeds={seeds}", f"--model={model}")
    return Order(f"Claim of {entry.card.id}, {size}", arguments)


def _comparison(fields: Fields, site: Site) -> Order:
    systems = [line.strip() for line in fields.get("systems", "").splitlines() if line.strip()]
    if not 1 <= len(systems) <= MOST_SYSTEMS:
        raise _refused("systems", f"{len(systems)} lines", f"1 to {MOST_SYSTEMS}, one system each")
    for system in systems:
        _check_system(_plain("systems", system), site)
    problems = _text(fields, "problems", "a problem set, such as generated:level=4,n=50")
    limit = _whole(fields, "limit", 1, _ENDLESS, default=None)
    limited = (f"--limit={limit}",) if limit is not None else ()
    _check_problems(problems)
    grader = _text(fields, "grader", "a grader", default="default")
    get_grader(grader)
    baseline = _text(fields, "baseline", "one of the systems", default="") or systems[0]
    if baseline not in systems:
        raise _refused("baseline", baseline, "one of the systems above, as it is written there")
    flags = (f"--problems={problems}", *limited, f"--grader={grader}", f"--baseline={baseline}")
    shown = systems[0] if len(systems) == 1 else f"{systems[0]} and {len(systems) - 1} more"
    return Order(f"{shown} on {problems}", ("compare", *systems, *flags))


KINDS: Mapping[str, Callable[[Fields, Site], Order]] = {"claim": _claim, "comparison": _comparison}
"""What can be started."""


def _check_system(system: str, site: Site) -> None:
    """Check a solver as the command does; a file of recorded solutions is looked for."""
    kind, colon, rest = system.partition(":")
    if kind == "recorded" and colon:
        file = Path(rest.partition("#")[0])
        if not file.is_file():
            raise _refused("systems", system, "a file of recorded solutions that is there")
        return
    method, _, model = system.partition("@")
    get_solver(method, *site.folders)
    if not model:
        raise _refused("systems", system, "SOLVER@MODEL, such as cot@tiny, or recorded:FILE")
    for part in models_of(model):
        check_model(part)


def _check_problems(problems: str) -> None:
    """Check a generated set by making its first problem; the others are looked at by the command."""
    if problems.startswith("generated"):
        load(problems, limit=1)


def _text(fields: Fields, name: str, expected: str, default: str | None = None) -> str:
    text = fields.get(name, "").strip()
    if not text and default is not None:
        return default
    if not text:
        raise _refused(name, text, expected)
    return _plain(name, text)


def _plain(name: str, text: str) -> str:
    """Return a text that is one value and no flag."""
    if text.startswith("-") or not text.isprintable() or len(text) > _MOST_CHARACTERS:
        raise _refused(name, text, "a value in one line that does not begin with '-'")
    return text


def _whole(fields: Fields, name: str, least: int, most: int, default: int | None) -> int | None:
    text = fields.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 9) or not least <= int(text) <= most:
        raise _refused(name, text, f"a whole number from {least} to {most:,}")
    return int(text)


def _refused(name: str, found: str, expected: str) -> InvalidParameterError:
    shown = repr(found[:80]) if found else "nothing"
    return InvalidParameterError(
        f"starting work: {name} is {shown}; expected {expected}. Mend it and try again"
    )


def suggested(solvers: Sequence[str]) -> list[str]:
    """Return systems to choose from: every solver on the model that ships."""
    return [f"{name}@tiny" for name in solvers]
