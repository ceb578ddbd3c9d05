"""``calculemus feed import``: what it prints, writes and refuses."""

import json
from pathlib import Path

import pytest

from calculemus.cli import run

OURS = Path(__file__).parents[1] / "feed" / "page.txt"
SAVED = ("--saved", "2025-03-10")


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch) -> Path:
    """A user without cards and results."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALCULEMUS_CARDS", raising=False)
    monkeypatch.delenv("CALCULEMUS_STORE", raising=False)
    return tmp_path / "home" / "calculemus" / "cards"


def out(capsys, *tokens) -> str:
    assert run(["feed", "import", *map(str, tokens)]) == 0
    return capsys.readouterr().out


def test_new_papers_are_listed_and_written_and_covered_the_next_time(capsys, user_folder) -> None:
    text = out(capsys, OURS, *SAVED)
    assert "6 papers on the page of 2025-03-03: 0 covered, 0 probably covered, 6 new" in text
    assert f"A planned card was written for each new one, in {user_folder}" in text
    rows = [line.split()[:2] for line in text.splitlines()]
    assert ["proofs_columns", "proving"] in rows
    text = out(capsys, OURS, *SAVED)
    assert "6 covered, 0 probably covered, 0 new" in text
    assert ["proofs_columns", "planned"] in [line.split()[:2] for line in text.splitlines()]
    assert "written" not in text


def test_a_dry_run_writes_nothing(capsys, tmp_path) -> None:
    assert "A planned card would be written" in out(capsys, OURS, "--dry-run", *SAVED)
    assert list(tmp_path.iterdir()) == []


def test_json_has_the_same_for_machines(capsys, tmp_path, monkeypatch) -> None:
    text = OURS.read_text("utf-8").replace("Rounding Without Regret", "PAL: Program aided language models")
    text = text.replace("Proofs by Columns", "AdaMerging: Adaptive Models Merging for Multi-Task Learning")
    page = tmp_path / "page.txt"
    page.write_text(text, "utf-8")
    record = json.loads(out(capsys, page, "--json", "--cards", tmp_path / "cards", *SAVED))
    assert (record["page_date"], record["n_entries"], record["is_written"]) == ("2025-03-03", 6, True)
    (covered,) = record["covered"]
    assert (covered["id"], covered["how"], covered["likeness"]) == ("pal", "title", 1.0)
    built = ("built", "claim holds", "claim does not hold", "undecided")
    assert covered["status"] in built
    (probably,) = record["probably_covered"]
    assert probably["id"] == "adamerging"
    assert probably["status"] in built
    assert 0.9 <= probably["likeness"] < 1
    assert [new["id"] for new in record["new"]][:2] == ["abacus_routing", "carry_memory_what"]
    assert all(Path(new["path"]).is_file() for new in record["new"])
    assert {new["date"] for new in record["new"]} == {"2025-02-28", "2024-12-30", "2025-03-01", "2023-05-09"}


def test_a_likely_paper_is_shown_beside_the_title_of_its_card(capsys, tmp_path) -> None:
    text = OURS.read_text("utf-8").replace(
        "Proofs by Columns", "AdaMerging: Adaptive Models Merging for Multi-Task Learning"
    )
    page = tmp_path / "page.txt"
    page.write_text(text, "utf-8")
    shown = out(capsys, page, *SAVED)
    assert "1 probably covered, 5 new" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("adamerging")]
    assert "Adaptive Models Merging" in line
    assert "Adaptive Model Merging" in line


@pytest.mark.parametrize(("name", "n_papers"), [("arithmetic", 101), ("gsm8k", 51)])
def test_the_real_pages_are_covered_in_full(capsys, data_dir, name, n_papers) -> None:
    page = data_dir.parent / "feed" / f"{name}.txt"
    if not page.is_file():
        pytest.skip(f"no real feed page at {page}")
    record = json.loads(out(capsys, page, "--json"))
    assert record["n_entries"] == len(record["covered"]) == n_papers
    assert record["new"] == record["probably_covered"] == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "the file is empty"),
        (b"Title: Sums\n\nAuthors: A. B.\n", "found 2 paragraphs"),
        (b"\0\1\2", "found binary data"),
    ],
)
def test_what_is_no_feed_page_is_one_message_and_the_catalog_still_works(
    capsys, tmp_path, content, told
) -> None:
    page = tmp_path / "page.txt"
    if content is not None:
        page.write_bytes(content)
    assert run(["feed", "import", str(page)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: reading the feed page {page}: ")
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert run(["list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 144


def test_a_broken_card_beside_the_new_ones_is_told_and_stops_nothing(capsys, user_folder) -> None:
    user_folder.mkdir(parents=True)
    (user_folder / "broken.toml").write_text("id = ")
    assert run(["feed", "import", str(OURS), *SAVED]) == 0
    captured = capsys.readouterr()
    assert "6 new" in captured.out
    assert captured.err.count("broken.toml") == 1


def test_help_names_the_options(capsys) -> None:
    assert run(["feed", "import", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("PAGE", "--cards", "--dry-run", "--saved", "--json"))
