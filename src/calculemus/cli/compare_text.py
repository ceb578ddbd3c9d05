"""A comparison in words and tables, for a terminal of 80 columns."""

from collections.abc import Iterable, Iterator, Sequence

from calculemus.cli.output import print_named_rows, print_text
from calculemus.study.amounts import quantity
from calculemus.study.comparison import Comparison, PairResult
from calculemus.study.costs import front_cost

_LEVEL = 0.05
_LISTED = 5
# Headings in two lines, so that a line of costs fits 80 columns.
_COSTS = {
    "tokens_in": "tokens\nin",
    "tokens_cached": "tokens\ncached",
    "tokens_out": "tokens\nout",
    "tokens_discarded": "tokens\ndiscarded",
    "flops": "\nFLOP",
    "seconds_engine": "engine\nseconds",
}
# Of these only what some system took has a column.
_RARE_COSTS = {"seconds_sandbox": "sandbox\nseconds"}
# Only where nothing else is known; --json and the report have them anyway.
_OTHER_COSTS = {
    "seconds_queue": "queue\nseconds",
    "peak_bytes": "peak\nbytes",
    "bytes_read": "bytes\nread",
    "bytes_written": "bytes\nwritten",
}


def print_comparison(comparison: Comparison) -> None:
    """Print the tables, then what they show in sentences."""
    print_text(f"{comparison.problems}: {comparison.n:,} problems, graded by {comparison.grader}")
    print_text("")
    _print_accuracies(comparison)
    if any(system.cost for system in comparison.systems):
        print_text("")
        _print_costs(comparison)
    for sentence in sentences(comparison):
        print_text("")
        print_text(sentence)
    print_text("")
    for note in comparison.notes:
        print_text(f"note: {note}")


def _print_accuracies(comparison: Comparison) -> None:
    pairs = {pair.b: pair for pair in comparison.pairs if pair.a == comparison.baseline}
    columns = ["accuracy, %"]
    if pairs:
        columns += ["difference, points", "p"]
    columns += ["unparsed"]
    with_errors = any(system.errors for system in comparison.systems)
    rows: list[list[str]] = []
    for system in comparison.systems:
        pair = pairs.get(system.name)
        row = [f"{100 * system.accuracy:.1f} [{100 * system.ci_low:.1f}, {100 * system.ci_high:.1f}]"]
        if pairs:
            row += [difference(pair), p_value(pair)] if pair else ["baseline", ""]
        row.append(share(system.unparsed, system.n_samples))
        rows.append([*row, share(system.errors, system.n_samples)] if with_errors else row)
    names = [system.name for system in comparison.systems]
    print_named_rows("system", names, [*columns, "errors"] if with_errors else columns, rows)


def _print_costs(comparison: Comparison) -> None:
    """Print the costs that are known, and which systems stand on the front."""
    systems = comparison.systems
    known = {name for system in systems for name in system.cost}
    taken = {name for system in systems for name, value in system.cost.items() if value}
    columns = {name: title for name, title in _COSTS.items() if name in known}
    columns |= {name: title for name, title in _RARE_COSTS.items() if name in taken}
    if not columns:
        columns = {name: title for name, title in _OTHER_COSTS.items() if name in known}
    over = front_cost([system.cost for system in systems])
    titles = [*columns.values()]
    if over is not None:
        titles.append(f"front over\n{' '.join({**_COSTS, **_OTHER_COSTS}[over].split())}")
    rows: list[list[str]] = []
    for system in systems:
        row = [cost(system.cost.get(name)) for name in columns]
        rows.append([*row, "yes" if system.on_front else ""] if over is not None else row)
    print_named_rows("\nmean of an answer", [system.name for system in systems], titles, rows)


def difference(pair: PairResult) -> str:
    """Write a difference in points with its interval."""
    return f"{100 * pair.delta:+.1f} [{100 * pair.ci_low:.1f}, {100 * pair.ci_high:.1f}]"


def p_value(pair: PairResult) -> str:
    """Write a p-value; a star marks that it stays under the level after Holm's correction."""
    text = "<0.0001" if pair.p_value < 0.0001 else f"{pair.p_value:.4f}"
    return text + ("*" if pair.p_holm is not None and pair.p_holm < _LEVEL else " ")


def share(part: int, whole: int) -> str:
    """Write a share in per cent; none at all is a plain 0."""
    return f"{100 * part / whole:.1f} %" if part else "0"


def cost(value: float | None) -> str:
    """Write a cost with three figures; a dash where it is unknown."""
    return "-" if value is None else quantity(value)


def sentences(comparison: Comparison) -> Iterator[str]:
    """Yield how the figures were made, which pairs are separable, and what could not have been seen."""
    pairs = comparison.pairs
    intervals = _listing(dict.fromkeys(system.ci_method for system in comparison.systems))
    if not pairs:
        yield f"The interval is a 95 % one ({intervals})."
        return
    paired = _listing(dict.fromkeys(pair.ci_method for pair in pairs))
    tests = _listing(dict.fromkeys(pair.p_method for pair in pairs))
    corrected = sum(pair.p_holm is not None for pair in pairs)
    yield (
        f"Intervals are 95 % ones: {intervals} for accuracies, {paired} for paired differences. "
        f"p is of the {tests} test; * stays under {_LEVEL} after Holm's correction for {corrected} "
        f"comparison{'s' if corrected > 1 else ''} with {comparison.baseline}."
    )
    yield _separable(pairs)
    low, high = (100 * ends(pair.visible for pair in pairs) for ends in (min, max))
    span = f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"
    yield (
        f"{comparison.n:,} problems show a difference of {span} points with 80 % power, depending on how "
        "often two systems differ; what is smaller may well stay unseen."
    )


def _separable(pairs: Sequence[PairResult]) -> str:
    """Say which pairs the intervals do not tell apart."""
    close = [pair for pair in pairs if pair.ci_low <= 0 <= pair.ci_high]
    if not close:
        every = f"All {len(pairs)} pairs are" if len(pairs) > 1 else "The pair is"
        return f"{every} separable: no interval of a difference holds zero."
    shown = [f"{pair.b} and {pair.a} ({difference(pair)})" for pair in close[:_LISTED]]
    more = f"; and {len(close) - _LISTED} more" if len(close) > _LISTED else ""
    return f"Not separable, {len(close)} of {len(pairs)} pairs: {'; '.join(shown)}{more}."


def _listing(names: Iterable[str]) -> str:
    return " and ".join(names)
