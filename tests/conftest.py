"""What all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: CALCULEMUS_DATA, or shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CALCULEMUS_DATA", beside))
    if not (folder / "gsm8k" / "test.jsonl").exists():
        pytest.skip(
            f"no real data in {folder}: set CALCULEMUS_DATA to a folder with gsm8k/, mgsm/, gsm_hard/"
        )
    return folder
