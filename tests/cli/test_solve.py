"""``calculemus solve``: one question, the trace as it grows, the answer, the cost."""

import json
from pathlib import Path
from typing import Any

import pytest

from calculemus import cli

pytest.importorskip("torch", reason="local models need the extra torch")

QUESTION = "Tom has 3 apples. Tom buys 4 more apples. How many apples does Tom have?"
SMALL = ("--rows", "8")


def solve(*tokens: str) -> int:
    return cli.run(["solve", *tokens, *SMALL])


def solve_json(capsys: pytest.CaptureFixture[str], *tokens: str) -> dict[str, Any]:
    assert solve(*tokens, "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_the_steps_come_first_then_the_answer_then_the_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(QUESTION, "--solver", "pal") == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "[0] code"
    assert lines[1] == "def solution():"
    assert "[1] output after 0" in lines
    assert lines[-2] == "answer: 7"
    assert lines[-1].startswith("cost: tokens_in ")
    assert "flops" in lines[-1]


def test_the_answer_of_a_chain_is_what_the_grader_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(QUESTION) == 0
    out = capsys.readouterr().out
    assert "3 + 4 =" in out
    assert "\nanswer: 7\n" in out


def test_json_has_the_whole_solution_and_prints_no_steps(capsys: pytest.CaptureFixture[str]) -> None:
    found = solve_json(capsys, QUESTION, "--solver", "vote:n=3", "--seed", "5")
    assert found["answer"].rstrip().endswith("7")
    assert (found["extracted"], found["truncated"], found["failure"]) == ("7", False, None)
    assert [node["kind"] for node in found["trace"]] == ["completion"] * 3
    assert found["cost"]["tokens_out"] > 0
    same = solve_json(capsys, QUESTION, "--solver", "vote:n=3", "--seed", "5")
    assert same["trace"] == found["trace"]
    other = solve_json(capsys, QUESTION, "--solver", "vote:n=3,temperature=2", "--seed", "6")
    assert other["trace"] != found["trace"]


def test_the_trace_can_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.json"
    found = solve_json(capsys, QUESTION, "--solver", "pal", "--trace-out", str(path))
    assert json.loads(path.read_text("utf-8")) == found["trace"]


def test_a_limit_that_is_too_small_for_a_whole_answer_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(QUESTION, "--solver", "cot:max_tokens=5") == 0
    out = capsys.readouterr().out
    assert "a limit cut it short" in out
    assert solve_json(capsys, QUESTION, "--solver", "cot:max_tokens=5")["truncated"] is True


def test_a_method_that_fails_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("P: P: P:", "--solver", "pal:max_tokens=3") == 0
    out = capsys.readouterr().out
    assert "no answer: " in out


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ((), "parameter QUESTION requires an argument"),
        ((QUESTION, "--solver", "cott"), "there is no 'cott'; did you mean cot?"),
        ((QUESTION, "--solver", "tot"), "tot@tiny: the method asks with the prompts"),
        ((QUESTION, "--solver", "vote:n=2,temperature=0"), "parameter 'temperature' is 0 with n=2"),
        ((QUESTION, "--model", "tinny"), "did you mean tiny?"),
        ((QUESTION, "--tokens", "5"), "the budget is too small for its first requests"),
        ((QUESTION * 60,), "tiny takes 512 with the completion"),
        ((QUESTION, "--tier", "huge"), 'Choose from: "mini", "std", "sci"'),
        ((QUESTION, "--trace-out", "none/trace.json"), "none/trace.json"),
    ],
)
def test_a_wrong_call_is_one_line_on_stderr(
    capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...], message: str
) -> None:
    assert solve(*tokens) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_endpoint_solves_too(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server = serve()
    tokens = ["solve", "What is 3 of 4?", "--solver", "cot:max_tokens=9", "--model", server.address]
    assert cli.run(tokens) == 0
    out = capsys.readouterr().out
    assert out.startswith("[0] completion\n")
    assert "tokens_out" in out.splitlines()[-1]
    assert any("What is 3 of 4?" in json.dumps(body) for body in server.bodies())


def test_the_key_of_an_endpoint_comes_from_the_environment_and_is_never_shown(
    serve: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(key="secret-7")
    tokens = ["solve", "What is 3 of 4?", "--solver", "cot:max_tokens=9", "--model", server.address]
    assert cli.run([*tokens, "--key", "wrong-key"]) == 2
    assert "wrong-key" not in "".join(capsys.readouterr())
    monkeypatch.setenv("CALCULEMUS_API_KEY", "secret-7")
    assert cli.run(tokens) == 0
    assert "secret-7" not in "".join(capsys.readouterr())
