"""The templates, and how figures are written in them."""

from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from calculemus import __version__
from calculemus.report import words


def environment(is_live: bool, form_key: str) -> Environment:
    """Return the templates; every text in them is escaped."""
    made = Environment(
        loader=PackageLoader("calculemus.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        percent=words.percent,
        points=words.points,
        p_value=words.p_value,
        short=words.short,
        quantity=words.quantity,
        figure=figure,
        difference=difference,
        day=day,
        visible=visible,
        moment=moment,
    )
    made.globals.update(
        version=__version__, is_live=is_live, form_key=form_key, cost_titles=words.COST_TITLES
    )
    return made


def figure(value: float | None) -> str:
    """Write a measured figure with four digits; unknown ones as a dash."""
    return "–" if value is None else f"{value:.4g}".replace("-", words.MINUS)


def difference(value: float) -> str:
    """Write a difference with three digits and its sign."""
    return f"{value:+.3g}".replace("-", words.MINUS)


def day(moment: Any) -> str:
    """Write a moment as its day; text that is none stays as it is."""
    return _written(moment, "%Y-%m-%d")


def moment(moment: Any) -> str:
    """Write a moment of UTC as day and time; text that is none stays as it is."""
    return _written(moment, "%Y-%m-%d %H:%M UTC")


def _written(moment: Any, form: str) -> str:
    try:
        return datetime.fromisoformat(str(moment)).strftime(form)
    except ValueError:
        return str(moment)


_PICTURES = {sign: 0x2400 + sign for sign in range(32) if sign not in (9, 10)} | {127: 0x2421}


def visible(text: Any) -> str:
    """Write control characters as their pictures, so that none is lost or acts."""
    return str(text).translate(_PICTURES)
