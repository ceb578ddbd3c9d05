"""A comparison in words and tables, for a terminal of 80 columns."""

from collections.abc import Iterable, Iterator, Sequence

from calculemus.cli.output import new_table, print_table, print_text
from calculemus.study.comparison import Comparison, PairResult
from calculemus.study.costs import front_cost

_LEVEL = 0.05
_LISTED = 5
_COSTS = {
    "tokens_in": "tokens in",
    "tokens_cached": "cached",
    "tokens_out": "tokens out",
    "tokens_discarded": "discarded",
    "flops": "FLOP",
    "seconds_engine": "seconds",
    "seconds_queue": "s queue",
    "seconds_sandbox": "s sandbox",
    "peak_bytes": "peak bytes",
    "bytes_read": "bytes read",
    "bytes_written": "bytes written",
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
    with_errors = any(system.errors for system in comparison.systems)
    extra = ["errors"] if with_errors else []
    table = new_table("system", "accuracy, %", "difference, points", "p", "unparsed", *extra)
    for system in comparison.systems:
        pair = pairs.get(system.name)
        table.add_row(
            system.name,
            f"{100 * system.accuracy:.1f} [{100 * system.ci_low:.1f}, {100 * system.ci_high:.1f}]",
            difference(pair) if pair else "baseline",
            p_value(pair) if pair else "",
            share(system.unparsed, system.n_samples),
            *([share(system.errors, system.n_samples)] if with_errors else []),
        )
    print_table(table)


def _print_costs(comparison: Comparison) -> None:
    """Print the costs that are known, and which systems stand on the front."""
    names = [name for name in _COSTS if any(name in system.cost for system in comparison.systems)]
    over = front_cost([system.cost for system in comparison.systems])
    front = [f"front over {_COSTS[over]}"] if over else []
    table = new_table("mean of an answer", *(_COSTS[name] for name in names), *front)
    for system in comparison.systems:
        place = ["yes" if system.on_front else ""] if over else []
        table.add_row(system.name, *(quantity(system.cost.get(name)) for name in names), *place)
    print_table(table)


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


def quantity(value: float | None) -> str:
    """Write a cost with three figures; a dash where it is unknown."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


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
