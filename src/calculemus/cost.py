"""The ruler: what a result took, and what it may take."""

from dataclasses import asdict, dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent. Unknown is None, never 0; a sum with an unknown part is unknown.

    Attributes:
        tokens_in: Prompt tokens that were computed.
        tokens_cached: Prompt tokens read from a cache.
        tokens_out: Sampled tokens that stand in the result.
        tokens_discarded: Sampled tokens that do not.
        flops: Floating-point operations of the model.
        seconds_engine: Wall-clock seconds of the engine, attributed to this result.
        seconds_queue: Seconds of waiting.
        seconds_sandbox: Seconds of running programs.
        peak_bytes: Largest memory in use; the maximum, not the sum, over parts.
        bytes_read: Bytes read from storage.
        bytes_written: Bytes written to storage.

    Example:
        >>> total = Cost(tokens_out=120, seconds_engine=0.5) + Cost(tokens_out=80)
        >>> total.known()
        {'tokens_out': 200}
    """

    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    tokens_discarded: int | None = None
    flops: float | None = None
    seconds_engine: float | None = None
    seconds_queue: float | None = None
    seconds_sandbox: float | None = None
    peak_bytes: int | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None

    @classmethod
    def zero(cls) -> Self:
        """Return the cost of doing nothing: the neutral element of ``+``."""
        return cls(**{field.name: 0 for field in fields(cls)})

    def __add__(self, other: "Cost") -> "Cost":
        sums: dict[str, float | None] = {}
        for field in fields(Cost):
            a, b = getattr(self, field.name), getattr(other, field.name)
            if a is None or b is None:
                sums[field.name] = None
            else:
                sums[field.name] = max(a, b) if field.name == "peak_bytes" else a + b
        return Cost(**sums)  # type: ignore[arg-type]  # int fields receive sums of ints

    def known(self) -> dict[str, float]:
        """Return the parts that are known, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on one problem; None means no limit.

    Attributes:
        tokens: Sampled tokens, kept and discarded.
        requests: Requests to an engine.
        seconds: Wall-clock seconds of the engine.
        flops: Floating-point operations.
        sandbox_seconds: Seconds of running programs.

    Example:
        >>> Budget(tokens=2000).seconds is None
        True
    """

    tokens: int | None = None
    requests: int | None = None
    seconds: float | None = None
    flops: float | None = None
    sandbox_seconds: float | None = None
