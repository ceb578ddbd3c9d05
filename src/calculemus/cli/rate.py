"""The column of a progress bar that says how many bytes a second are done."""

from rich.progress import ProgressColumn, Task
from rich.text import Text

UNIT = ", MB"
"""How the name of a task ends that counts megabytes."""


class RateColumn(ProgressColumn):
    """Shows gigabytes a second of tasks that count megabytes, and nothing of others."""

    def render(self, task: Task) -> Text:
        """Return the rate of a task."""
        if not task.description.endswith(UNIT) or not task.speed:
            return Text("")
        return Text(f"{task.speed / 1000:.2f} GB/s", style="progress.data.speed")
