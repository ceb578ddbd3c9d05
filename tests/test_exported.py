"""The doors: ``__all__`` of every package is honest, and the examples in docstrings run."""

import doctest
import importlib
import inspect
import types
from pathlib import Path

import pytest

import calculemus

SOURCE = Path(calculemus.__file__).parent


def dotted(file: Path) -> str:
    """Return the name under which a source file is imported."""
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = sorted(file for file in SOURCE.rglob("*.py") if file.stem != "__main__")
MODULES = [dotted(file) for file in FILES]
PACKAGES = [dotted(file) for file in FILES if file.stem == "__init__"]


def own_names(module: types.ModuleType) -> list[str]:
    """Public functions and classes that a door defines itself; the linter finds imports it does not use."""
    items = sorted(vars(module).items())
    return [n for n, v in items if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_exactly_what_it_offers(name: str) -> None:
    package = importlib.import_module(name)
    offered = getattr(package, "__all__", [])
    assert [name for name in offered if not hasattr(package, name)] == []
    assert [name for name in own_names(package) if name not in offered] == []
    assert len(set(offered)) == len(offered)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_offers_no_name_that_it_does_not_have(name: str) -> None:
    module = importlib.import_module(name)
    assert [name for name in getattr(module, "__all__", []) if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("name", sorted(calculemus.__all__))
def test_a_class_that_the_package_offers_shows_an_example(name: str) -> None:
    offered = getattr(calculemus, name)
    if inspect.isclass(offered):
        examples = [test for test in doctest.DocTestFinder().find(offered, name) if test.examples]
        assert examples, f"{name} has no example in its docstring"
