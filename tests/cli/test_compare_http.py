"""``calculemus compare`` against an endpoint: interrupted, killed, gone on with, and refused in time."""

import json
import os
import pty
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calculemus import Rng, cli
from calculemus.store import Store

Run = Callable[..., Any]
SYSTEMS = ("cot:shots=1,max_tokens=20@", "vote:n=3,shots=1,max_tokens=20@")
N = 40
PROBLEM = re.compile(r"What is (\d+) of 40\?")


def tokens_of(server: Any, *more: object) -> list[object]:
    systems = [f"{system}{server.address}" for system in SYSTEMS]
    return ["compare", *systems, "--problems", "sums.jsonl", "--concurrency", 4, *more]


def asked(server: Any) -> list[str]:
    """The problems that the server was asked about, in order, each with how many samples were wanted."""
    found = []
    for body in server.bodies():
        text = body.get("prompt") or body.get("messages", [{"content": ""}])[-1]["content"]
        problem = PROBLEM.findall(text if isinstance(text, str) else "")
        if problem:
            found.append(f"p{problem[-1]} x{3 if body['temperature'] else 1}")
    return found


def slow_down(server: Any, seconds: float) -> None:
    """Answer one request after the other, each after so long; what probes the server is not slowed."""

    def wait(path: str, body: dict) -> None:
        if PROBLEM.search(json.dumps(body)):
            time.sleep(seconds)

    server.fault = wait


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the test's own limit ends what never comes."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in a minute"
        time.sleep(0.005)


def stored(folder: Path) -> dict[tuple[str, str, int], tuple[str | None, str | None]]:
    """What the store has: the answer to each problem by each system, and its failure."""
    path = folder / "store.db"
    if not path.exists():
        return {}
    with Store.open(path, readonly=True) as store:
        return {
            (run.name.partition("@")[0], row.problem_id, row.sample): (
                row.solution.answer,
                row.solution.failure,
            )
            for run in store.runs()
            for row in store.rows(run)
        }


def finished(folder: Path) -> set[str]:
    """What is stored, named as in ``asked``."""
    return {f"{problem} x{1 if name.startswith('cot') else 3}" for name, problem, _ in stored(folder)}


def table(out: str) -> list[dict[str, Any]]:
    """The figures of a comparison, without what depends on the clock or on the port."""
    keys = ("n", "correct", "accuracy", "ci_low", "ci_high", "unparsed", "errors")
    found = json.loads(out)
    deltas = [{k: pair[k] for k in ("delta", "p_value", "only_a", "only_b")} for pair in found["pairs"]]
    return [{key: system[key] for key in keys} for system in found["systems"]] + deltas


