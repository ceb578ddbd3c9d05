"""Figures as a reader sees them; the page and the plots share them."""

from calculemus.study import amounts

MINUS = "\u2212"
NARROW = "\u202f"
JOINER = "\u2060"  # keeps a line from ending after the sign before it

COST_TITLES = {
    "tokens_in": "Tokens in",
    "tokens_cached": "Tokens cached",
    "tokens_out": "Tokens out",
    "tokens_discarded": "Tokens discarded",
    "flops": "FLOP",
    "seconds_engine": "Engine seconds",
    "seconds_queue": "Queue seconds",
    "seconds_sandbox": "Sandbox seconds",
    "peak_bytes": "Peak bytes",
    "bytes_read": "Bytes read",
    "bytes_written": "Bytes written",
}


def letter(index: int) -> str:
    """Name a system by its place: A to Z, then AA, AB and on."""
    name = ""
    while index >= 0:
        index, digit = divmod(index, 26)
        name = chr(ord("A") + digit) + name
        index -= 1
    return name


def percent(share: float) -> str:
    """Write a share of 0..1 as a percentage with one decimal."""
    return f"{100 * share:.1f}{NARROW}%"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points, always with its sign unless it is zero."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", MINUS)


def p_value(p: float) -> str:
    """Write a p value with two figures; below one in ten thousand only the bound is said."""
    return f"<{NARROW}0.0001" if p < 0.0001 else f"{p:.2g}"


def quantity(value: float) -> str:
    """Write a cost with three figures and the prefix of its power of a thousand."""
    return amounts.quantity(value, NARROW)


def short(name: str, limit: int = 34) -> str:
    """Cut a long name at its start: the end of a path or a field tells systems apart."""
    return name if len(name) <= limit else f"…{JOINER}{name[1 - limit :]}"
