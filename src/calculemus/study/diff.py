"""What differs between two stored runs: how they were made, and what came out."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from calculemus.params import canonical_json
from calculemus.store import Run, Store
from calculemus.study.choose import choose_grader

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting that differs.

    Attributes:
        name: Where it stands, for example ``sampler.temperature`` or ``stop[0]``.
        values: The value of run ``a`` and of run ``b``; a run that lacks the setting has no entry.
    """

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProblemsDiff:
    """How two problem sets differ; empty tuples where they are the same.

    Attributes:
        only_a: Ids that only the first has.
        only_b: Ids that only the second has.
        changed: Ids whose question, gold or facts are not the same in both.
        reordered: Whether the problems they share stand in another order.
    """

    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    reordered: bool = False


@dataclass(frozen=True, slots=True)
class Extraction:
    """One answer of which the grader took another text in each run."""

    problem_id: str
    sample: int
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A run that is compared."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What differs between the runs ``a`` and ``b``.

    Attributes:
        a: The first run.
        b: The second.
        settings: Settings that differ, by name: prompts, samplers, files, versions.
        problems: How the problem sets differ.
        graders_a: ``name@version`` of the graders that only ``a`` has verdicts of.
        graders_b: The same for ``b``.
        grader: Whose verdicts are compared; None where no grader has graded both.
        n_shared: Answers to a problem and sample that both runs have.
        n_changed: Of these, answers that are not the same text.
        right_only_a: Problem and sample of those that only ``a`` has right.
        right_only_b: The same for ``b``.
        extractions: Those of which another text was taken for the answer.
    """

    a: Compared
    b: Compared
    settings: tuple[Setting, ...]
    problems: ProblemsDiff
    graders_a: tuple[str, ...]
    graders_b: tuple[str, ...]
    grader: str | None
    n_shared: int
    n_changed: int
    right_only_a: tuple[tuple[str, int], ...]
    right_only_b: tuple[tuple[str, int], ...]
    extractions: tuple[Extraction, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        return asdict(self)


def diff_runs(store: Store, a: Run, b: Run, grader: str | None = None) -> RunDiff:
    """Return what differs between two runs of a store.

    Args:
        store: Where they are.
        a: The first run.
        b: The second.
        grader: Whose verdicts to compare: ``name@version``, or a name for its newest version; None for
            ``default`` where both have it, else another that both have.

    Raises:
        StoreError: The grader that was asked for has not graded both.
    """
    graders_a, graders_b = store.graders(a), store.graders(b)
    common = [name for name in graders_a if name in graders_b]
    chosen = choose_grader(common, grader, f"comparing the runs {a.key[:12]} and {b.key[:12]}")
    n_shared, n_changed = store.shared(a, b)
    right_a: list[tuple[str, int]] = []
    right_b: list[tuple[str, int]] = []
    extractions: list[Extraction] = []
    for pair in store.changed(a, b, chosen) if chosen else ():
        where = (pair.problem_id, pair.sample)
        if pair.a.correct != pair.b.correct:
            (right_a if pair.a.correct else right_b).append(where)
        if pair.a.extracted != pair.b.extracted:
            extractions.append(Extraction(*where, pair.a.extracted, pair.b.extracted))
    return RunDiff(
        a=Compared(a.key, a.name),
        b=Compared(b.key, b.name),
        settings=diff_settings(a.spec, b.spec),
        problems=_diff_problems(store, a, b),
        graders_a=tuple(name for name in graders_a if name not in common),
        graders_b=tuple(name for name in graders_b if name not in common),
        grader=chosen,
        n_shared=n_shared,
        n_changed=n_changed,
        right_only_a=tuple(right_a),
        right_only_b=tuple(right_b),
        extractions=tuple(extractions),
    )


def diff_settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return the settings that differ between two nested, JSON-like specs, by name.

    Values differ where their JSON does, as in the keys of runs: 1, 1.0 and true are three values.
    """
    flat = {"a": dict(_flatten(a)), "b": dict(_flatten(b))}
    settings = (
        Setting(_name(path), {run: values[path] for run, values in flat.items() if path in values})
        for path in {**flat["a"], **flat["b"]}
    )
    return tuple(sorted(filter(_differs, settings), key=lambda setting: setting.name))


def named_settings(spec: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the settings of a nested, JSON-like spec with their names, in its order."""
    return [(_name(path), value) for path, value in _flatten(spec)]


def _differs(setting: Setting) -> bool:
    values = [canonical_json(value) for value in setting.values.values()]
    return len(values) < 2 or values[0] != values[1]


def _flatten(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    """Yield the leaves of a nested value with their paths; an empty list or table is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flatten(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _flatten(item, (*path, index))
    elif path:
        yield path, value


def _name(path: _Path) -> str:
    """Write a path as people do: ``sampler.stop[0]``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _diff_problems(store: Store, a: Run, b: Run) -> ProblemsDiff:
    if a.problems_digest == b.problems_digest:
        return ProblemsDiff()
    first, second = store.problems(a).by_id, store.problems(b).by_id
    shared = [key for key in first if key in second]
    return ProblemsDiff(
        only_a=tuple(key for key in first if key not in second),
        only_b=tuple(key for key in second if key not in first),
        changed=tuple(key for key in shared if first[key] != second[key]),
        reordered=shared != [key for key in second if key in first],
    )