def test_an_endpoint_is_compared_in_a_table_and_nothing_is_drawn(
    folder: Path, serve: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    assert cli.run([str(token) for token in tokens_of(server)]) == 0
    out, err = capsys.readouterr()
    assert "40 problems, graded by default@1" in out
    assert all(f"{system}{server.address}" in out for system in SYSTEMS)
    assert all(line.startswith("note: ") for line in err.splitlines())
    assert set(asked(server)) == {f"p{i} x{k}" for i in range(N) for k in (1, 3)}
    server.seen.clear()
    assert cli.run([str(token) for token in tokens_of(server)]) == 0
    assert capsys.readouterr().out == out
    assert asked(server) == []


@pytest.mark.slow
def test_a_bar_is_drawn_where_stderr_is_a_terminal(folder: Path, serve: Run, command: Run) -> None:
    server = serve()
    slow_down(server, 0.02)
    terminal, other = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = command(tokens_of(server, "--json"), stderr=other, env=env)
    os.close(other)
    drawn = b""
    try:
        while chunk := os.read(terminal, 65536):
            drawn += chunk
    except OSError:  # the process has closed its end
        pass
    os.close(terminal)
    assert table(process.stdout.read())[0]["n"] == N
    assert process.wait() == 0
    assert b"answers of vote:n=3" in drawn  # the other one may be through before the first drawing
    assert re.search(rb"\d+/40", drawn)


def interrupt(process: Any) -> str:
    """Press Ctrl-C: every process of the group gets the signal."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    return err


@pytest.mark.slow
def test_ctrl_c_is_one_line_loses_nothing_and_the_same_command_goes_on(
    folder: Path, serve: Run, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    tokens = tokens_of(server, "--json")
    slow_down(server, 0.01)
    process = command(tokens)
    until(lambda: len(asked(server)) > N + 10)
    (line,) = [line for line in interrupt(process).splitlines() if not line.startswith("note: ")]
    assert line.startswith("interrupted: what was answered and graded so far is in the store")
    kept = finished(folder)
    # All that was asked is stored, but for what was in flight.
    assert len(set(asked(server)) - kept) <= 4
    assert len(kept) >= N
    server.seen.clear()
    slow_down(server, 0)
    assert cli.run([str(token) for token in tokens]) == 0
    assert not kept.intersection(asked(server))
    resumed = table(capsys.readouterr().out)
    (folder / "store.db").unlink()
    assert cli.run([str(token) for token in tokens]) == 0
    assert table(capsys.readouterr().out) == resumed


@pytest.mark.slow
def test_a_killed_comparison_ends_as_an_undisturbed_one_and_pays_for_no_row_twice(
    folder: Path, serve: Run, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    tokens = tokens_of(server, "--json")
    assert cli.run([str(token) for token in tokens]) == 0
    calm, calm_rows = table(capsys.readouterr().out), stored(folder)
    (folder / "store.db").unlink()
    slow_down(server, 0.01)
    killed_at = []
    for point in Rng(0, ("kill",)).generator().integers(1, 25, 5).tolist():
        server.seen.clear()
        kept = finished(folder)
        process = command(tokens)
        until(lambda point=point, process=process: len(asked(server)) > point or process.poll() is not None)
        process.kill()
        process.communicate()
        assert not kept.intersection(asked(server))
        killed_at.append(len(finished(folder)))
    assert any(0 < n < 2 * N for n in killed_at), "no kill fell into the comparison"
    server.seen.clear()
    kept = finished(folder)
    slow_down(server, 0)
    assert cli.run([str(token) for token in tokens]) == 0
    assert not kept.intersection(asked(server))
    assert table(capsys.readouterr().out) == calm
    assert stored(folder) == calm_rows


@pytest.mark.parametrize(
    ("system", "habits", "message"),
    [
        ("best_of_n:n=2@{}", {"logprobs": "none"}, "does not give log-probabilities"),
        ("best_of_n:n=2,scorer=value@{}", {}, "does not give 'Value' requests"),
        ("cot@{}x", {}, "fake"),
        ("mbr:n=2,temperature=0@{}", {}, "parameter 'temperature' is 0 with n=2"),
    ],
)
def test_what_an_endpoint_cannot_do_is_said_before_anything_is_asked(
    folder: Path,
    serve: Run,
    capsys: pytest.CaptureFixture[str],
    system: str,
    habits: dict[str, Any],
    message: str,
) -> None:
    server = serve(**habits)
    systems = [f"cot:max_tokens=20@{server.address}", system.format(server.address)]
    assert cli.run(["compare", *systems, "--problems", "sums.jsonl"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.splitlines()[-1].startswith("error: ")
    assert asked(server) == []


def test_a_dry_run_of_an_endpoint_leaves_open_what_only_the_server_knows(
    folder: Path, serve: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    assert cli.run([*map(str, tokens_of(server, "--dry-run", "--json"))]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [system["requests"] for system in found["systems"]] == [N, N]
    assert [system["tokens_out"] for system in found["systems"]] == [N * 20, 3 * N * 20]
    assert found["total"]["tokens_in"] is None
    assert asked(server) == []
    assert not (folder / "store.db").exists()
    assert cli.run([*map(str, tokens_of(server, "--dry-run"))]) == 0
    assert "A dash stands for what only the endpoint knows." in capsys.readouterr().out
