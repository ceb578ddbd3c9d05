"""A table with boxes on it, in two dimensions: what may be done with them, and whether a command was obeyed.

    tabletop:n=50,steps=3,seed=0      50 commands of three parts each, drawn by seed 0

A problem's ``meta['world']`` has the boxes with their places. Its gold answer is the state of the table that
the command asks for; the grader ``tabletop`` does again what an answer says was done, and compares.
"""

import ast
import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count, islice, pairwise
from typing import Annotated, Any

from calculemus.errors import ProblemError
from calculemus.named import build, parse_named
from calculemus.params import AtLeast, Between, Configured
from calculemus.problem import Problem
from calculemus.problems.problemset import ProblemSet
from calculemus.rng import Rng

SIZE = 10
"""Places along each side of the table."""

MOST_BOXES = 5
COLOURS = ("red", "blue", "green", "yellow", "white")
_LONGEST = 20_000  # characters of an answer that are read

Place = tuple[int, int]


@dataclass(frozen=True)
class World:
    """The table: an immutable state, and what may be asked of it and done to it.

    Attributes:
        places: Where each box stands, in the order in which the boxes are named.
        under: What each box stands on, where that is another box.

    Example:
        >>> world = World({"red box": (1, 2), "blue box": (3, 4)})
        >>> reply, world = world.call("put_first_on_second", ("red box", "blue box"))
        >>> world.describe()
        'blue box at (3, 4); red box on blue box'
    """

    places: Mapping[str, Place]
    under: Mapping[str, str]

    def __init__(self, places: Mapping[str, Any], under: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "places", {name: (int(x), int(y)) for name, (x, y) in places.items()})
        object.__setattr__(self, "under", dict(under or {}))

    def call(
        self, function: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> "tuple[Any, World]":
        """Return the reply to a call of the control interface, and the table after it.

        Raises:
            ProblemError: There is no such function or box, or the table does not allow it.
        """
        if function not in INTERFACE:
            near = difflib.get_close_matches(function, INTERFACE, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ProblemError(
                f"tabletop: there is no function {function}(); {hint}it has {', '.join(INTERFACE)}"
            )
        try:
            bound = inspect.signature(INTERFACE[function]).bind(self, *args, **(kwargs or {}))
        except TypeError as error:
            raise ProblemError(f"tabletop: {function}() was called with wrong arguments: {error}") from error
        return INTERFACE[function](*bound.args, **bound.kwargs)

    def describe(self) -> str:
        """Write the state, alike for equal states."""
        parts = (
            f"{name} on {self.under[name]}" if name in self.under else f"{name} at {self.places[name]}"
            for name in sorted(self.places)
        )
        return "; ".join(parts)

    def on_top_of(self, name: str) -> str | None:
        """Return the box that stands on another one."""
        return next((upper for upper, lower in self.under.items() if lower == name), None)

    def require(self, name: Any) -> str:
        """Return the name of a box.

        Raises:
            ProblemError: There is no such box.
        """
        if not isinstance(name, str) or name not in self.places:
            raise ProblemError(f"tabletop: there is no {name!r}; there are {', '.join(self.places)}")
        return name

    def require_clear(self, name: Any) -> str:
        """Return the name of a box that nothing stands on.

        Raises:
            ProblemError: There is no such box, or another one stands on it.
        """
        upper = self.on_top_of(self.require(name))
        if upper is not None:
            raise ProblemError(f"tabletop: '{name}' cannot be used: '{upper}' stands on it")
        return name


def get_names(world: World) -> tuple[Any, World]:
    """Reply with the names of all boxes."""
    return list(world.places), world


def get_pos(world: World, name: str) -> tuple[Any, World]:
    """Reply with where a box stands, as (x, y)."""
    return world.places[world.require(name)], world


def get_under(world: World, name: str) -> tuple[Any, World]:
    """Reply with the box that a box stands on; None for the table."""
    return world.under.get(world.require(name)), world


def move(world: World, name: str, x: int, y: int) -> tuple[Any, World]:
    """Move a box to a free place on the table."""
    world.require_clear(name)
    if not all(type(n) is int and 0 <= n < SIZE for n in (x, y)):
        raise ProblemError(f"tabletop: there is no place ({x!r}, {y!r}); expected whole numbers below {SIZE}")
    if any(place == (x, y) and other != name for other, place in world.places.items()):
        raise ProblemError(f"tabletop: '{name}' cannot go to ({x}, {y}): a box stands there")
    under = {upper: lower for upper, lower in world.under.items() if upper != name}
    return None, World({**world.places, name: (x, y)}, under)


def put_first_on_second(world: World, first: str, second: str) -> tuple[Any, World]:
    """Put a box on another one."""
    world.require_clear(first)
    if world.on_top_of(world.require(second)) != first:  # it may stand there already
        world.require_clear(second)
    if first == second:
        raise ProblemError(f"tabletop: '{first}' cannot stand on itself")
    places = {**world.places, first: world.places[second]}
    return None, World(places, {**world.under, first: second})


INTERFACE: dict[str, Callable[..., tuple[Any, World]]] = {
    function.__name__: function for function in (get_names, get_pos, get_under, move, put_first_on_second)
}
"""The control interface: what a program may call, each with the table before its own arguments."""


def obey(world: World, log: str) -> World:
    """Do again what a log of calls says, one call a line.

    Raises:
        ProblemError: A line is no call with literal arguments, or the table does not allow it.
    """
    for line in filter(str.strip, log[:_LONGEST].splitlines()):
        try:
            call = ast.parse(line.strip(), mode="eval").body
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                raise ValueError("no call")
            args = tuple(ast.literal_eval(each) for each in call.args)
            kwargs = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError) as error:
            raise ProblemError(
                f"tabletop: expected a call in each line, found {line.strip()[:80]!r}"
            ) from error
        _, world = world.call(call.func.id, args, kwargs)
    return world


# What a command may ask for: its words, and calls that bring it about.
_Part = tuple[str, list[tuple[Any, ...]]]


def _move_part(world: World, draw: Any) -> _Part:
    (name,) = _drawn(world, draw, 1)
    x, y = (int(n) for n in draw.integers(SIZE, size=2))
    return f"move the {name} to ({x}, {y})", [("move", name, x, y)]


def _put_part(world: World, draw: Any) -> _Part:
    first, second = _drawn(world, draw, 2)
    return f"put the {first} on the {second}", [("put_first_on_second", first, second)]


def _swap_part(world: World, draw: Any) -> _Part:
    first, second = _drawn(world, draw, 2)
    (a, b), (c, d) = world.places[first], world.places[second]
    free = next((x, y) for y in range(SIZE) for x in range(SIZE) if (x, y) not in world.places.values())
    calls = [("move", first, *free), ("move", second, a, b), ("move", first, c, d)]
    return f"swap the {first} and the {second}", calls


def _row_part(world: World, draw: Any) -> _Part:
    y = int(draw.integers(SIZE))
    calls = [("move", name, x, y) for x, name in enumerate(world.places)]
    return f"put all boxes in a row at y = {y}, as they are listed, from x = 0 on", calls


def _stack_part(world: World, draw: Any) -> _Part:
    names = _drawn(world, draw, 3)
    calls = [("put_first_on_second", upper, lower) for lower, upper in pairwise(names)]
    return f"stack the {names[0]}, the {names[1]} and the {names[2]} from the bottom up", calls


_PARTS = (_move_part, _put_part, _swap_part, _row_part, _stack_part)


def _drawn(world: World, draw: Any, n: int) -> list[str]:
    return [str(name) for name in draw.permutation(list(world.places))[:n]]


@dataclass(frozen=True)
class Tabletop(Configured):
    """A problem set of commands that can be obeyed.

    Attributes:
        n: How many.
        steps: Parts of each command, one to be done after the other.
        boxes: On the table.
        seed: Names the draw.
    """

    n: Annotated[int, AtLeast(1)] = 100
    steps: Annotated[int, Between(1, 8)] = 1
    boxes: Annotated[int, Between(3, MOST_BOXES)] = 4
    seed: Annotated[int, AtLeast(0)] = 0

    def problems(self) -> ProblemSet:
        """Draw the commands."""
        drawn = (problem for index in count() if (problem := self._problem(index)) is not None)
        name = f"tabletop:n={self.n},steps={self.steps},boxes={self.boxes},seed={self.seed}"
        return ProblemSet(name, tuple(islice(drawn, self.n)), "generated")

    def _problem(self, index: int) -> Problem | None:
        """Return a command with its goal; None where what was drawn cannot be done."""
        draw = Rng(self.seed, ("tabletop", self.steps, self.boxes, index)).generator()
        cells = draw.permutation(SIZE * SIZE)[: self.boxes]
        world = start = World({f"{COLOURS[i]} box": divmod(int(cell), SIZE) for i, cell in enumerate(cells)})
        words: list[str] = []
        kinds: list[str] = []
        for kind in draw.integers(len(_PARTS), size=self.steps):
            text, calls = _PARTS[kind](world, draw)
            words.append(text)
            kinds.append(_PARTS[kind].__name__.strip("_").removesuffix("_part"))
            try:
                for function, *args in calls:
                    _, world = world.call(function, tuple(args))
            except ProblemError:
                return None
        if world.describe() == start.describe():
            return None
        command = ", then ".join(words)
        return Problem(
            id=f"tabletop/{self.steps}/{self.boxes}/{self.seed}/{index}",
            question=f"{command[0].upper()}{command[1:]}.",
            answer=world.describe(),
            meta={"world": {name: list(place) for name, place in start.places.items()}, "kinds": kinds},
        )


def load(name: str, limit: int | None = None) -> ProblemSet:
    """Return the problem set of a name such as ``tabletop:n=50,steps=3``.

    Args:
        name: ``tabletop`` with the parameters of ``Tabletop``.
        limit: Draw only this many.

    Raises:
        InvalidParameterError: A parameter that there is not, or a value out of range.
    """
    asked = build(Tabletop, parse_named(name)[1])
    return replace(asked, n=min(asked.n, limit or asked.n)).problems()


def world_of(problem: Problem) -> World | None:
    """Return the table of a problem; None for other problems."""
    places = problem.meta.get("world")
    return World(places) if isinstance(places, Mapping) else None


def check(problem: Problem, answer: str) -> tuple[bool | None, str]:
    """Say whether a log of calls brings about what a command asks for; None where it is no log.

    Returns:
        The verdict, and the state that the table is left in, or why there is none.
    """
    world = world_of(problem)
    assert world is not None, "checked before"
    try:
        state = obey(world, answer).describe()
    except ProblemError as error:
        return None, str(error)
    return state == problem.answer, state
