"""``calculemus conform``: what it prints, and the status that it ends with."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from calculemus import cli

BROKEN = Path(__file__).parents[1] / "conformance" / "broken"
RUN = "import sys; from calculemus import cli; sys.argv = ['calculemus', *sys.argv[1:]]; cli.main()"


def test_a_method_that_conforms_is_listed_check_by_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["conform", "direct"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("it prints nothing"))
    assert line.split()[3:] == ["passed"]
    assert any(line.startswith("another seed gives another result") and "skipped" in line for line in lines)
    assert "direct conforms to Solver: " in lines[-2]


def test_a_method_that_does_not_conform_ends_with_status_1_and_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["conform", str(BROKEN / "overspends.py")]) == 1
    out = capsys.readouterr().out
    assert "told that it is spent, it asked for more" in out
    assert "Overspends does not conform to Solver: " in out
    assert "1 fail: it ends when its budget is spent" in out


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["conform", str(BROKEN / "stub_that_asks.py"), "--json"]) == 1
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["name"], record["interface"], record["ok"]) == ("StubThatAsks", "Solver", False)
    failed = [result["check"] for result in record["results"] if result["outcome"] == "failed"]
    assert failed == ["its_answer_comes_from_the_engine"]


@pytest.mark.slow
def test_an_expected_failure_is_shown_and_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["conform", "math_verify"]) == 0
    out = capsys.readouterr().out
    assert "units are dropped, as the public grader does" in out
    assert "1 fail as declared" in out


def test_a_name_that_nothing_has_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["conform", "vtoe"]) == 2
    assert (
        "there is no id, no grader profile and no path of that name; did you mean vote"
        in capsys.readouterr().err
    )


def stranger_in(folder: Path) -> Path:
    """Write the stranger's package of the conformance tests."""
    spec = importlib.util.spec_from_file_location("strangers", BROKEN.with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    package = folder / "strange_package"
    package.mkdir()
    (package / "halves.py").write_text(module.METHOD, "utf-8")
    (package / "halves.toml").write_text(module.CARD, "utf-8")
    (package / "halves_claim.py").write_text(module.CLAIM, "utf-8")
    return package


def conform(*tokens: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, "conform", *tokens], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_strangers_package_is_checked_where_it_lies(tmp_path: Path) -> None:
    folder = stranger_in(tmp_path)
    for tokens in (["strange_package"], ["halves", "--path", "strange_package/halves.toml"]):
        done = conform(*tokens, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "halves conforms to Solver" in done.stdout
    assert sorted(path.name for path in folder.glob("*.*")) == ["halves.py", "halves.toml", "halves_claim.py"]


@pytest.mark.slow
def test_a_folder_is_checked_method_by_method_and_one_that_fails_decides(tmp_path: Path) -> None:
    folder = stranger_in(tmp_path)
    card = (folder / "halves.toml").read_text("utf-8").replace('"halves"', '"thirds"', 1)
    (folder / "thirds.toml").write_text(card.replace(":Halves", ":Thirds"), "utf-8")
    done = conform(str(folder), "--json", cwd=tmp_path)
    assert [(record["name"], record["ok"]) for record in json.loads(done.stdout)] == [
        ("halves", True),
        ("thirds", False),
    ]
    assert done.returncode == 1
