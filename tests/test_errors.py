"""Errors: the drawn tree is the real one, and every error can be caught, read and sent elsewhere."""

import inspect
import pickle
import re

import pytest

from calculemus import errors
from calculemus.errors import CalculemusError, MissingExtraError

ERRORS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
]


def drawn_tree() -> dict[str, tuple[str, ...]]:
    """Read the tree at the top of errors.py: each error with its bases, ours first."""
    tree: dict[str, tuple[str, ...]] = {}
    ancestors: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        branch = re.match(r"([ │├└─]*)([A-Z]\w+)(?: \((\w+)\))?(?:$|  )", line)
        if branch is None:
            continue
        depth, name, standard = len(branch[1]), branch[2], branch[3]
        while ancestors and ancestors[-1][0] >= depth:
            ancestors.pop()
        ours = (ancestors[-1][1],) if ancestors else ()
        tree[name] = (*ours, *((standard,) if standard else ()))
        ancestors.append((depth, name))
    return tree


def make(error: type[CalculemusError]) -> CalculemusError:
    """Make one of any of our errors, with a text for everything that it asks for."""
    asked = list(inspect.signature(error.__init__).parameters.values())[1:]
    texts = [f"the {given.name}" for given in asked if given.kind is given.POSITIONAL_OR_KEYWORD]
    return error(*texts or ["doing this: found that. Do so."])


def test_the_tree_at_the_top_of_the_file_is_the_tree_of_the_classes() -> None:
    real = {error.__name__: tuple(base.__name__ for base in error.__bases__) for error in ERRORS}
    real["CalculemusError"] = ()
    assert drawn_tree() == real
    assert CalculemusError.__bases__ == (Exception,)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_caught_as_one_of_ours_and_says_what_it_is(error: type[CalculemusError]) -> None:
    assert issubclass(error, CalculemusError)
    assert (error.__doc__ or "").rstrip().endswith(".")


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_keeps_its_message_on_the_way_to_another_process(error: type[CalculemusError]) -> None:
    sent = make(error)
    received = pickle.loads(pickle.dumps(sent))
    assert type(received) is error
    assert str(received) == str(sent)


def test_a_missing_extra_says_what_was_done_what_is_missing_and_how_to_install_it() -> None:
    message = str(MissingExtraError("writing results.parquet", "pyarrow", "parquet"))
    parts = ["writing results.parquet", "'pyarrow'", "'parquet'", "pip install 'calculemus[parquet]'"]
    positions = [message.index(part) for part in parts]
    assert positions == sorted(positions)
