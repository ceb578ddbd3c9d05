"""Jobs in the engine: which rows each consists of, and what its reply is made of."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.base import Job
from calculemus.engine.requests import Completion, Embed, Prefix, Sample, Score, Scored, Value
from calculemus.engine.torch_engine.heads import ValueHead
from calculemus.engine.torch_engine.tally import Tally
from calculemus.engine.torch_engine.text import Cut, Encoded, Texts

Ids = NDArray[np.int64]


@dataclass(eq=False, slots=True)
class Row:
    """One row of a job.

    Attributes:
        work: Its job.
        index: Which of the job's rows.
        ids: The tokens that are given.
        n_run: How many of them run before the row is finished or decodes; a row that samples leaves its last
            one to the first decoding step.
        room: Most tokens that it will ever have.
        wanted: First token whose hidden state the job looks at; ``n_run`` where it looks at none.
        scored: First token whose logits it wants; ``n_run`` where none.
        n_cached: Tokens whose keys and values were there already.
        start: First token that runs.
        lane: Its lane while it is in flight.
    """

    work: "Work"
    index: int
    ids: Ids
    n_run: int
    room: int
    wanted: int
    scored: int
    n_cached: int = 0
    start: int = 0
    lane: int = -1

    @property
    def n_unseen(self) -> int:
        """Tokens before the first one that the job looks at or goes on from."""
        return min(self.n_run, self.wanted, self.scored)


class Work(ABC):
    """A job on its way.

    Attributes:
        job: What is asked.
        rows: Its rows.
        replies: What each has come to; None before that.
        n_left: Rows that are not finished.
        tally: What it has cost.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rows: list[Row] = []
        self.replies: list[Any] = []
        self.n_left = 0
        self.tally = Tally()

    def _add(self, ids: tuple[int, ...], n_run: int, room: int, wanted: int, scored: int) -> None:
        array = np.array(ids, np.int64)
        self.rows.append(Row(self, len(self.rows), array, n_run, room, wanted, scored))
        self.replies.append(None)
        self.n_left += 1

    @property
    def longest(self) -> int:
        """Most tokens of any row as given."""
        return max((len(row.ids) for row in self.rows), default=0)

    @abstractmethod
    def take_hidden(self, row: Row, hidden_states: Tensor) -> None:
        """Take the last hidden states of a row's next tokens from ``wanted`` on."""

    @abstractmethod
    def take_logprobs(self, row: Row, logprobs: NDArray[np.float32]) -> None:
        """Take the log-probabilities of the tokens behind the row's next ones from ``scored`` on."""

    @abstractmethod
    def finish(self, row: Row) -> None:
        """Make the reply of a row of which all tokens have run."""


class SampleWork(Work):
    """Rows that sample.

    Attributes:
        prompt: What they continue.
        request: How.
    """

    def __init__(self, job: Job, request: Sample, texts: Texts, context: int) -> None:
        super().__init__(job)
        self.request = request
        self.prompt: Encoded = texts.encode(request.prompt)
        n = len(self.prompt.ids)
        room = min(n + request.sampling.max_tokens, context)
        for _ in range(request.n):
            self._add(self.prompt.ids, n - 1, room, n - 1, n - 1)

    def take_hidden(self, row: Row, hidden_states: Tensor) -> None:
        """Look at none."""

    def take_logprobs(self, row: Row, logprobs: NDArray[np.float32]) -> None:
        """Score none."""

    def finish(self, row: Row) -> None:
        """Do nothing: a row that samples is completed."""

    def complete(
        self, row: Row, texts: Texts, ids: Ids, logprobs: NDArray[np.float32], cut: Cut | None
    ) -> None:
        """Make a row's completion of its sampled tokens, and of where a stop text ended them."""
        prompt = self.prompt
        is_ended = cut is not None or (len(ids) > 0 and int(ids[-1]) in texts.ends)
        if cut is None:
            # What goes on behind the completion goes on behind its text: the end of text is not in its way.
            n_spoken = len(ids) - is_ended
            cut = Cut(texts.decode(prompt.ids, ids[:n_spoken].tolist()), len(ids), n_spoken)
        kept = tuple(ids[: cut.n_ids].tolist())
        new = kept[: cut.n_whole] + (texts.encode_rest(cut.rest) if cut.rest else ())
        whole = Completion(
            text=cut.text,
            ids=kept,
            logprobs=tuple(logprobs[: cut.n_ids].tolist()),
            finish="stop" if is_ended else "length",
            stopped_by=cut.stopped_by,
            prefix=Prefix(prompt.text + cut.text, prompt.ids + new),
        )
        if self.request.sampling.pieces:
            pieces = texts.pieces(prompt.ids, kept, cut.text)
            whole = replace(whole, pieces=pieces, start=Prefix(prompt.text, prompt.ids))
        self.replies[row.index] = whole


