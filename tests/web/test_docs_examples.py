"""Every example of the docs runs: code in one namespace a page, files written, commands as one types them.

What stands behind the language of a block says what becomes of it: a file's name writes it, ``run`` runs its
commands, and Python without either is executed. Lines below a command must be in what it printed.
"""

import importlib.util
import inspect
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from calculemus import cli
from calculemus.web.docs import FOLDER, ORDER
from calculemus.web.markdown import Part, blocks_in, parts_of


def blocks(name: str) -> list[Part]:
    return list(blocks_in(parts_of((FOLDER / f"{name}.md").read_text("utf-8"))))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without a user's results and cards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CALCULEMUS_STORE", str(tmp_path / "store.db"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.path_importer_cache.pop("mine", None)  # of another page's folder
    return tmp_path


def execute(name: str, text: str, namespace: dict[str, Any]) -> None:
    exec(compile(text, f"{name}.md", "exec", dont_inherit=True), namespace)


def command(line: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    program, *tokens = shlex.split(line)
    assert program == "calculemus", line
    capsys.readouterr()
    status = cli.run(tokens)
    said = capsys.readouterr()
    assert status == 0, f"{line}\n{said.out[-3000:]}\n{said.err}"
    missing = [each for each in expected if each not in said.out]
    assert missing == [], f"{line}\n{said.out[-3000:]}"


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines that it must print."""
    found: list[tuple[str, list[str]]] = []
    for line in filter(None, text.splitlines()):
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def own_tests(file: Path) -> None:
    """Run the tests of a file as pytest would, in this process where they take nothing."""
    spec = importlib.util.spec_from_file_location(f"docs_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert tests, f"{file.name} has no test"
    for test in tests:
        marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
        for value in marks[0].args[1] if marks else [None]:
            test(**({next(iter(inspect.signature(test).parameters)): value} if marks else {}))


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDER)
def test_the_examples_of_the_page_run(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(sys.modules)
    namespace: dict[str, Any] = {"__name__": f"docs_{name}"}
    # A dataclass looks for its module by name.
    sys.modules[f"docs_{name}"] = ModuleType(f"docs_{name}")
    tests: list[Path] = []
    try:
        for block in blocks(name):
            if block["file"]:
                file = folder / block["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block["text"], "utf-8")
                tests += [file] if file.name.startswith("test_") else []
            elif block["language"] == "python":
                execute(name, block["text"], namespace)
            elif block["run"]:
                for line, expected in commands(block["text"]):
                    command(line, expected, capsys)
        sys.path.insert(0, str(folder / "mine"))
        for file in tests:
            own_tests(file)
    finally:
        for module in [name for name in sys.modules if name not in before]:
            file = getattr(sys.modules[module], "__file__", None) or ""
            if module.startswith("docs_") or file.startswith(str(folder)):
                del sys.modules[module]


@pytest.mark.parametrize("name", ORDER)
def test_every_block_says_what_it_is(name: str) -> None:
    found = blocks(name)
    assert {block["language"] for block in found} <= {"python", "toml", "jsonl", "console"}
    assert all(block["language"] == "console" for block in found if block["run"])
    for block in found:
        if block["language"] == "console":
            assert block["text"].startswith("$ ")


@pytest.mark.parametrize("name", ["solver", "grader", "tensor_merge", "structure_edit", "calibrated_merge"])
def test_a_page_of_an_interface_adds_a_method_of_four_files(name: str) -> None:
    files = sorted(Path(block["file"]).name for block in blocks(name) if block["file"])
    stem = next(file.removesuffix(".toml") for file in files if file.endswith(".toml"))
    assert files == sorted([f"{stem}.py", f"{stem}.toml", f"{stem}_claim.py", f"test_{stem}.py"])
    lines = [line for block in blocks(name) if block["run"] for line, _ in commands(block["text"])]
    assert any(line.startswith("calculemus list") and "--path mine" in line for line in lines)


def test_the_code_of_the_docs_is_formatted_as_ours_is(tmp_path: Path) -> None:
    for name in ORDER:
        code = [block["text"] for block in blocks(name) if block["language"] == "python"]
        for place, text in enumerate(code):
            (tmp_path / f"{name}_{place}.py").write_text(text, "utf-8")
    ruff = Path(sys.executable).with_name("ruff")
    checked = subprocess.run(
        [ruff, "format", "--diff", "--line-length", "110", tmp_path], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
