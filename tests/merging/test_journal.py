"""The journal of a merge: what it remembers, and what makes it forget."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calculemus.errors import OutputError
from calculemus.merging import journal as module
from calculemus.merging.journal import NAME, Journal


def begin(folder: Path, digest: str = "a", *names: str) -> None:
    journal = Journal(folder, digest)
    journal.restart()
    for name in names:
        journal.add(name)
    journal.close()


def reopen(folder: Path, digest: str = "a") -> tuple[bool, set[str]]:
    journal = Journal(folder, digest)
    journal.close()
    return journal.is_same, journal.done


def test_it_remembers_what_was_written(tmp_path: Path) -> None:
    assert reopen(tmp_path) == (False, set())
    begin(tmp_path, "a", "x", 'y "\n ü')
    assert reopen(tmp_path) == (True, {"x", 'y "\n ü'})


def test_that_of_another_merge_counts_for_nothing(tmp_path: Path) -> None:
    begin(tmp_path, "a", "x")
    assert reopen(tmp_path, "b") == (False, set())


def test_that_of_an_earlier_start_of_the_machine_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot"
    boot.write_text("one\n")
    monkeypatch.setattr(module, "_BOOT", boot)
    begin(tmp_path, "a", "x")
    assert reopen(tmp_path) == (True, {"x"})
    boot.write_text("two\n")
    assert reopen(tmp_path) == (False, set())


def test_a_line_cut_off_anywhere_is_forgotten_and_the_next_ones_are_not(tmp_path: Path) -> None:
    begin(tmp_path, "a", "first", "second")
    path = tmp_path / NAME
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for n_bytes in range(len(whole)):
        path.write_bytes(whole[:n_bytes])
        n_whole = sum(len(b"".join(lines[: i + 1])) <= n_bytes for i in range(3))
        expected = (
            n_whole > 0,
            {"first", "second"} if n_whole == 3 else {"first"} if n_whole == 2 else set(),
        )
        journal = Journal(tmp_path, "a")
        assert (journal.is_same, journal.done) == expected
        if journal.is_same:
            journal.add("third")
            journal.close()
            assert reopen(tmp_path) == (True, expected[1] | {"third"})
        else:
            journal.close()


@pytest.mark.parametrize("text", ["", "\n", "{\n", "[]\n", "\x00\xff\n", '{"merge":"a"}\n'])
def test_any_other_text_counts_for_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    assert reopen(tmp_path) == (False, set())


def test_two_processes_cannot_merge_into_one_folder(tmp_path: Path) -> None:
    code = "import sys; from calculemus.merging.journal import Journal; from pathlib import Path\n"
    code += "Journal(Path(sys.argv[1]), 'a'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(OutputError, match="another process is merging into it"):
            Journal(tmp_path, "a")
        other.communicate("")
    assert reopen(tmp_path) == (False, set())


def test_its_lines_are_json(tmp_path: Path) -> None:
    begin(tmp_path, "digest", "x")
    head, line = [json.loads(text) for text in (tmp_path / NAME).read_text().splitlines()]
    assert head["merge"] == "digest"
    assert line == {"done": "x"}
