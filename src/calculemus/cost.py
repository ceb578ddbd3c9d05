"""The ruler: what a result took, and what it may take."""

from dataclasses import asdict, dataclass, fields
from operator import attrgetter
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


class Meter:
    """Adds up many costs; equals adding them one by one with ``+``, in a third of the time."""

    __slots__ = ("_peak", "_sums")

    def __init__(self) -> None:
        self._sums: list[float | None] = [0] * len(_SUMMED)
        self._peak: int | None = 0

    def add(self, cost: Cost) -> None:
        """Add one cost."""
        self._sums = [
            None if a is None or b is None else a + b for a, b in zip(self._sums, _summed(cost), strict=True)
        ]
        peak = cost.peak_bytes
        self._peak = None if self._peak is None or peak is None else max(self._peak, peak)

    @property
    def total(self) -> Cost:
        """The sum so far; ``Cost.zero()`` before anything was added."""
        return Cost(**dict(zip(_SUMMED, self._sums, strict=True)), peak_bytes=self._peak)  # type: ignore[arg-type]  # int fields receive sums of ints


_SUMMED = tuple(field.name for field in fields(Cost) if field.name != "peak_bytes")
_summed = attrgetter(*_SUMMED)


def forward_flops(parameters: int, n_layers: int, d_attention: int, tokens: int, cached: int = 0) -> float:
    """Return the floating-point operations of running a decoder over ``tokens`` of one sequence.

    Each token takes part in one multiply-add with every parameter. The token at place p (from 1) attends to
    p tokens: per layer, p dot products with the keys and a sum of p values, each of width ``d_attention``:

        2 * parameters * tokens + 4 * n_layers * d_attention * (p summed over the tokens)

    where p runs from ``cached + 1`` to ``cached + tokens``.

    Args:
        parameters: Weights that are multiplied with: all but the table of input embeddings, which is only
            read, unless it is also the output layer.
        n_layers: Attention layers.
        d_attention: Query heads times their width.
        tokens: Tokens that are computed.
        cached: Tokens before them whose keys and values are kept.
    """
    places = tokens * cached + tokens * (tokens + 1) / 2
    return 2.0 * parameters * tokens + 4.0 * n_layers * d_attention * places


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
