"""The command line itself: start-up, errors, interrupts, notes and progress."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import pytest

import calculemus
from calculemus import cli, events, stats
from calculemus.cli import progress
from calculemus.errors import CalculemusError
from calculemus.events import Note, Progress

HEAVY = ("torch", "transformers", "numpy", "scipy", "sympy", "math_verify", "jinja2", "pyarrow")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
RUN = "import sys; from calculemus import cli; sys.argv = ['calculemus', *sys.argv[1:]]; cli.main()"


COMMANDS = (
    *("compare", "solve", "grade", "data", "runs", "show", "diff", "regrade", "export", "power"),
    *("tune-prompt", "profile-models"),
    *("list", "search", "describe", "claim", "conform", "feed"),
)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_imports_nothing_heavy_and_lists_every_command() -> None:
    code = "import sys; from calculemus import cli; cli.run(['--help']); sys.exit(','.join(sys.modules))"
    done = python(code)
    imported = done.stderr.strip().split(",")
    assert "calculemus.cli" in imported
    assert [module for module in HEAVY if module in imported] == []
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([command, "--help"]) == 0
    assert f"Usage: calculemus {command}" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"calculemus {calculemus.__version__}\n"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["comprae"], 'error: Unknown command "comprae". Did you mean "compare"?'),
        (["compare", "--problem", "x"], "error: Unknown option: --problem. Did you mean --problems?"),
        (["power", "--n", "many"], 'error: Invalid value for --n: unable to convert "many" into int.'),
        (["power"], "error: computing power: neither --gain nor --n is given; expected one of them"),
        (["power", "--n", "9", "--gain", "2"], "error: computing power: both --gain and --n is given"),
        (["power", "--n", "0"], "error: visible_gain: the number of problems is 0; expected at least 1"),
    ],
)
def test_what_cannot_be_done_is_one_line_on_stderr_and_status_2(
    tokens: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(tokens) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_power_asks_for_problems_or_for_a_gain(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["power", "--gain", "2", "--discordance", "0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == stats.problems_needed(0.02, 0.1)
    assert cli.run(["power", "--n", "1319", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gain"] == pytest.approx(stats.visible_gain(1319, 0.1))
    assert cli.run(["power", "--n", "1319"]) == 0
    assert capsys.readouterr().out.startswith("1,319 problems show a gain of 2.4 points, with 80 % power")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Put a function in the place of the commands ``power`` and ``compare``."""

    def put(function: Callable[[], None]) -> None:
        def called(tokens: list[str], **_: object) -> None:
            function()

        monkeypatch.setattr(cli, "app", called)

    return put


def test_an_error_and_its_notes_go_to_stderr(
    command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        events.note("two rows were left out")
        raise CalculemusError("reading 'x': it is torn")

    command(fails)
    assert cli.run(["compare"]) == 2
    assert capsys.readouterr() == ("", "note: two rows were left out\nerror: reading 'x': it is torn\n")


@pytest.mark.parametrize(
    ("name", "says"), [("compare", "in the store, and the same command goes on"), ("power", "")]
)
def test_an_interrupt_ends_with_status_130_and_says_what_is_kept(
    command: Callable[[Callable[[], None]], None], capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    command(interrupted)
    assert cli.run([name]) == 130
    err = capsys.readouterr().err
    assert err.startswith("interrupted")
    assert says in err


def test_an_interrupted_process_ends_with_status_130(tmp_path: Path) -> None:
    fifo = tmp_path / "never.jsonl"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "compare", "recorded:x", "--problems", str(fifo)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with fifo.open("w"):  # returns when the command has the other end open
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.startswith("interrupted: what was answered")


def test_output_that_nobody_reads_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "power", "--n", "9"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_text_that_the_terminal_cannot_encode_is_printed_with_a_mark() -> None:
    code = "import sys; from calculemus import cli; cli.run = lambda _: print('\\u2212'); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"?\n")


@pytest.mark.parametrize(("given", "found"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_wants_otherwise(given: dict[str, str], found: str) -> None:
    code = "import os; from calculemus import cli; cli.run = lambda _: print(os.environ['OMP_WAIT_POLICY'])"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    command = [sys.executable, "-c", f"{code}; cli.main()"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == found


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_bar_appears_after_a_second_and_goes_with_its_task(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with redirect_stderr(terminal), progress.drawing():
        events.emit(Progress("grading", 0, 10))
        clock.now += 0.9
        events.emit(Progress("grading", 4, 10))
        assert terminal.getvalue() == ""
        clock.now += 0.2
        events.emit(Progress("grading", 5, 10))
        events.emit(Note("between"))
        clock.now += 0.2
        events.emit(Progress("grading", 7, 10))
        events.emit(Note("later"))
        events.emit(Progress("grading", 10, 10, finished=True))
        drawn = terminal.getvalue()
        events.emit(Note("after"))
    assert "grading" in drawn
    assert drawn.index("5/10") < drawn.index("7/10")
    assert "note: between" in drawn
    assert terminal.getvalue().endswith("note: after\n")


def test_a_task_that_starts_again_is_patient_again(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with redirect_stderr(terminal), progress.drawing():
        for _ in range(5):
            events.emit(Progress("grading", 0, 10))
            clock.now += 0.5
            events.emit(Progress("grading", 10, 10, finished=True))
    assert terminal.getvalue() == ""


def test_bars_of_a_task_that_fails_are_taken_away(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)

    def fail() -> None:
        for task in ("a", "b"):
            events.emit(Progress(task, 0, None))
            clock.now += 2
            events.emit(Progress(task, 1, None))
        events.emit(Progress("a", 2, None, finished=True))
        raise ZeroDivisionError

    with redirect_stderr(terminal), pytest.raises(ZeroDivisionError), progress.drawing():
        fail()
    before, _, after = terminal.getvalue().rpartition(SHOW_CURSOR)
    assert HIDE_CURSOR in before
    assert "b" not in after


def test_nothing_is_drawn_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with progress.drawing():
        events.emit(Progress("grading", 0, 10))
        clock.now += 5
        events.emit(Progress("grading", 5, 10))
    assert capsys.readouterr() == ("", "")
