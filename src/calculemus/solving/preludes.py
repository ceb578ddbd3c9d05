"""What stands before a program of ``pal`` in some of its variants, as Python source for the sandbox."""

_DATES = '''
import calendar as _calendar
import datetime as _datetime
from datetime import date, datetime


class relativedelta:
    """A span of calendar time: the day of the month is kept, or is the month's last."""

    def __init__(self, years=0, months=0, weeks=0, days=0, hours=0, minutes=0, seconds=0):
        self.months = 12 * years + months
        self.rest = _datetime.timedelta(
            days=days + 7 * weeks, hours=hours, minutes=minutes, seconds=seconds
        )

    def __radd__(self, day):
        year, month = divmod(12 * day.year + day.month - 1 + self.months, 12)
        last = _calendar.monthrange(year, month + 1)[1]
        return day.replace(year=year, month=month + 1, day=min(day.day, last)) + self.rest

    def __rsub__(self, day):
        return day + (-self)

    def __neg__(self):
        opposite = relativedelta(months=-self.months)
        opposite.rest = -self.rest
        return opposite


timedelta = relativedelta

'''

_SYMBOLS = '''
class dict(dict):
    """A dictionary that may lose members while it is gone through."""

    def __iter__(self):
        return iter(list(super().__iter__()))

'''

PRELUDES = {"dates": _DATES.lstrip("\n"), "symbols": _SYMBOLS.lstrip("\n")}
"""Source by variant."""
