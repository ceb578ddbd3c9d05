"""What all tests share."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# pytest's workers set the width of their terminal, which would go on to every command that tests start.
os.environ.pop("COLUMNS", None)
# What a script starts in the background ignores the interrupt, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine is slow at times: slowness is measured in bench/, and fails no example. The examples are
# the same in every run; `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("calculemus", settings.get_profile("explore"), derandomize=True)
settings.load_profile("calculemus")


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
