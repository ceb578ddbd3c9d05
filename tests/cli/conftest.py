"""A fake endpoint on loopback, and the command line as a process that can be interrupted and killed."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HTTP_TESTS = Path(__file__).parents[1] / "engine" / "http" / "conftest.py"
RUN = "import sys; from calculemus import cli; sys.argv = ['calculemus', *sys.argv[1:]]; cli.main()"
N = 40


def _load(path: Path) -> ModuleType:
    """Import a file of another folder of tests: test folders are no packages."""
    spec = importlib.util.spec_from_file_location(f"cli_tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


serve = _load(HTTP_TESTS).serve


@pytest.fixture
def command() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start the command line as a process, the leader of a group of its own, as under a shell."""
    running: list[subprocess.Popen[str]] = []

    def start(tokens: Sequence[object], **streams: Any) -> "subprocess.Popen[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *map(str, tokens)], text=True, start_new_session=True, **pipes
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the test, with a problem set of which the fake model solves some, and the store."""
    monkeypatch.setenv("CALCULEMUS_STORE", str(tmp_path / "store.db"))
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"p{i}", "question": f"What is {i} of {N}?", "answer": str(i % 10)} for i in range(N)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tmp_path
