"""README and its kin: figures written by commands, links that lead somewhere, a tree that is the real one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, "scripts/readme.py", "--check"]
    return subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["help", "compare"])
def test_a_block_of_figures_holds_the_output_of_its_command(name: str) -> None:
    marked = rf"<!-- figures:{name} -->\n```console\n\$ calculemus .+?\n```\n<!-- end -->"
    block = re.search(marked, README, re.DOTALL)
    assert block, f"README.md has no figures between the marks of '{name}': make readme"


@pytest.mark.slow
def test_the_figures_are_what_the_commands_print_today(data_dir: Path) -> None:
    done = check({**os.environ, "CALCULEMUS_DATA": str(data_dir)})
    assert done.returncode == 0, done.stderr


def test_without_data_the_help_alone_is_compared(tmp_path: Path) -> None:
    done = check({**os.environ, "CALCULEMUS_DATA": str(tmp_path)})
    assert done.returncode == 0, done.stderr


def test_the_example_shows_the_published_number_of_right_answers() -> None:
    example = README.partition("<!-- figures:compare -->")[2].partition("<!-- end -->")[0]
    for accuracy in ("21.7", "39.0", "34.7", "56.3"):
        assert accuracy in example


def test_every_module_and_room_stands_in_the_tree_and_the_tree_names_no_other() -> None:
    tree = README.partition("src/calculemus/\n")[2].partition("```")[0]
    inside, _, _ = tree.partition("tests/")
    drawn = set(re.findall(r"\w+(?:\.py|/)", "\n".join(line[:40] for line in inside.splitlines())))
    entries = [entry for entry in (ROOT / "src" / "calculemus").iterdir() if not entry.name.startswith("_")]
    real = {entry.name + "/" * entry.is_dir() for entry in entries if entry.suffix in ("", ".py")}
    assert drawn == real


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_heading(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    headings = {re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-") for line in text.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_every_make_target_that_the_pages_name_exists_and_every_target_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) - {"help", "clean"}
    text = "".join((ROOT / page).read_text("utf-8") for page in PAGES)
    assert set(re.findall(r"[`$] ?make ([a-z]+)\b", text)) == targets