class ScoreWork(Work):
    """Rows of which each is a prompt and one continuation."""

    def __init__(self, job: Job, request: Score, texts: Texts) -> None:
        super().__init__(job)
        prompt = texts.encode(request.prompt)
        n = len(prompt.ids)
        self._found: list[list[float]] = []
        self._continuations: list[tuple[int, ...]] = []
        for continuation in request.continuations:
            ids = texts.continuation(prompt, continuation)
            n_run = n + len(ids) - 1
            self._continuations.append(ids)
            self._found.append([])
            self._add(prompt.ids + ids, n_run, n + len(ids), n_run, n - 1)

    def take_hidden(self, row: Row, hidden_states: Tensor) -> None:
        """Look at none."""

    def take_logprobs(self, row: Row, logprobs: NDArray[np.float32]) -> None:
        """Collect a row's log-probabilities."""
        self._found[row.index] += logprobs.tolist()

    def finish(self, row: Row) -> None:
        """Join what was collected."""
        self.replies[row.index] = Scored(self._continuations[row.index], tuple(self._found[row.index]))


class ValueWork(Work):
    """Rows of which each is a prefix to be valued at its last token."""

    def __init__(self, job: Job, request: Value, texts: Texts, head: ValueHead) -> None:
        super().__init__(job)
        self._head = head
        for prompt in request.prompts:
            ids = texts.encode(prompt).ids
            self._add(ids, len(ids), len(ids), len(ids) - 1, len(ids))

    def take_hidden(self, row: Row, hidden_states: Tensor) -> None:
        """Value the last token."""
        self.replies[row.index] = self._head.value(hidden_states[-1])

    def take_logprobs(self, row: Row, logprobs: NDArray[np.float32]) -> None:
        """Score none."""

    def finish(self, row: Row) -> None:
        """Do nothing: the value is there."""


class EmbedWork(Work):
    """Rows of which each is a text; its embedding is the mean of its last hidden states."""

    def __init__(self, job: Job, request: Embed, texts: Texts) -> None:
        super().__init__(job)
        self._sums: list[Tensor | None] = []
        for text in request.texts:
            ids = texts.encode(text).ids
            self._sums.append(None)
            self._add(ids, len(ids), len(ids), 0, len(ids))

    def take_hidden(self, row: Row, hidden_states: Tensor) -> None:
        """Add hidden states up, one after the other, so that where a text is cut has no say."""
        before = self._sums[row.index]
        parts = hidden_states.double()
        parts = parts if before is None else torch.cat([before[None], parts])
        self._sums[row.index] = parts.cumsum(dim=0)[-1]

    def take_logprobs(self, row: Row, logprobs: NDArray[np.float32]) -> None:
        """Score none."""

    def finish(self, row: Row) -> None:
        """Divide by the number of tokens."""
        total = self._sums[row.index]
        assert total is not None, "every text has a token"
        self.replies[row.index] = tuple((total / len(row.ids)).tolist())
