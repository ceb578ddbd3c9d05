"""Where the scripts find the project, its command, and the files of GSM8K if they are here."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CALCULEMUS = str(Path(sys.executable).with_name("calculemus"))
TEST = "gsm8k/test.jsonl"
SOLUTIONS = "gsm8k/example_model_solutions.jsonl"


def places() -> list[Path]:
    """Return the folders to look in: the one that CALCULEMUS_DATA names, or else the usual two."""
    named = os.environ.get("CALCULEMUS_DATA")
    return [Path(named)] if named else [ROOT.parent / "shared" / "data", ROOT / "data"]


def find_data() -> Path | None:
    """Return the first folder that has both files; None where none has."""
    return next((place for place in places() if all((place / f).is_file() for f in (TEST, SOLUTIONS))), None)
