"""Every exception that calculemus raises on purpose.

CalculemusError
 ├─ InvalidParameterError (ValueError)   a setting outside what is allowed
 ├─ MissingExtraError (ImportError)      an optional dependency that is not installed
 ├─ ProblemError (ValueError)            a problem set or a record of it
 │   └─ UnknownProblemsError             rows that name problems which the set does not have
 ├─ RecordError (ValueError)             a file of recorded solutions or of pairs to grade
 ├─ GradingError (ValueError)            a gold answer or a grader's name that cannot be used
 ├─ StatisticsError (ValueError)         figures that a statistic is not defined for
 └─ StoreError (RuntimeError)            a results store that cannot be opened, read or written

A message says what was being done, what was found, what was expected, and what to do, in this order.
"""


class CalculemusError(Exception):
    """Anything that calculemus raises on purpose."""


class InvalidParameterError(CalculemusError, ValueError):
    """A setting lies outside what is allowed."""


class MissingExtraError(CalculemusError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, doing: str, module: str, extra: str) -> None:
        super().__init__(
            f"{doing}: the module '{module}' is not installed; it comes with the extra '{extra}'. "
            f"Install it: pip install 'calculemus[{extra}]'"
        )


class ProblemError(CalculemusError, ValueError):
    """A problem set or one of its records cannot be used."""


class UnknownProblemsError(ProblemError):
    """Rows name problems that the problem set does not have."""


class RecordError(CalculemusError, ValueError):
    """A file of recorded solutions, or of pairs to grade, cannot be used."""


class GradingError(CalculemusError, ValueError):
    """A gold answer or a grader's name cannot be used."""


class StatisticsError(CalculemusError, ValueError):
    """A statistic is not defined for the figures it was given."""


class StoreError(CalculemusError, RuntimeError):
    """A results store cannot be opened, read or written."""
