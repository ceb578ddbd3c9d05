"""Every exception that calculemus raises on purpose.

CalculemusError
 ├─ InvalidParameterError (ValueError)   a setting outside what is allowed
 ├─ MissingExtraError (ImportError)      an optional dependency that is not installed
 ├─ CardError (ValueError)               a card that cannot be read, or that no catalog has
 ├─ CheckpointError (ValueError)         a checkpoint that cannot be read, or that fits no other
 │   └─ CheckpointMismatchError          checkpoints that cannot be merged as they are
 ├─ ClaimError (ValueError)              a claim that cannot be run or judged
 ├─ FeedError (ValueError)               a feed page in a layout that is not known
 ├─ NotConformingError (AssertionError)  a method that breaks a rule of its interface
 ├─ ProblemError (ValueError)            a problem set or a record of it
 │   └─ UnknownProblemsError             rows that name problems which the set does not have
 ├─ RecordError (ValueError)             a file of recorded solutions or of pairs to grade
 ├─ GradingError (ValueError)            a gold answer or a grader's name that cannot be used
 │   ├─ UnreadableError                  text that is not an expression the parser knows
 │   ├─ UndecidableError                 two expressions too large to compare within the limits
 │   ├─ NotExactError                    a value that is irrational, or found only by approximation
 │   ├─ OutsideDomainError               a real function taken outside its domain
 │   ├─ WorkerTimeoutError               a worker process ran past its limit and was killed
 │   └─ WorkerFailedError                a worker process raised, died or ran out of memory
 ├─ ParseError (ValueError)              a completion that is not in the form that was asked for
 ├─ StatisticsError (ValueError)         figures that a statistic is not defined for
 ├─ EngineError (RuntimeError)           a model or endpoint that did not answer a request
 │   └─ EngineCapabilityError            a request, or an option of it, that an engine does not have
 ├─ BadRequestError (ValueError)         a request to a server that cannot be taken
 ├─ PageError (LookupError)              a page of the web that is not there
 ├─ BudgetExceededError (RuntimeError)   a request that would cost more than is left
 ├─ SandboxError (RuntimeError)          a sandbox that cannot be set up, or that broke down
 │   ├─ SandboxUnavailableError          a tier that this machine cannot isolate
 │   ├─ SandboxBrokenError               a process of the sandbox that died or fell silent
 │   ├─ NotDataError                     a value that cannot enter or leave the sandbox
 │   └─ BadReplyError                    a reply that no honest process of the sandbox sends
 ├─ MailError (RuntimeError)             a letter that no mail server took
 ├─ ReplayError (RuntimeError)           a recorded solve that asks for something else when run again
 ├─ OutputError (OSError)                a file that cannot be written
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
        super().__init__(doing, module, extra)  # kept as they came, so that pickle can make it again

    def __str__(self) -> str:
        doing, module, extra = self.args
        return (
            f"{doing}: the module '{module}' is not installed; it comes with the extra '{extra}'. "
            f"Install it: pip install 'calculemus[{extra}]'"
        )


class CardError(CalculemusError, ValueError):
    """A method's card cannot be used, or there is none of that name."""


class CheckpointError(CalculemusError, ValueError):
    """A checkpoint cannot be read, or does not fit another one."""


class CheckpointMismatchError(CheckpointError):
    """Checkpoints differ in a way that a merge cannot bridge."""


class ClaimError(CalculemusError, ValueError):
    """A method's claim cannot be run, or says too little to be judged."""


class FeedError(CalculemusError, ValueError):
    """A feed page cannot be read, or has a layout that is not known."""


class NotConformingError(CalculemusError, AssertionError):
    """A method breaks a rule that all methods of its interface keep."""


class ProblemError(CalculemusError, ValueError):
    """A problem set or one of its records cannot be used."""


class UnknownProblemsError(ProblemError):
    """Rows name problems that the problem set does not have."""


class RecordError(CalculemusError, ValueError):
    """A file of recorded solutions, or of pairs to grade, cannot be used."""


class GradingError(CalculemusError, ValueError):
    """A gold answer or a grader's name cannot be used."""


class UnreadableError(GradingError):
    """Text is not an expression that the parser knows."""


class UndecidableError(GradingError):
    """Two expressions are too large to compare within the limits."""


class NotExactError(GradingError):
    """A value is irrational, or found only by approximation."""


class OutsideDomainError(GradingError):
    """A real function is taken outside its domain."""


class WorkerTimeoutError(GradingError):
    """A worker process ran past its limit and was killed."""


class WorkerFailedError(GradingError):
    """A worker process raised, died or ran out of memory.

    Attributes:
        cause: Exception type and message as text, for example ``ValueError: no digits``.
    """

    def __init__(self, doing: str, cause: str) -> None:
        super().__init__(doing, cause)  # kept as they came, so that pickle can make it again
        self.cause = cause

    def __str__(self) -> str:
        return ": ".join(self.args)


class ParseError(CalculemusError, ValueError):
    """A completion is not in the form that was asked for.

    Attributes:
        raw: All that the model wrote.
    """

    def __init__(self, doing: str, raw: str, expected: str) -> None:
        super().__init__(doing, raw, expected)  # kept as they came, so that pickle can make it again
        self.raw = raw

    def __str__(self) -> str:
        doing, raw, expected = self.args
        return f"{doing}: found {raw[:200]!r}; expected {expected}"


class StatisticsError(CalculemusError, ValueError):
    """A statistic is not defined for the figures it was given."""


class EngineError(CalculemusError, RuntimeError):
    """A model or an endpoint did not answer a request."""


class EngineCapabilityError(EngineError):
    """A request, or an option of it, is of a kind that the engine does not have."""


class BadRequestError(CalculemusError, ValueError):
    """A request to a server that cannot be taken; ``field`` names where it is wrong."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message, field)
        self.field = field

    def __str__(self) -> str:
        return self.args[0]


class PageError(CalculemusError, LookupError):
    """A page of the web is asked for that is not there."""


class BudgetExceededError(CalculemusError, RuntimeError):
    """A request could cost more than is left of the budget; it was not sent."""


class SandboxError(CalculemusError, RuntimeError):
    """A sandbox cannot be set up, or broke down."""


class SandboxUnavailableError(SandboxError):
    """This machine cannot isolate what a sandbox tier runs."""


class SandboxBrokenError(SandboxError):
    """A process of the sandbox died or fell silent; another one can take its place."""


class NotDataError(SandboxError):
    """A value cannot enter or leave the sandbox: it is a function or an object, or nested too deeply."""


class BadReplyError(SandboxError):
    """A reply is none that an honest process of the sandbox sends."""


class MailError(CalculemusError, RuntimeError):
    """A letter could not be handed to a mail server, or not for everybody."""


class ReplayError(CalculemusError, RuntimeError):
    """A recorded solve asks for something else when it is run again."""


class OutputError(CalculemusError, OSError):
    """A file cannot be written."""


class StoreError(CalculemusError, RuntimeError):
    """A results store cannot be opened, read or written."""
