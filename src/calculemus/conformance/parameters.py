"""Checks of parameters: what is not allowed is refused by name; and values to try parameters with."""

import math
import types
from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from calculemus.conformance.registry import check
from calculemus.conformance.subject import Subject
from calculemus.errors import InvalidParameterError, NotConformingError
from calculemus.params import AtLeast, Between, Configured, Constraint

WRONG_TYPE = b"seven"
"""A value that no annotation of a parameter allows but ``Any``."""

_STEP = 1


def parameters_of(made: type[Configured]) -> dict[str, Any]:
    """Return the annotations of a class's parameters by name."""
    hints = get_type_hints(made, include_extras=True)
    return {field.name: hints[field.name] for field in fields(made) if field.init}


def _split(annotation: Any) -> tuple[tuple[Any, ...], tuple[Constraint, ...]]:
    """Return the types that an annotation allows, and its constraints."""
    constraints: tuple[Constraint, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *others = get_args(annotation)
        constraints = tuple(other for other in others if hasattr(other, "allows"))
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if is_union else (annotation,), constraints


def bad_types(annotation: Any) -> list[Any]:
    """Return values of types that an annotation does not allow.

    Example:
        >>> bad_types(int)[1:], bad_types(str)[1:]
        (['seven', 1.5, True, None], [7, None])
    """
    kinds, _ = _split(annotation)
    if Any in kinds:
        return []
    bad: list[Any] = [WRONG_TYPE]
    if str not in kinds:
        bad.append("seven")
    elif not {int, float, bool} & set(kinds):
        bad.append(7)
    if int in kinds and float not in kinds:
        bad.append(1.5)
    if {int, float} & set(kinds) and bool not in kinds:
        bad.append(True)
    if types.NoneType not in kinds:
        bad.append(None)
    return bad


def bad_values(annotation: Any) -> list[Any]:
    """Return values of the right type that a constraint or a choice does not allow.

    Example:
        >>> bad_values(Annotated[int, AtLeast(1)])
        [0]
        >>> bad_values(Annotated[float, Between(0, 1, open_left=True)])
        [0, 2, nan, inf]
        >>> bad_values(Literal["bfs", "dfs"])
        ['bfs?']
    """
    kinds, constraints = _split(annotation)
    bad = [value for constraint in constraints for value in _outside(constraint)]
    if float in kinds:
        bad += [math.nan, math.inf]
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    return bad + [f"{choice}?" for choice in choices[:1] if isinstance(choice, str)]


def _outside(constraint: Constraint) -> Iterator[Any]:
    """Yield values just outside a range; of a constraint unknown here, numbers that it does not allow."""
    if isinstance(constraint, AtLeast):
        yield constraint.low - _STEP
    elif isinstance(constraint, Between):
        yield constraint.low if constraint.open_left else constraint.low - _STEP
        yield constraint.high if constraint.open_right else constraint.high + _STEP
    else:
        yield from (value for value in (-1, 0) if not constraint.allows(value))


def edge_values(annotation: Any) -> list[Any]:
    """Return values that an annotation allows, from the ends of what it allows.

    Example:
        >>> edge_values(Annotated[int | None, AtLeast(1)]), edge_values(int), edge_values(bool)
        ([1, 2, None], [-1, 0, 1, 2], [False, True])
    """
    kinds, constraints = _split(annotation)
    values: list[Any] = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if bool in kinds:
        values += [False, True]
    if int in kinds or float in kinds:
        numbers = _numbers(constraints, is_whole=float not in kinds)
        values += [number for number in numbers if all(c.allows(number) for c in constraints)]
    if str in kinds:
        values.append("")
    if types.NoneType in kinds:
        values.append(None)
    return values


def _numbers(constraints: tuple[Constraint, ...], is_whole: bool) -> list[Any]:
    ends = [end for c in constraints for end in (getattr(c, "low", None), getattr(c, "high", None))]
    numbers = [-1, 0, 1, 2, *(end for end in ends if end is not None and (not is_whole or end == int(end)))]
    kind = int if is_whole else float
    return sorted({kind(number): None for number in (numbers if is_whole else [*numbers, 0.5])})


def _refused(subject: Subject, name: str, value: Any, annotation: Any) -> None:
    doing = f"{subject.name} with {name}={value!r:.80}"
    try:
        subject.made(**{**_given(subject), name: value})
    except InvalidParameterError as error:
        _check_message(doing, subject, str(error), name, value)
        return
    except Exception as error:  # whatever it is, it is not the error that was expected
        raise NotConformingError(
            f"{doing}: it raised {type(error).__name__}: {error}; expected InvalidParameterError. Call "
            "super().__post_init__() first"
        ) from error
    raise NotConformingError(
        f"{doing}: it was taken; expected InvalidParameterError, as the annotation is {annotation}. Call "
        "super().__post_init__()"
    )


def _given(subject: Subject) -> dict[str, Any]:
    return {name: getattr(subject.method, name) for name in parameters_of(subject.made)}


def _check_message(doing: str, subject: Subject, message: str, name: str, value: Any) -> None:
    wanted = {
        "the method": subject.made.__name__,
        "the parameter": name,
        "the value": repr(value),
        "what is allowed": "expected",
    }
    missing = [what for what, text in wanted.items() if text not in message]
    if missing:
        raise NotConformingError(
            f"{doing}: the error says {message!r}; expected it to name {', '.join(missing)}. Write it as "
            f"'{subject.made.__name__}: parameter {name!r} is {value!r:.80}; expected ...'"
        )


@check()
def a_bad_type_is_refused_by_name(subject: Subject) -> str | None:
    """A value of a type that a parameter cannot have raises an error that names everything."""
    return _refuse_all(subject, bad_types)


@check()
def a_bad_value_is_refused_by_name(subject: Subject) -> str | None:
    """A value outside what a parameter may be raises an error that names everything."""
    return _refuse_all(subject, bad_values)


def _refuse_all(subject: Subject, make: Any) -> str | None:
    if not issubclass(subject.made, Configured):
        return "it has no parameters that are checked"
    bad = {name: (annotation, make(annotation)) for name, annotation in parameters_of(subject.made).items()}
    for name, (annotation, values) in bad.items():
        for value in values:
            _refused(subject, name, value, annotation)
    return None if any(values for _, values in bad.values()) else "no parameter has a bad one"
