"""The house style, as far as a machine can read it in files and in what an import costs."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = {".git", ".venv", "data", "demo", "dist", "build", "__pycache__"}
TEXTS = {".py", ".sh", ".md", ".toml", ".txt", ".json", ".jsonl", ".html", ".js", ".css", ".j2", ".tsv", ""}
HEAVY = ["torch", "transformers", "numpy", "scipy", "sympy", "math_verify", "pandas", "pyarrow"]

# Written in pieces, so that this file does not break its own rule.
WORKPLACE = [
    r"(?<![\w.])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "fa" + "rm"]) + r")/",
    "before" + "-stop",
    "shared/" + "hooks",
    "py" + r"pi\.org",
    "python" + "hosted",
    "index" + "[-_]url",
    "find" + "-links",
    r"https?://[\w.-]+\.(?:" + "inter" + "nal|lo" + r"cal|lan|corp)\b",
    r"https?://(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)\d",
]
NAMES_A_WORKPLACE = re.compile("|".join(WORKPLACE), re.IGNORECASE)


def our_files() -> Iterator[Path]:
    """Yield every text file of the project, hidden tool caches left out."""
    for top in sorted(ROOT.iterdir()):
        if top.name in NOT_OURS or "cache" in top.name or top.name == ".hypothesis":
            continue
        found = [top] if top.is_file() else sorted(top.rglob("*"))
        for file in found:
            if file.is_file() and file.suffix in TEXTS and not NOT_OURS & set(file.parts):
                yield file


def test_no_file_names_a_workplace_or_a_package_registry() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {match[0]}"
        for file in our_files()
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if (match := NAMES_A_WORKPLACE.search(line))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_banned"),
    [
        ("cd /wo" + "rk/main", True),
        ('open("/ro' + 'ot/x.json")', True),
        ("pip install --index" + "-url https://mirror", True),
        ("see https://py" + "pi.org/project/x", True),
        ("http:/" + "/10.0.0.3:8000/v1", True),
        ("https://x.inter" + "nal/simple", True),
        ("a frame/wo" + "rk/bench", False),
        ("https://github.com/openai/grade-school-math", False),
        ("http://localhost:8000/v1", False),
    ],
)
def test_the_search_for_workplaces_finds_them_and_leaves_others_alone(line: str, is_banned: bool) -> None:
    assert bool(NAMES_A_WORKPLACE.search(line)) is is_banned


def test_no_line_ends_in_blanks_and_every_file_ends_in_one_newline() -> None:
    others = (".min.js", "LICENSE", "tokenizer.json")  # written by other programs and people
    ours = [file for file in our_files() if not file.name.endswith(others)]
    texts = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in ours}
    blanks = [name for name, text in texts.items() if re.search(r"[ \t]+$", text, re.MULTILINE)]
    endings = [name for name, text in texts.items() if text and (text[-1] != "\n" or text.endswith("\n\n"))]
    assert (blanks, endings) == ([], [])


def test_every_data_file_of_the_package_parses() -> None:
    for file in sorted((ROOT / "src").rglob("*.toml")):
        tomllib.loads(file.read_text("utf-8"))
    for file in sorted((ROOT / "src").rglob("*.json")):
        json.loads(file.read_text("utf-8"))
    for file in sorted((ROOT / "src").rglob("*.jsonl")):
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        assert all(isinstance(row, dict) for row in rows), file


def loaded_after(code: str, *arguments: str) -> set[str]:
    """Run ``code`` in a fresh interpreter and return which heavy modules it loaded."""
    script = f"import sys\n{code}\nprint('loaded:', *[name for name in {HEAVY} if name in sys.modules])"
    run = [sys.executable, "-c", script, *arguments]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    return set(output.rpartition("loaded:")[2].split())


def test_the_check_of_imports_sees_what_is_loaded() -> None:
    assert loaded_after("import numpy") == {"numpy"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import calculemus") == set()


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_after("import calculemus.cli") == set()


ASK = """
from calculemus.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_asking_for_help_loads_nothing_heavy(argument: str) -> None:
    assert loaded_after(ASK, argument) == set()


def test_asking_for_help_with_a_command_loads_nothing_that_it_would_only_need_at_work() -> None:
    slow_to_load = {"torch", "transformers", "scipy", "sympy", "math_verify", "pandas", "pyarrow"}
    assert loaded_after(ASK, "compare", "--help") & slow_to_load == set()


def test_the_rooms_depend_on_each_other_one_way_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def settings() -> dict[str, dict]:
    """Return the tool sections of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]


def test_the_linter_keeps_every_family_of_rules_of_the_house() -> None:
    house = "E F W I B C4 C90 D DTZ NPY PERF PIE PT RET RUF SIM T20 TID UP"
    ruff = settings()["ruff"]
    assert set(house.split()) <= set(ruff["lint"]["select"])
    assert ruff["line-length"] == 110
    assert ruff["lint"]["mccabe"]["max-complexity"] <= 10


def test_a_warning_fails_the_suite_and_a_mark_must_be_declared() -> None:
    pytest_settings = settings()["pytest"]["ini_options"]
    assert pytest_settings["filterwarnings"][0] == "error"
    assert "--strict-markers" in pytest_settings["addopts"]


def test_every_extra_that_is_not_for_developers_is_in_all() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.findall(r"\w+", everything)[1:]) == set(extras) - {"all", "dev"}


def test_every_dependency_is_pinned_for_repeatable_builds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[^\w-]", entry)[0] for entries in lists for entry in entries} - {"calculemus"}
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert {name.lower().replace("_", "-") for name in names} - pinned == set()
