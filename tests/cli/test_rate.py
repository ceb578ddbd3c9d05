"""The column of a merge's bar that says how quick it is."""

from pathlib import Path

import pytest

from calculemus.cli.rate import UNIT, RateColumn
from calculemus.events import Event, Progress, listening
from calculemus.merging.executor import Executor
from calculemus.merging.preparing import prepare
from calculemus.merging.recipe import Input, MergeRecipe
from calculemus.tiny import MODEL


def test_the_bar_of_a_merge_says_gigabytes_a_second() -> None:
    from rich.progress import Progress as Display

    seconds = iter(range(100))
    display = Display(get_time=lambda: float(next(seconds)), disable=True)
    for name, expected in (("merging, MB", "GB/s"), ("answers", "")):
        number = display.add_task(name, total=9000)
        for done in (1000, 2000, 3000):
            display.update(number, completed=done)
        task = display.tasks[-1]
        assert task.speed
        rate = f"{task.speed / 1000:.2f} GB/s" if expected else ""
        assert RateColumn().render(task).plain == rate


def test_the_executor_counts_megabytes(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="merging needs the extra merge")
    heard: list[Event] = []
    with listening(heard.append):
        prepared = prepare(MergeRecipe("linear", (Input(str(MODEL)),)))
        Executor(1).merge(prepared.plan, tmp_path / "m")
    tasks = {event.task for event in heard if isinstance(event, Progress)}
    assert [task for task in tasks if task.endswith(UNIT)]
