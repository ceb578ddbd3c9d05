"""The flags of commands that run models: where models run, what they may spend, where programs run."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from calculemus.cost import Budget
from calculemus.engine.opening import EngineOptions

_AtLeastOne = Parameter(validator=Number(gte=1))
_Positive = Parameter(validator=Number(gt=0))
_MODELS = Group("Models")
_BUDGET = Group("Budget of one try at one problem")


@Parameter(name="*", group=_MODELS)
@dataclass(frozen=True)
class ModelFlags:
    """How models are opened and asked.

    Attributes:
        seed: The seed of all draws.
        rows: Rows that a local model works on at once.
        dtype: Number format of local models.
        device: Where local models run.
        threads: Threads of local models on a CPU. A model of fewer than 50 million parameters gets one: it
            gains little by more, and loses much where other programs run. A larger one gets torch's number.
        concurrency: Requests that an endpoint gets at once.
        key: The key of endpoints.
        tier: The highest sandbox tier that programs may use: mini is a Python subset, std the standard
            library, sci adds numpy, sympy and scipy.
    """

    seed: int = 0
    rows: Annotated[int, _AtLeastOne] = 256
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int | None, _AtLeastOne] = None
    concurrency: Annotated[int, _AtLeastOne] = 16
    key: Annotated[str | None, Parameter(env_var=["CALCULEMUS_API_KEY", "OPENAI_API_KEY"])] = None
    tier: Literal["mini", "std", "sci"] = "sci"

    def options(self) -> EngineOptions:
        """Return how engines are to be opened."""
        return EngineOptions(
            rows=self.rows,
            dtype=self.dtype,
            device=self.device,
            concurrency=self.concurrency,
            threads=self.threads,
        )


@Parameter(name="*", group=_BUDGET)
@dataclass(frozen=True)
class BudgetFlags:
    """What one try at one problem may spend; without a flag there is no limit.

    Attributes:
        tokens: Tokens that may be sampled.
        requests: Requests that may be sent.
        seconds: Seconds of the engine.
        flops: Floating-point operations of a local model.
    """

    tokens: Annotated[int | None, _AtLeastOne] = None
    requests: Annotated[int | None, _AtLeastOne] = None
    seconds: Annotated[float | None, _Positive] = None
    flops: Annotated[float | None, _Positive] = None

    def budget(self) -> Budget:
        """Return the budget."""
        return Budget(tokens=self.tokens, requests=self.requests, seconds=self.seconds, flops=self.flops)


NO_MODEL_FLAGS = ModelFlags()
"""What holds where no flag is given."""
NO_BUDGET_FLAGS = BudgetFlags()
"""No limit at all."""
