"""The functions that a program calls and nobody has defined, by Python's own rules of scope."""

import ast
import builtins
import symtable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calculemus.engine.sandbox.names import bound_names, missing_functions, missing_names

SNIPPETS = {
    "a plain call": ("f(1)", ["f"]),
    "builtins": ("print(len(sorted([1])), int('3'))", []),
    "an import": ("import math\nfrom os import path as p\nmath.floor(2)\np(1)", []),
    "a module's own name": ("import os.path\nos(1)\npath(2)", ["path"]),
    "a star import hides everything": ("from math import *\nfloor(2)\nf(1)", []),
    "a method is not a function": ("x = []\nx.append(1)\nf(x).g(2)", ["f"]),
    "order of appearance": ("b(a(1))\nc()\na(2)", ["b", "a", "c"]),
    "defined later": ("def g():\n    return h()\ndef h():\n    return 1\ng()", []),
    "recursion": ("def f(n):\n    return n and f(n - 1)\nf(3)", []),
    "mutual recursion": ("def a(n):\n    return b(n)\ndef b(n):\n    return a(n) or c(n)", ["c"]),
    "a parameter": ("def f(g, *rest, key=None, **more):\n    return g(rest(1), key(2), more(3))", []),
    "a default is outside": ("def f(g=h()):\n    return g()", ["h"]),
    "a default does not see the parameter": ("def f(g, k=g()):\n    return k", ["g"]),
    "a local name hides nothing outside": ("def f():\n    g = abs\n    return g(1)\ng(2)", ["g"]),
    "a local function": ("def f():\n    def g():\n        return 1\n    return g()\ng()", ["g"]),
    "a closure": ("def f():\n    g = abs\n    def h():\n        return g(1)\n    return h()", []),
    "a global declared in a function": ("def f():\n    global g\n    g = abs\nf()\ng(1)", []),
    "global looks past the function around": (
        "def f():\n    g = abs\n    def h():\n        global g\n        return g()\n    return h", ["g"],
    ),
    "nonlocal": ("def f():\n    g = abs\n    def h():\n        nonlocal g\n        return g()", []),
    "a conditional definition": ("if x:\n    def f():\n        return 1\nelse:\n    f = abs\nf()", []),
    "a definition in a try": ("try:\n    import g\nexcept ImportError as e:\n    e(1)\ng()", []),
    "a lambda": ("f = lambda g: g(h(1))\nf(abs)", ["h"]),
    "a comprehension keeps its targets": ("[f(x) for f in fs for x in f()]\nf(1)", ["f"]),
    "what it goes over first is outside": ("[f for f in f()]", ["f"]),
    "a walrus binds around it": ("[y for x in xs if (y := x)]\ny(1)", []),
    "a dict comprehension": ("{k(v): w(v) for k, v in d.items()}", ["w"]),
    "a class lends its names to nobody": (
        "class A:\n    def g(self):\n        return h() + g()\n    h = abs\n    i = h(1)", ["h", "g"],
    ),
    "bases and decorators": ("@d\nclass A(b()):\n    @e\n    def f(self):\n        pass", ["d", "b", "e"]),
    "decorators with arguments": ("import functools\n@functools.cache\n@d(3)\ndef f():\n    pass", ["d"]),
    "a loop's and a with's target": ("for f in fs:\n    f(1)\nwith o() as g:\n    g(2)", ["o"]),
    "a match": (
        "match x:\n    case [f, *g] | {'k': f, **g}:\n        f(g(1))\n    case h:\n        h(k(1))", ["k"],
    ),
    "handed to map and as a key": (
        "map(f, xs)\nsorted(xs, key=g)\nfilter(h, map(i, xs))", ["f", "g", "h", "i"],
    ),
    "handed to another function": ("print(f, xs)", []),
    "in an f-string": ("f'{f(1)!r:>{w(2)}}'", ["f", "w"]),
    "a deleted name was bound": ("f = abs\ndel f\nf(1)", []),
    "an async function": ("async def f():\n    return await g()", ["g"]),
    "unpacking": ("(f, *g), h.x = a\nf(g(h(1)))\nh = 2", []),
    "an annotation alone binds": ("f: int\nf(1)", []),
}  # fmt: skip


@pytest.mark.parametrize(("source", "missing"), SNIPPETS.values(), ids=SNIPPETS)
def test_what_is_missing_is_exact(source: str, missing: list[str]) -> None:
    assert [each.name for each in missing_functions(ast.parse(source))] == missing
    assert len(SNIPPETS) >= 30


def test_known_names_are_not_missing_and_every_use_is_there() -> None:
    tree = ast.parse("x = f(1) + f(2)\nif g(x):\n    map(f, [x])")
    (missing,) = missing_functions(tree, known=["g"])
    assert missing.name == "f"
    assert [ast.unparse(use) for use in missing.uses] == ["f(1)", "f(2)", "f"]


def test_a_tower_of_operators_does_not_exhaust_the_reader() -> None:
    tree = ast.parse("+".join(["f(1)"] * 900))
    assert len(missing_functions(tree)[0].uses) == 900


names = st.sampled_from("abcd")
expressions = st.recursive(
    names,
    lambda inner: st.one_of(
        st.tuples(names, inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(names, inner).map(lambda p: f"(lambda {p[0]}: {p[1]})"),
        st.tuples(inner, names, inner).map(lambda p: f"[{p[0]} for {p[1]} in {p[2]}]"),
    ),
    max_leaves=5,
)
simple = st.one_of(
    expressions,
    st.tuples(names, expressions).map(lambda p: f"{p[0]} = {p[1]}"),
    names.map(lambda name: f"import {name}"),
)


def indent(block: str) -> str:
    return "\n".join("    " + line for line in block.split("\n"))


programs = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("\n".join),
        st.tuples(names, names, inner).map(lambda p: f"def {p[0]}({p[1]}):\n{indent(p[2])}"),
        st.tuples(names, inner).map(lambda p: f"class {p[0]}:\n{indent(p[1])}"),
        st.tuples(names, inner).map(lambda p: f"if {p[0]}:\n{indent(p[1])}"),
    ),
    max_leaves=8,
)


def all_tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(each for child in table.get_children() for each in all_tables(child))]


@settings(max_examples=300, deadline=None)
@given(programs)
def test_python_s_own_symbol_tables_agree(source: str) -> None:
    """Python says of every scope which names it takes for global; those called there and bound nowhere."""
    tree = ast.parse(source)
    tables = all_tables(symtable.symtable(source, "<program>", "exec"))
    bound = {s.get_name() for s in tables[0].get_symbols() if s.is_assigned() or s.is_imported()}
    assert bound_names(tree) == bound
    free = {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table is tables[0])
    }
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    found = {each.name for each in missing_functions(tree)}
    assert found <= free - bound - set(vars(builtins))
    assert found <= called
    assert {each.name for each in missing_names(tree)} == free - bound - set(vars(builtins))
    if all(free_or_not_called(name, tables) for name in called - bound):
        assert found == called & free - bound


def free_or_not_called(name: str, tables: list[symtable.SymbolTable]) -> bool:
    """Say whether a name is global wherever it stands, so that a call of it needs no look at scopes."""
    return all(
        table.lookup(name).is_global() or table is tables[0]
        for table in tables
        if name in table.get_identifiers()
    )
