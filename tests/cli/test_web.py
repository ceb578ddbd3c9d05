"""``calculemus web``: it says where it is, ends with Ctrl-C, is closed to others, and writes files."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from calculemus import cli

START = "from calculemus.cli import main; main()"

pytest.importorskip("starlette", reason="the web needs the extra web")


@contextmanager
def started(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; yield its process and the address that it says."""
    command = [sys.executable, "-u", "-c", START, "web", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[0]
        finally:
            process.kill()


def test_it_is_shown_until_ctrl_c(tmp_path: Path) -> None:
    with started("--store", str(tmp_path / "store.db")) as (process, address):
        assert "The atlas" in httpx.get(address).text
        process.send_signal(signal.SIGINT)
        assert process.wait(40) in (0, 130, -signal.SIGINT)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_it_is_not_open_to_others_without_being_told(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["web", "--host", host, "--port", "0", "--token", "secret"]) == 2
    assert "--beyond-this-machine" in capsys.readouterr().err


@pytest.mark.parametrize("given", [(), ("--token", "")])
def test_open_to_others_it_always_has_a_token(given: tuple[str, ...], tmp_path: Path) -> None:
    flags = ("--host", "0.0.0.0", "--beyond-this-machine", "--store", str(tmp_path / "store.db"))
    with started(*flags, *given) as (_, said):
        found = re.search(r":(\d+)/\?token=(\S{20,})", said)
        assert found is not None
        address = f"http://127.0.0.1:{found[1]}/"
        for headers in (
            {},
            {"authorization": "Bearer"},
            {"cookie": "calculemus_token="},
        ):
            assert httpx.get(address, headers=headers).status_code == 401
        assert httpx.get(address, headers={"authorization": f"Bearer {found[2]}"}).status_code == 200


def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert cli.run(["web", "--port", str(taken.getsockname()[1])]) == 2
    assert "free port" in capsys.readouterr().err


def test_all_pages_are_written_to_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["web", "--export", str(tmp_path / "site"), "--store", str(tmp_path / "none.db")]) == 0
    assert "index.html" in capsys.readouterr().out
    assert (tmp_path / "site" / "systems" / "ties.html").is_file()


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.run(["web", "--export", str(tmp_path), "--store", str(tmp_path / "none.db")]) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
