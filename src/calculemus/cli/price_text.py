"""What a comparison would take, for a terminal of 80 columns."""

from calculemus.cli.output import print_named_rows, print_text
from calculemus.study.amounts import quantity
from calculemus.study.pricing import Pricing, SystemPrice

_CALLS = ("answers\nto come", "\nrequests", "\nsamples")
_AMOUNTS = ("prompt\ntokens", "tokens out\nat most", "FLOP\nat most")


def print_pricing(pricing: Pricing) -> None:
    """Print a line for each system and one for all, then what the figures stand for."""
    print_text(f"{pricing.problems}: {pricing.n:,} problems; a dry run, nothing was asked")
    print_text("")
    lines = [*pricing.systems, *([pricing.total] if len(pricing.systems) > 1 else [])]
    programs = ["\nprograms"] if pricing.total.programs else []
    columns = [*_CALLS, *programs, *_AMOUNTS]
    rows = [_row(line, bool(pricing.total.programs)) for line in lines]
    print_named_rows("\nsystem", [line.name for line in lines], columns, rows)
    print_text("")
    print_text(
        "Tokens out and FLOP are upper bounds: every completion as long as max_tokens and the context let it "
        "become, and no prompt computed once for several samples. A method that goes by what the model says "
        "was priced on made-up replies, and may ask more or less of real ones."
    )
    if pricing.total.stored:
        print_text("")
        print_text(f"{pricing.total.stored:,} answers are in the store and are not asked for again.")
    if pricing.total.tokens_in is None:
        print_text("")
        print_text("A dash stands for what only the endpoint knows.")


def _row(line: SystemPrice, with_programs: bool) -> list[str]:
    row = [f"{line.answers:,}", f"{line.requests:,}", f"{line.samples:,}"]
    if with_programs:
        row.append(f"{line.programs:,}")
    return [*row, _known(line.tokens_in), _known(line.tokens_out), _known(line.flops)]


def _known(amount: float | None) -> str:
    return "-" if amount is None else quantity(amount)
