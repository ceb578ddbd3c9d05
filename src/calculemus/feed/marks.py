"""Lines that say something of a paper beside its title and abstract: authors, date, votes."""

import re
from dataclasses import dataclass
from datetime import date

_NUMBER = r"\d[\d,]*(?:\.\d+)?\s?[kK]?"
_MONTHS = (
    *("jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?"),
    *("aug(?:ust)?", "sep(?:t|tember)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?"),
)
_MONTH = rf"({'|'.join(_MONTHS)})\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_BEFORE = (
    r"(?:(?:published|submitted|updated)(?:\s+on)?:?\s+)?(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
)
_AFTER = rf"(?:(?:,\s*|\s+)((?:19|20)\d\d))?(?:\s+({_NUMBER}))?"
# Behind "Jan 5" a year has its comma: without one, 1900 is how many votes there are.
_AFTER_DAY = rf"(?:,\s*((?:19|20)\d\d))?(?:\s+({_NUMBER}))?"
_MONTH_FIRST = re.compile(rf"{_BEFORE}{_MONTH}\s+{_DAY}{_AFTER_DAY}", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"{_BEFORE}{_DAY}\s+{_MONTH}{_AFTER}", re.IGNORECASE)
_ISO = re.compile(rf"{_BEFORE}((?:19|20)\d\d)-(\d\d)-(\d\d)(?:\s+({_NUMBER}))?", re.IGNORECASE)
_AUTHORS = re.compile(r"(\d[\d,]*)\s+authors?", re.IGNORECASE)
_SEPARATORS = re.compile(r"[·•∙‧|]")
_LEAP_GAP = 8  # years between two leap years at most, across a turn of a century


@dataclass(frozen=True, slots=True)
class Day:
    """A date whose year may be left out, as feed pages do for the running year."""

    month: int
    day: int
    year: int | None = None

    def latest(self, last: date) -> date | None:
        """Return the date; without a year, the latest one up to ``last``. None where there is no such day."""
        years = [self.year] if self.year is not None else range(last.year, last.year - _LEAP_GAP - 1, -1)
        for year in years:
            try:
                found = date(year, self.month, self.day)
            except ValueError:  # 29 February, or no day at all
                continue
            if self.year is not None or found <= last:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Marks:
    """What one line says of a paper; all None for a line of separators alone."""

    n_authors: int | None = None
    day: Day | None = None
    number: int | None = None


def read_marks(line: str) -> Marks | None:
    """Read a line of authors, date and votes, or of some of them; None where it says anything else.

    Example:
        >>> read_marks("• 5 authors · Sep 14 3")
        Marks(n_authors=5, day=Day(month=9, day=14, year=None), number=3)
    """
    n_authors, day, number = None, None, None
    for piece in _SEPARATORS.split(line):
        text = piece.strip()
        if not text:
            continue
        if found := _AUTHORS.fullmatch(text):
            n_authors = _count(found[1])
        elif re.fullmatch(_NUMBER, text):
            number = _count(text)
        elif dated := _read_day(text):
            day, behind = dated
            number = behind if behind is not None else number
        else:
            return None
    return Marks(n_authors, day, number)


def _read_day(text: str) -> tuple[Day, int | None] | None:
    """Read a date and the figure behind it."""
    if found := _MONTH_FIRST.fullmatch(text):
        month, day, year, number = found.groups()
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year, number = found.groups()
    elif found := _ISO.fullmatch(text):
        year, month, day, number = found.groups()
    else:
        return None
    votes = _count(number) if number else None
    return Day(_month_number(month), int(day), int(year) if year else None), votes


def _month_number(text: str) -> int:
    if text.isdigit():
        return int(text)
    return 1 + [name[:3] for name in _MONTHS].index(text[:3].lower())


def _count(text: str) -> int:
    """Read a figure as pages shorten them: 1,204 or 1.2k."""
    plain = text.replace(",", "").strip()
    return round(float(plain[:-1]) * 1000) if plain[-1] in "kK" else int(float(plain))
