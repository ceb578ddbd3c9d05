"""What a system returns for one problem, and how it got there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calculemus.cost import Cost


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a trace.

    Attributes:
        kind: ``completion``, ``step``, ``code``, ``output``, ``value`` or another word of the method's.
        text: What was written in this step.
        parents: Indices of the nodes it follows: none for a root, one in a chain or tree, several where
            a method merges states.
        meta: JSON-like facts: log-probability, value, visits.

    Example:
        >>> Node("step", "3 - 1 = 2", parents=(0,)).parents
        (0,)
    """

    kind: str
    text: str
    parents: tuple[int, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole record of a solution: a chain, tree or graph of nodes, parents before children.

    Example:
        >>> trace = Trace((Node("step", "2 * 3 = 6"), Node("step", "6 + 1 = 7", parents=(0,))))
        >>> [node.text for node in trace.path(1)]
        ['2 * 3 = 6', '6 + 1 = 7']
    """

    nodes: tuple[Node, ...] = ()

    def __post_init__(self) -> None:
        for index, node in enumerate(self.nodes):
            assert all(0 <= parent < index for parent in node.parents), "a parent comes before its child"

    def path(self, index: int) -> tuple[Node, ...]:
        """Return the nodes from a root to node ``index``, following first parents."""
        backwards = [self.nodes[index]]
        while backwards[-1].parents:
            backwards.append(self.nodes[backwards[-1].parents[0]])
        return tuple(reversed(backwards))

    def to_json(self) -> list[dict[str, Any]]:
        """Return plain lists and dictionaries that ``from_json`` reads back."""
        return [
            {"kind": n.kind, "text": n.text, "parents": list(n.parents), "meta": dict(n.meta)}
            for n in self.nodes
        ]

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> "Trace":
        """Read back what ``to_json`` returned."""
        return cls(tuple(Node(r["kind"], r["text"], tuple(r["parents"]), r["meta"]) for r in rows))


@dataclass(frozen=True, slots=True)
class Solution:
    """A system's result on one problem.

    Attributes:
        answer: The text that is graded: a completion, or a bare answer; None where the system gave none.
        candidates: Further answers that the method considered, best first.
        trace: How it got there.
        cost: What it took.
        truncated: Whether a limit cut it short.
        failure: Why there is no answer, as one line; None where nothing failed.

    Example:
        >>> solution = Solution("2 * 3 = 6, so the answer is 6.", cost=Cost(tokens_out=14))
        >>> solution.cost.known()
        {'tokens_out': 14}
    """

    answer: str | None
    candidates: tuple[str, ...] = ()
    trace: Trace = field(default_factory=Trace)
    cost: Cost = field(default_factory=Cost)
    truncated: bool = False
    failure: str | None = None
