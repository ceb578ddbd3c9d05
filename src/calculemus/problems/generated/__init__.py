"""Generated word problems: question, worked solutions and program from one graph of quantities.

``variants`` changes items and ``errors`` their solutions, both with labels; ``language`` translates to and
from the constructed language; ``check`` holds every form of an item against its graph.

Example:
    >>> from calculemus.problems.generated import Generated, Spec
    >>> item = Generated(Spec.level(2), "train", seed=0)[0]
    >>> item.solution.endswith(f"#### {item.answer}")
    True
"""

from calculemus.problems.generated.item import Item
from calculemus.problems.generated.source import SPLITS, Generated
from calculemus.problems.generated.spec import Spec

__all__ = ["SPLITS", "Generated", "Item", "Spec"]
