"""Moments as people and cards write them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from calculemus.errors import InvalidParameterError
from calculemus.news.item import Item

_DURATION = re.compile(r"(\d{1,6})([hdw])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}
_DATE = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A moment as far as it is known.

    Attributes:
        begin: The earliest that it can be, UTC.
        end: From then on it is over.
        text: As it was written, without the time of day.
    """

    begin: datetime
    end: datetime
    text: str


def read_span(text: object) -> Span | None:
    """Read a date of a card or a result, or a moment in ISO 8601; None where it is neither.

    A year stands for the whole of it, and so do a month and a day.
    """
    written = str(text)
    found = _DATE.fullmatch(written)
    if len(written) > 40:
        return None
    try:
        if found is None:
            moment = _in_utc(datetime.fromisoformat(written))
            return Span(moment, moment, moment.date().isoformat())
        year, month, day = (int(part) if part else None for part in found.groups())
        begin = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
        if day:
            return Span(begin, begin + timedelta(days=1), written)
        end = _next_month(begin) if month else begin.replace(year=begin.year + 1)
        return Span(begin, end, written)
    except (ValueError, OverflowError):
        return None


def _next_month(begin: datetime) -> datetime:
    return (begin + timedelta(days=31)).replace(day=1)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_since(text: str, now: datetime) -> datetime:
    """Return the moment that a duration before now, or a date, names.

    Args:
        text: ``7d``, ``36h``, ``2w``, ``2026-11-01``, or a moment in ISO 8601, in UTC where it names no zone.
        now: From when durations are counted back.

    Raises:
        InvalidParameterError: It is none of these.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is not None:
        try:
            return now - timedelta(hours=int(found[1]) * _HOURS[found[2]])
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    span = read_span(text.strip())
    if span is None:
        raise InvalidParameterError(
            f"looking for news since '{text[:40]}': it is neither a duration nor a date; expected hours, "
            "days or weeks such as 36h, 7d or 2w, or a date such as 2026-11-01. Write it so"
        )
    return span.begin


def since(items: Iterable[Item], moment: datetime) -> list[Item]:
    """Return the items that may have happened after a moment, in their order.

    Of most items only the day is known. One of the moment's own day counts as new: to read it twice is better
    than never.
    """
    return [item for item in items if max(item.moment, item.until) > moment]
