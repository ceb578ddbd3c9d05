"""What a job has cost so far.

Tokens, FLOPs and memory are those of the job's own rows. The seconds of a step are shared out among its rows
by the tokens that each had in it, so that the jobs' seconds add up to the engine's.
"""

from collections.abc import Sequence

from calculemus.cost import Cost, forward_flops
from calculemus.engine.torch_engine.runner import Sizes


class Tally:
    """Adds up one job.

    Attributes:
        n_in: Prompt tokens that were computed.
        n_cached: Prompt tokens that were there.
        n_out: Sampled tokens that stand.
        n_discarded: Sampled tokens that do not.
    """

    __slots__ = (
        "_flops",
        "_held",
        "_peak",
        "_queued",
        "_seconds",
        "_since",
        "n_cached",
        "n_discarded",
        "n_in",
        "n_out",
    )

    def __init__(self) -> None:
        self.n_in = self.n_cached = self.n_out = self.n_discarded = 0
        self._held = self._peak = 0
        self._flops = self._seconds = self._queued = 0.0
        self._since: float | None = None

    def wait_from(self, now: float) -> None:
        """Note when the job joined the queue."""
        self._since = now

    def admit(self, now: float, kv_bytes: int) -> None:
        """Note that a row has got its lane; the first one ends the job's time in the queue."""
        if self._since is not None:
            self._queued, self._since = now - self._since, None
        self._held += kv_bytes
        self._peak = max(self._peak, self._held)

    def retire(
        self,
        *,
        n_given: int,
        n_cached: int,
        n_seen: int,
        runs: Sequence[tuple[int, int]],
        seconds: float,
        kv_bytes: int,
        sizes: Sizes,
    ) -> None:
        """Charge a row that gives its lane back.

        Args:
            n_given: Its prompt's tokens.
            n_cached: How many of them were there already.
            n_seen: Tokens that the model has seen, these included.
            runs: What ran through the model: so many tokens behind so many that were kept.
            seconds: Its share of the engine's time.
            kv_bytes: Memory kept for its keys and values.
            sizes: The model's.
        """
        self._held -= kv_bytes
        self.n_cached += n_cached
        self.n_in += min(n_seen, n_given) - n_cached
        self._seconds += seconds
        for n_run, n_before in runs:
            self._flops += forward_flops(
                sizes.parameters, sizes.n_layers, sizes.n_heads * sizes.d_key, n_run, n_before
            )

    def cost(self) -> Cost:
        """Return all of it."""
        return Cost(
            tokens_in=self.n_in,
            tokens_cached=self.n_cached,
            tokens_out=self.n_out,
            tokens_discarded=self.n_discarded,
            flops=self._flops,
            seconds_engine=self._seconds,
            seconds_queue=self._queued,
            seconds_sandbox=0.0,
            peak_bytes=self._peak,
            bytes_read=0,
            bytes_written=0,
        )

    def discard(self) -> None:
        """Book all that was sampled as not standing."""
        self.n_discarded, self.n_out = self.n_discarded + self.n_out, 0
