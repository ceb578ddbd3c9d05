"""What a program expects of a function that it does not define, and how replies are read as that."""

import ast

import pytest

from calculemus.engine.sandbox.names import missing_functions
from calculemus.solving.expecting import expected_kind, nearest, read_value


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("if f(1):\n    pass", "bool"),
        ("x = [w for w in ws if not f(w)]", "bool"),
        ("x = 1 if f() else 2", "bool"),
        ("assert f() is True", "bool"),
        ("while a and f():\n    pass", "bool"),
        ("x = f()\nif x:\n    pass", "bool"),
        ("x = all(f(w) for w in ws)", "bool"),
        ("x = filter(f, ws)", "bool"),
        ("x = 2 * f() + 1", "number"),
        ("x += f()", "number"),
        ("x = -f()", "number"),
        ("x = f() > y", "number"),
        ("x = f() == 3", "number"),
        ("x = round(f(), 2)", "number"),
        ("x = sum(f(w) for w in ws)", "number"),
        ("x = f(1)\ny = x ** 2", "number"),
        ("if f():\n    n = 1 + f()", "number"),
        ("for w in f():\n    pass", "list"),
        ("x = f()[0]", "list"),
        ("x = len(f())", "list"),
        ("x = 'a' in f()", "list"),
        ("x = f()", "text"),
        ("x = f() == 'a'", "text"),
        ("x = 'a' + f()", "text"),
        ("print(f'{f()}')", "text"),
        ("x = f().upper()", "text"),
        ("f()\nif f():\n    x = f() + 'a'", "text"),
        ("sorted(ws, key=f)", "text"),
        ("g = lambda w: f(w)\nif g(1):\n    pass", "bool"),
        ("def g(w):\n    x = f(w)\n    return x\nn = 1 + g(2)", "number"),
        ("def f2():\n    return f()\ndef g():\n    return f2() or g()\ng()", "bool"),
    ],
)
def test_what_is_expected_of_a_call_is_read_off_its_use(program, kind) -> None:
    tree = ast.parse(program)
    missing = next(each for each in missing_functions(tree) if each.name == "f")
    assert expected_kind(tree, missing) == kind


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (" True", "bool", (True,)),
        ("No, it is not.", "bool", (False,)),
        ("perhaps", "bool", ()),
        ("", "bool", ()),
        ("about 1,234.5 kg", "number", (1234.5,)),
        ("-7", "number", (-7,)),
        ("yes", "number", (1,)),
        ("9" * 5000, "number", ()),
        ("none", "number", ()),
        ("['a', 'b']", "list", (["a", "b"],)),
        ("a, b", "list", (["a", "b"],)),
        ("a", "list", ()),
        ("'red'\nbecause", "text", ("red",)),
        ("dark red", "text", ("dark red",)),
        ("[" * 9000, "list", ()),
    ],
)
def test_replies_are_read_as_what_was_asked_for(text, kind, value) -> None:
    assert read_value(text, kind) == value


def test_near_names_are_one_edit_away() -> None:
    names = ["total", "xs", "count"]
    assert [nearest(name, names) for name in ("totl", "totale", "tital", "otal")] == ["total"] * 4
    assert [nearest(name, names) for name in ("tota1s", "x", "xy", "total", "toatl", "is_fruit")] == [
        None
    ] * 6


def test_a_name_that_asks_something_is_true_or_false_where_no_use_says_more() -> None:
    tree = ast.parse("x = is_red('a')\ny = is_red('b').title()\nz = has_legs(3)")
    assert [expected_kind(tree, each) for each in missing_functions(tree)] == ["text", "bool"]
