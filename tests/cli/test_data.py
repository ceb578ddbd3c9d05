"""``calculemus data``: what it prints, and the status it ends with."""

import json

import pytest

from calculemus.cli import run
from calculemus.problems.sources import NAMED


@pytest.fixture
def wrong(tmp_path):
    path = tmp_path / "p.jsonl"
    rows = [{"question": f"q{i}", "answer": "a <<2+2=5>>5\n#### 5"} for i in range(25)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def out(capsys, *tokens):
    assert run(["data", *tokens]) == 0
    return capsys.readouterr().out


def test_verify_prints_the_facts_of_a_real_set(capsys, data_dir):
    text = out(capsys, "verify", "gsm8k:test", "--data", str(data_dir))
    lines = {tuple(line.rsplit(maxsplit=1)) for line in text.splitlines() if line.strip()}
    assert ("problems", "1,319") in lines
    assert ("annotations: right", "4,282") in lines
    assert ("annotations: last is not the answer", "93") in lines
    assert ("wrong:", "nothing") in lines


def test_verify_prints_the_same_facts_as_json(capsys, data_dir):
    value = json.loads(out(capsys, "verify", "gsm8k:test", "--json", "--data", str(data_dir)))
    assert value["rows"] == 1319
    assert value["facts"]["annotations"]["total"] == 4282
    assert value["is_sound"] is True


def test_verify_lists_corrections_with_their_reason(capsys, tmp_path):
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "train.jsonl").write_text('{"question": "q", "answer": "#### 5"}', "utf-8")
    text = out(capsys, "verify", "gsm8k:train", "--data", str(tmp_path))
    assert "gsm8k:train/7401: 10850 -> 10750. " in text
    assert "gsm8k:train/657: 730 -> 730, 7:30" in text
    assert "gsm8k:train/1342: 885,000 -> 531000. " in text


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_verify_ends_with_status_1_where_something_is_wrong(capsys, wrong, flags):
    with pytest.raises(SystemExit) as info:
        run(["data", "verify", wrong, *flags])
    assert info.value.code == 1
    text = capsys.readouterr().out
    assert "<<2+2=5>>" in text
    if flags:
        assert len(json.loads(text)["wrong"]) == 25
    else:
        assert text.count("<<2+2=5>>") == 20
        assert "and 5 more" in text


def test_show_prints_the_first_problems(capsys, wrong):
    assert out(capsys, "show", wrong, "--n", "2").splitlines() == [
        "p/0  ->  5",
        "q0",
        "solution:",
        "    a <<2+2=5>>5",
        "    #### 5",
        "steps: 1",
        "annotations: 1",
        "",
        "p/1  ->  5",
        "q1",
        "solution:",
        "    a <<2+2=5>>5",
        "    #### 5",
        "steps: 1",
        "annotations: 1",
    ]


def test_show_prints_three_problems_by_default_and_json_on_demand(capsys, wrong):
    rows = json.loads(out(capsys, "show", wrong, "--json"))
    assert [(row["id"], row["answer"]) for row in rows] == [(f"p/{i}", "5") for i in range(3)]


def test_show_applies_corrections_on_demand(capsys, data_dir):
    tokens = ["show", "gsm8k:train", "--n", "168", "--json", "--data", str(data_dir)]
    assert json.loads(out(capsys, *tokens))[167]["answer"] == "1920"
    assert json.loads(out(capsys, *tokens, "--corrected"))[167]["answer"] == "19200"


def test_list_names_every_set_and_where_it_would_be_read_from(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("CALCULEMUS_DATA", raising=False)
    (tmp_path / "gsm_hard").mkdir()
    (tmp_path / "gsm_hard" / "gsmhardv2.jsonl").touch()
    rows = json.loads(out(capsys, "list", "--json", "--data", str(tmp_path)))
    places = {row["name"]: row["read_from"] for row in rows}
    assert list(places) == list(NAMED)
    assert places["gsm_hard"] == str(tmp_path / "gsm_hard" / "gsmhardv2.jsonl")
    assert places["gsm8k:test"] == "hub:openai/gsm8k:main:test"
    text = out(capsys, "list")
    assert all(name in text for name in NAMED)


@pytest.mark.parametrize(
    "tokens",
    [["verify", "nosuch"], ["show", "nosuch"], ["show", "gsm8k", "--n", "0"], ["list", "--data", "/nowhere"]],
)
def test_errors_are_one_message_on_stderr_and_status_2(capsys, tokens):
    assert run(["data", *tokens]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
