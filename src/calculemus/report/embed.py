"""Problems as compressed data inside the page: an index that is always read, and text read on demand.

Both kinds are JSON, gzipped and written in base64 into script elements that no browser executes. Nothing a
model wrote can end such an element, and a page of many problems opens without unpacking their texts.
"""

import base64
import gzip
import json
from typing import Any, BinaryIO

from calculemus.report.tally import Facts
from calculemus.study.comparison import ProblemView

TEXT_ROWS = 256  # problems in one chunk of text: small enough to open one at once
TEXT_CHARS = 1 << 20  # ... unless they are long
INDEX_ROWS = 8192
PREVIEW = 140  # characters of the question that the list shows

INDEX_COLUMNS = ("ids", "steps", "previews", "outcomes", "marks", "solved")


def json_for_html(value: Any) -> str:
    """Write JSON that stays JSON inside a script element, whatever its strings contain."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def unpack(text: str) -> Any:
    """Read back the content of one data element."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


class Embedder:
    """Writes problems to ``out`` as they come and holds only the current chunks.

    The text of a problem is ``[question, answer, solution, systems]``, where ``systems`` has for each
    system a list of samples ``[response, extracted, how, seconds]``.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._texts: list[str] = []
        self._chars = 0
        self._start = 0
        self._index: dict[str, list[Any]] = {column: [] for column in INDEX_COLUMNS}

    def add(self, view: ProblemView, facts: Facts) -> None:
        """Write one problem."""
        systems = [[[s.response, s.extracted, s.how, s.seconds] for s in graded] for graded in view.samples]
        text = json.dumps([view.question, view.answer, view.solution, systems], separators=(",", ":"))
        self._texts.append(text)
        self._chars += len(text)
        row = (view.id, view.steps, preview(view.question), facts.outcomes, facts.marks, facts.solved)
        for column, value in zip(INDEX_COLUMNS, row, strict=True):
            self._index[column].append(value)
        if len(self._texts) >= TEXT_ROWS or self._chars >= TEXT_CHARS:
            self._flush_text()
        if len(self._index["ids"]) >= INDEX_ROWS:
            self._flush_index()

    def finish(self) -> None:
        """Write what is left."""
        self._flush_text()
        self._flush_index()

    def _flush_text(self) -> None:
        if self._texts:
            rows = "[" + ",".join(self._texts) + "]"
            self._write(f'class="text" data-start="{self._start}"', rows)
            self._start += len(self._texts)
            self._texts, self._chars = [], 0

    def _flush_index(self) -> None:
        if self._index["ids"]:
            self._write('class="index"', json.dumps(self._index, separators=(",", ":")))
            self._index = {column: [] for column in INDEX_COLUMNS}

    def _write(self, attributes: str, text: str) -> None:
        # No time stamp: the same comparison gives the same file.
        packed = base64.b64encode(gzip.compress(text.encode("ascii"), compresslevel=6, mtime=0))
        self._out.write(f'<script type="application/octet-stream" {attributes}>'.encode())
        self._out.write(packed + b"</script>\n")


def preview(question: str) -> str:
    """Return the start of a question on one line."""
    line = " ".join(question[: 4 * PREVIEW].split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1].rstrip() + "…"
