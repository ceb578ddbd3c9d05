"""The house style, as far as a machine can read it in the source; CONTRIBUTING.md has the reasons.

A rule is a function from a source file to the lines that break it. Each comes with a piece of code that it
must find fault with and one that it must pass, so that no rule is dead.
"""

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Files over 300 lines, each with the reason why it is one file.
LONG_FILES: dict[str, str] = {
    "src/calculemus/grading/expression.py": "one parser whose levels of precedence call each other",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
RAISED = {n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
WIDE = {"Exception", "BaseException"}
REASON = re.compile(r"#(?!\s*(?:noqa|type:|pyright:|pragma))\s*\w+\W+\w+")  # two words or more
SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore|pyright:\s*ignore|pragma)")
OPEN_DOUBT = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
BANNER = re.compile(r"#\s*[-=*#~]{3,}")


@dataclass(frozen=True)
class Source:
    """One Python file, read once."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def comments(self) -> dict[int, str]:
        """The comments by line."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}

    def calls(self, *names: str) -> Iterator[int]:
        """Yield the lines that call one of the functions by its bare name."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield node.lineno


Rule = Callable[[Source], Iterator[int]]


@dataclass(frozen=True)
class Check:
    """A rule, where it applies, and the two pieces of code that show it alive."""

    rule: Rule
    folders: tuple[str, ...]
    bad: str
    good: str


CHECKS: dict[str, Check] = {}


def house_rule(*folders: str, bad: str, good: str) -> Callable[[Rule], Rule]:
    """Add a rule for the Python files of ``folders``."""

    def add(rule: Rule) -> Rule:
        CHECKS[rule.__name__] = Check(rule, folders, bad, good)
        return rule

    return add


EVERYWHERE = ("src", "tests", "bench", "scripts")
CODE = ("src", "scripts", "bench")


@house_rule(*EVERYWHERE, bad="x = 1\n" * 301, good="x = 1\n" * 300)
def a_file_is_short(source: Source) -> Iterator[int]:
    lines = len(source.text.splitlines())
    if lines > (500 if source.name in LONG_FILES else 300):
        yield lines


@house_rule(*EVERYWHERE, bad="def f():\n" + "    x = 1\n" * 61, good="def f():\n" + "    x = 1\n" * 60)
def a_function_is_short(source: Source) -> Iterator[int]:
    for node in source.nodes:
        if isinstance(node, FUNCTIONS):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and (body[-1].end_lineno or 0) - body[0].lineno + 1 > 60:
                yield node.lineno


@house_rule(*EVERYWHERE, bad="x = 1", good='"""What it is for."""')
def a_module_says_what_it_is_for(source: Source) -> Iterator[int]:
    if not ast.get_docstring(source.tree):
        yield 1


def _public(source: Source) -> Iterator[Function | ast.ClassDef]:
    """Yield public functions, classes and methods; what is inside a function is its own affair."""
    for owner in [source.tree, *(node for node in source.tree.body if isinstance(node, ast.ClassDef))]:
        if isinstance(owner, ast.Module) or not owner.name.startswith("_"):
            for node in owner.body:
                if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
                    yield node


@house_rule("src", "scripts", bad="class A:\n    def f(self): ...", good="def _g(): ...")
def what_is_public_has_a_docstring(source: Source) -> Iterator[int]:
    yield from (node.lineno for node in _public(source) if not ast.get_docstring(node))


@house_rule(*CODE, bad="def f(x, *, y: int) -> int: ...", good="def f(self, x: int) -> int: ...")
def arguments_and_results_are_annotated(source: Source) -> Iterator[int]:
    for node in source.nodes:
        if isinstance(node, FUNCTIONS):
            spec = node.args
            named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
            given = [arg for arg in named if arg is not None and arg.arg not in ("self", "cls")]
            if node.returns is None or any(arg.annotation is None for arg in given):
                yield node.lineno


@house_rule("src", bad="print(1)", good="report(1)")
def only_the_command_line_prints(source: Source) -> Iterator[int]:
    if not source.name.startswith("src/calculemus/cli/"):
        yield from source.calls("print")


@house_rule("src", "bench", "scripts", bad="eval('1')", good="re.compile('1'); model.eval()")
def no_text_is_run_as_code(source: Source) -> Iterator[int]:
    if "sandbox" not in source.name:
        yield from source.calls("eval", "exec", "compile")


@house_rule("src", bad="parser.parse_expr(x)", good="parse_expr(x)  # passed the allow-list")
def a_parser_that_runs_its_text_says_why_it_may(source: Source) -> Iterator[int]:
    for node in source.nodes:
        runs_text = isinstance(node, ast.Call) and re.search(r"\bparse_expr$", ast.unparse(node.func))
        line = getattr(node, "lineno", 0)
        if runs_text and not REASON.search(source.comments.get(line, "")):
            yield line


def _cleans_up_only(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@house_rule(
    *EVERYWHERE,
    bad="try: x\nexcept (ValueError, Exception):  # noqa: BLE001\n    pass",
    good="try: x\nexcept Exception:  # one bad row must not stop the others\n    pass",
)
def a_wide_except_gives_its_reason(source: Source) -> Iterator[int]:
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and not _cleans_up_only(node):
            inner = ast.walk(node.type) if node.type else [ast.Name("Exception")]
            named = {part.id for part in inner if isinstance(part, ast.Name)}
            if named & WIDE and not REASON.search(source.comments.get(node.lineno, "")):
                yield node.lineno


@house_rule(
    *EVERYWHERE, bad="x = 1  # type: ignore[misc]", good="x = 1  # noqa: E501  # one formula, one line"
)
def a_silenced_check_gives_its_reason(source: Source) -> Iterator[int]:
    for line, comment in source.comments.items():
        if SILENCED.search(comment) and not any(REASON.match(part) for part in re.split(r"(?=#)", comment)):
            yield line


@house_rule("src", bad="x = cast(int, y)", good="x = cast(int, y)  # JSON knows no types")
def a_cast_gives_its_reason(source: Source) -> Iterator[int]:
    for line in source.calls("cast"):
        if not any(REASON.search(source.comments.get(near, "")) for near in (line, line - 1)):
            yield line


@house_rule(*EVERYWHERE, bad="# TO" + "DO: later", good="# TO" + "DO(#12): when the store has it")
def an_open_doubt_names_its_issue(source: Source) -> Iterator[int]:
    for line, comment in source.comments.items():
        if OPEN_DOUBT.search(comment) and not re.search(r"#\d+", comment[1:]):
            yield line


@house_rule(*EVERYWHERE, bad="# ---- helpers ----", good="# - 1 is the sign bit")
def a_comment_is_no_banner(source: Source) -> Iterator[int]:
    yield from (line for line, comment in source.comments.items() if BANNER.match(comment))


@house_rule(*EVERYWHERE, bad="for x in {1, 2}: pass", good="for x in sorted({1, 2}): pass")
def nothing_iterates_over_a_set(source: Source) -> Iterator[int]:
    for node in source.nodes:
        if isinstance(node, (ast.For, ast.comprehension)):
            made = ast.unparse(node.iter).startswith(("set(", "frozenset("))
            if made or isinstance(node.iter, ast.Set | ast.SetComp):
                yield node.iter.lineno


@house_rule(*CODE, bad="class TornError(ValueError): ...", good="class Row(Protocol): ...")
def errors_are_defined_in_one_place(source: Source) -> Iterator[int]:
    if source.name == "src/calculemus/errors.py":
        return
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
            if any(base in RAISED or base.endswith(("Error", "Exception", "Warning")) for base in bases):
                yield node.lineno


def _tests(source: Source) -> Iterator[Function]:
    for node in source.nodes:
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_"):
            yield node


@house_rule("tests", bad="def test_trim(): ...", good="def test_trim_keeps_ties_at_the_threshold(): ...")
def the_name_of_a_test_is_a_sentence(source: Source) -> Iterator[int]:
    yield from (node.lineno for node in _tests(source) if len(node.name.split("_")) < 4)


def _says_nothing(test: ast.expr) -> bool:
    """Say whether an assertion holds for almost any result: ``True``, ``x is not None``."""
    text = ast.unparse(test)
    return text == "True" or (isinstance(test, ast.Compare) and text.endswith(" is not None"))


def _asserts(function: Function, helpers: dict[str, Function], seen: frozenset[str] = frozenset()) -> bool:
    """Say whether a test checks something, itself or through a helper of its file."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not _says_nothing(node.test):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            checks = any(ast.unparse(keyword) == "check=True" for keyword in node.keywords)
            if checks or called in ("raises", "warns", "expect") or called.startswith(("assert_", "check_")):
                return True
            helper = helpers.get(called)
            if helper and called not in seen and _asserts(helper, helpers, seen | {called}):
                return True
    return False


@house_rule(
    "tests",
    bad="def test_it_is_there():\n    assert load() is not None",
    good="def same(a):\n    assert a == 1\ndef test_one_is_one():\n    same(1)",
)
def a_test_can_fail(source: Source) -> Iterator[int]:
    helpers = {node.name: node for node in source.nodes if isinstance(node, FUNCTIONS)}
    yield from (node.lineno for node in _tests(source) if not _asserts(node, helpers))


SOURCES = {
    top: [Source(str(f.relative_to(ROOT)), f.read_text("utf-8")) for f in sorted((ROOT / top).rglob("*.py"))]
    for top in EVERYWHERE
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_tree_keeps_the_rule_that(name: str) -> None:
    check = CHECKS[name]
    sources = [source for folder in check.folders for source in SOURCES[folder]]
    broken = [f"{source.name}:{line}" for source in sources for line in check.rule(source)]
    assert broken == [], f"{name.replace('_', ' ')}: not in {', '.join(broken)}"


@pytest.mark.parametrize("name", CHECKS)
def test_the_rule_finds_what_breaks_it_and_nothing_else(name: str) -> None:
    check = CHECKS[name]
    folder = check.folders[0]
    assert list(check.rule(Source(f"{folder}/calculemus/example.py", check.bad)))
    assert list(check.rule(Source(f"{folder}/calculemus/example.py", check.good))) == []


def test_the_list_of_long_files_is_up_to_date() -> None:
    lengths = {source.name: source.text.count("\n") for sources in SOURCES.values() for source in sources}
    assert [name for name in LONG_FILES if lengths.get(name, 0) <= 300] == []
