"""Reading a method's ``repr`` back without running it as code."""

import ast
from typing import Any

from calculemus.errors import NotConformingError


def read_repr(method: Any) -> Any:
    """Return what ``repr(method)`` stands for, built from the text alone.

    Raises:
        NotConformingError: The text is not the class's name with literal arguments by name.

    Example:
        >>> from calculemus.solving.direct import Direct
        >>> read_repr(Direct(shots=2))
        Direct(shots=2, temperature=0.0, max_tokens=32)
    """
    text = repr(method)
    try:
        return _built(method, ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise NotConformingError(
            f"{type(method).__name__}: its repr is {text[:200]!r}, which does not read back ({error}); "
            f"expected {type(method).__name__}(parameter=value, ...). Leave __repr__ to the dataclass"
        ) from error


def _built(like: Any, node: ast.expr) -> Any:
    """Build what a piece of a repr stands for; ``like`` is what it was written from."""
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    made = type(like)
    if ast.unparse(node.func) != made.__qualname__ or node.args:
        raise ValueError(f"it calls {ast.unparse(node.func)}")
    values = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("it has arguments without names")
        values[keyword.arg] = _built(getattr(like, keyword.arg), keyword.value)
    return made(**values)
