"""Problems as compressed data inside the page: an index that is always read, and text read on demand.

Both kinds are JSON, gzipped and written in base64 into script elements that no browser executes. Nothing a
model wrote can end such an element, and a page of many problems opens without unpacking their texts.
"""

import base64
import gzip
import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from calculemus.report.tally import Facts
from calculemus.study.comparison import ProblemView, SampleView

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

    The text of a problem is ``[question, answer, solution, systems, prompts]``, where ``systems`` has for
    each system a list of samples ``[response, extracted, how, seconds, more]``. ``prompts`` and ``more`` are
    there where something is known; see ``_more``.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._texts: list[str] = []
        self._chars = 0
        self._start = 0
        self._index: dict[str, list[Any]] = {column: [] for column in INDEX_COLUMNS}

    def add(self, view: ProblemView, facts: Facts) -> None:
        """Write one problem."""
        systems = [[_sample(sample) for sample in graded] for graded in view.samples]
        problem: list[Any] = [view.question, view.answer, view.solution, systems]
        if view.prompts:
            problem.append(view.prompts)
        text = json.dumps(problem, separators=(",", ":"))
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


def _sample(sample: SampleView) -> list[Any]:
    row: list[Any] = [sample.response, sample.extracted, sample.how, sample.seconds]
    more = _more(sample)
    return [*row, more] if more else row


def _more(sample: SampleView) -> dict[str, Any]:
    """Return what only live systems know: failure, cost, whether it was cut short, and the trace.

    A node of the trace is ``[kind, text, parents, facts]``.
    """
    nodes = [[n.kind, n.text, n.parents, _facts(n.meta)] for n in sample.trace.nodes]
    more = {
        "failure": sample.failure,
        "truncated": sample.truncated,
        "cost": {name: value for name, value in sample.cost.items() if value},
        "trace": nodes,
    }
    return {name: value for name, value in more.items() if value}


def _facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a node, without figures that JSON does not have."""
    finite = {k: v for k, v in meta.items() if not (isinstance(v, float) and not math.isfinite(v))}
    return {name: value for name, value in finite.items() if value is not None}


def preview(question: str) -> str:
    """Return the start of a question on one line."""
    line = " ".join(question[: 4 * PREVIEW].split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1].rstrip() + "…"
