"""Results on disk: one SQLite file with the runs, their problems, answers and verdicts.

The room knows no systems, no graders and no terminal. Rows carry no clock: a run that was interrupted and
continued leaves the same rows as one that was not.
"""

from calculemus.store.connection import default_store_path
from calculemus.store.records import Overview, Run, RunDay, StoredAnswer, StoredRow, VerdictPair
from calculemus.store.store import Store

__all__ = [
    "Overview",
    "Run",
    "RunDay",
    "Store",
    "StoredAnswer",
    "StoredRow",
    "VerdictPair",
    "default_store_path",
]
