"""The room's door: what it names, and what it costs to open."""

import subprocess
import sys

from calculemus import stats


def test_every_public_name_is_there_and_documented():
    assert sorted(stats.__all__) == stats.__all__
    for name in stats.__all__:
        assert getattr(stats, name).__doc__


def test_scipy_is_imported_only_where_it_is_used():
    program = (
        "import sys; from calculemus import stats; stats.proportion(9, 10); stats.tango(1, 2, 9);"
        "assert not [m for m in sys.modules if m.startswith('scipy')];"
        "stats.mcnemar(1, 5); assert 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
