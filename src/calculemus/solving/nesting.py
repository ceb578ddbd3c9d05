"""Solvers that hand a problem to another solver, which a parameter names."""

from calculemus.solving.base import Solver


class Nesting(Solver):
    """Base of solvers with a parameter ``inner``: another solver, with semicolons in place of commas."""

    inner: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.solver  # noqa: B018  # raises where there is none

    @property
    def solver(self) -> Solver:
        """The inner solver."""
        from calculemus.solving import get_solver  # it finds the classes that derive from this one, too

        return get_solver(self.inner.replace(";", ","))

    @property
    def prompts(self) -> tuple[str, ...] | None:
        """Those of the inner solver."""
        return self.solver.prompts

    @property
    def reads(self) -> str:
        """Name by content what it reads itself, and what the inner solver reads."""
        return " ".join(part for part in (self.own_reads, self.solver.reads) if part)

    @property
    def own_reads(self) -> str:
        """Name by content what it reads itself besides its parameters."""
        raise NotImplementedError
