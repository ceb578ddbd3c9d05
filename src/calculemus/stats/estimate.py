"""What every statistic returns: a figure, its interval, what it rests on and how it was made."""

from dataclasses import dataclass
from typing import NamedTuple


class Interval(NamedTuple):
    """The ends of an interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: The figure.
        low: Lower end of its interval.
        high: Upper end.
        n_problems: Problems it rests on.
        n_samples: Samples it rests on, over all problems.
        method: How the interval was made.
        is_share: Whether it is a share in 0..1, printed as a percentage, or a plain quantity.

    Example:
        >>> print(Estimate(921 / 1319, 0.673, 0.722, 1319, 1319, "Wilson"))
        69.8% [67.3, 72.2] (n=1319, Wilson)
        >>> print(Estimate(101.5, 98.0, 105.25, 30, 60, "bootstrap-t", is_share=False))
        101.5 [98, 105.2] (n=30, 60 samples, bootstrap-t)
    """

    value: float
    low: float
    high: float
    n_problems: int
    n_samples: int
    method: str
    is_share: bool = True

    def __str__(self) -> str:
        if self.is_share:
            figures = f"{100 * self.value:.1f}% [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        else:
            figures = f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"
        samples = "" if self.n_samples == self.n_problems else f"{self.n_samples} samples, "
        return f"{figures} (n={self.n_problems}, {samples}{self.method})"


@dataclass(frozen=True, slots=True)
class PairedEstimate:
    """The difference of two systems on the same problems, ``b`` minus ``a``.

    Attributes:
        delta: Mean of ``b`` minus mean of ``a``.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Two-sided, of the hypothesis that the systems are alike.
        only_a: Problems that only ``a`` solved; None unless each has one sample, of 0 or 1.
        only_b: Problems that only ``b`` solved.
        n: Problems compared on.
        method: How the interval was made.
        p_method: How the p-value was made.

    Example:
        >>> print(PairedEstimate(0.1, 0.0133, 0.1916, 0.0414, 5, 15, 100, "Tango", "exact McNemar"))
        +0.1 [+0.0133, +0.1916], p=0.041 (n=100, Tango, exact McNemar)
    """

    delta: float
    low: float
    high: float
    p_value: float
    only_a: int | None
    only_b: int | None
    n: int
    method: str
    p_method: str

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval tells the two systems apart."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        figures = f"{self.delta:+.4g} [{self.low:+.4g}, {self.high:+.4g}], p={self.p_value:.2g}"
        return f"{figures} (n={self.n}, {self.method}, {self.p_method})"
