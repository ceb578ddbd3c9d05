"""``calculemus serve``: it says where it is, answers, ends with Ctrl-C, and is closed to others."""

import signal
import socket
import subprocess
import sys

import openai
import pytest

from calculemus import cli

START = "from calculemus.cli import main; main()"

pytest.importorskip("torch", reason="local models need the extra torch")


def test_a_method_on_the_shipped_model_is_served_until_ctrl_c() -> None:
    command = [sys.executable, "-c", START, "serve", "--solver", "vote:n=2", "--port", "0"]
    with subprocess.Popen([*command, "--rows", "8"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving vote:n=2@tiny at http://127.0.0.1:")
        client = openai.OpenAI(base_url=line.split()[3].rstrip(";"), api_key="none")
        question = "Tom has 3 apples. Tom buys 4 more apples. How many apples does Tom have?"
        reply = client.chat.completions.create(model="x", messages=[{"role": "user", "content": question}])
        assert "#### 7" in (reply.choices[0].message.content or "")
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_it_is_not_open_to_others_without_a_key(host, capsys) -> None:
    assert cli.run(["serve", "--host", host, "--port", "0"]) != 0
    assert "there is no key" in capsys.readouterr().err


def test_a_port_in_use_is_told_before_a_model_is_loaded(capsys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert cli.run(["serve", "--port", str(taken.getsockname()[1]), "--model", "/nowhere"]) != 0
    assert "expected an address of this machine and a free port" in capsys.readouterr().err


def test_a_method_that_the_model_cannot_serve_is_refused(capsys) -> None:
    assert cli.run(["serve", "--port", "0", "--solver", "best_of_n:scorer=value", "--rows", "8"]) != 0
    assert "scoring by 'value'" in capsys.readouterr().err
