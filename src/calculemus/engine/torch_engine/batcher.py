"""The loop: fills free lanes, runs one step of all rows in flight, and sees which of them have ended."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calculemus.engine.torch_engine.admission import Admission
from calculemus.engine.torch_engine.arena import Arena
from calculemus.engine.torch_engine.attention import choose_attention
from calculemus.engine.torch_engine.lanes import Lanes, Piece
from calculemus.engine.torch_engine.plan import Planner
from calculemus.engine.torch_engine.runner import Output, Runner
from calculemus.engine.torch_engine.sampling import Draws, draw
from calculemus.engine.torch_engine.shapes import PAGE, Shapes
from calculemus.engine.torch_engine.text import Cut, Texts, find_stop
from calculemus.engine.torch_engine.tree import PrefixTree
from calculemus.engine.torch_engine.work import Row, SampleWork, Work
from calculemus.rng import Rng

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a batcher works with: a model, its tokenizer, memory for it, and the shapes that it may use."""

    runner: Runner
    texts: Texts
    arena: Arena
    tree: PrefixTree
    shapes: Shapes
    rows: int
    context: int


class Batcher:
    """Continuous batching over one model.

    Attributes:
        admission: The queue in front of it.
    """

    def __init__(self, machine: Machine) -> None:
        self._runner = machine.runner
        self._texts = machine.texts
        self._arena = machine.arena
        self._shapes = machine.shapes
        self._lanes = Lanes(machine.rows, machine.context, machine.arena.n_pages)
        self._attention = choose_attention(machine.arena, self._lanes)
        self._planner = Planner(self._lanes, machine.arena, machine.shapes)
        self._is_anew = not machine.runner.uses_arena
        self.admission = Admission(self._lanes, machine.arena, machine.tree, not self._is_anew)
        self._in_flight: dict[int, Row] = {}
        self._running: list[Row] = []  # rows whose prompts are not through, in order of admission
        self._stop_sets: dict[tuple[str, ...], int] = {(): 0}
        n_ids = machine.runner.sizes.vocab_size
        self._stop_table = np.zeros((1, n_ids), bool)
        self._is_end = np.zeros(n_ids, bool)
        self._is_end[[i for i in machine.texts.ends if i < n_ids]] = True
        self._ended: list[Work] = []

    @property
    def n_rows(self) -> int:
        """Rows in flight and in the queue."""
        return len(self._in_flight) + len(self.admission)

    def add(self, work: Work) -> None:
        """Take a job's rows."""
        work.tally.wait_from(time.perf_counter())
        self.admission.add(work.rows)

    def cancel(self, works: Iterable[Work]) -> None:
        """Stop jobs; what their rows have computed stays in the prefix tree."""
        for work in works:
            self.admission.drop(work.rows)
            for row in work.rows:
                if self._in_flight.get(row.lane) is row:
                    work.tally.n_discarded += int(self._lanes.known[row.lane]) - len(row.ids)
                    self._retire(row)
        self._running = [row for row in self._running if self._in_flight.get(row.lane) is row]
        self.admission.write()

    @torch.inference_mode()
    def step(self) -> list[Work]:
        """Run every row in flight one step further; returns the jobs that are finished."""
        self._admit()
        decoders, pieces, rows = self._lanes.decoders(), *self._next_pieces()
        if len(decoders) or pieces:
            start = time.perf_counter()
            scored, targets = self._scored(pieces, rows, len(decoders))
            plan = self._planner.plan(decoders, pieces, scored)
            self._attention.start(plan)
            out = self._runner.run(plan, self._attention)
            drawn = self._draw(out, decoders)
            self._after_pieces(pieces, rows, out, _scores(out, len(decoders), targets), len(decoders))
            self._charge(decoders, pieces, time.perf_counter() - start)
            self._after_decoding(decoders, *drawn)
        self.admission.write()
        moved, into = self._lanes.pages.tighten()
        if moved:
            self._arena.move(moved, into)
        ended, self._ended = self._ended, []
        return ended

    def _admit(self) -> None:
        for row in self.admission.admit():
            lanes, lane = self._lanes, row.lane
            self._in_flight[lane] = row
            row.work.tally.admit(time.perf_counter(), self._kv_bytes(row))
            if isinstance(row.work, SampleWork):
                self._set_sampling(row.work, row)
            if lanes.length[lane] < row.n_run:
                self._running.append(row)
            else:
                self._through(row)

    def _kv_bytes(self, row: Row) -> int:
        n_tokens = PAGE * self._lanes.pages.reserved(row.lane)
        return n_tokens * self._arena.shape.bytes_per_token(self._arena.dtype)

    def _set_sampling(self, work: SampleWork, row: Row) -> None:
        lanes, lane, sampling = self._lanes, row.lane, work.request.sampling
        lanes.temperature[lane] = sampling.temperature
        lanes.stop_set[lane] = self._stop_set(sampling.stop)
        if sampling.temperature > 0:
            lanes.top_k[lane], lanes.top_p[lane] = sampling.top_k, sampling.top_p
            lanes.min_p[lane] = sampling.min_p
            uniforms = Rng(work.job.seeds[row.index]).generator().random(row.room - len(row.ids))
            lanes.uniforms[lane, len(row.ids) : row.room] = uniforms

    def _stop_set(self, stops: tuple[str, ...]) -> int:
        if stops not in self._stop_sets:
            self._stop_sets[stops] = len(self._stop_table)
            triggers = self._texts.triggers(stops)[: self._stop_table.shape[1]]
            self._stop_table = np.vstack([self._stop_table, triggers])
        return self._stop_sets[stops]

    def _next_pieces(self) -> tuple[list[Piece], list[Row]]:
        """Choose what of the prompts runs in this step, in order of admission."""
        room = self._shapes.most - int(self._lanes.decoding.sum())
        pieces: list[Piece] = []
        for row in self._running:
            start = int(self._lanes.length[row.lane])
            n = row.n_run - start
            if n > room and self._is_anew:
                break  # each piece would run the whole row
            n = min(n, room)
            if n <= 0:
                break
            pieces.append(Piece(row.lane, start, n))
            room -= n
        return pieces, self._running[: len(pieces)]

    def _scored(self, pieces: Sequence[Piece], rows: Sequence[Row], offset: int) -> tuple[Ids, Ids]:
        """Return which of the step's tokens are scored, and the token ids that follow them."""
        scored, targets = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for piece, row in zip(pieces, rows, strict=True):
            first = max(row.scored, piece.start)
            places = np.arange(first, piece.start + piece.n)
            scored.append(places - piece.start + offset)
            targets.append(row.ids[places + 1])
            offset += piece.n
        return np.concatenate(scored), np.concatenate(targets)

    def _draw(self, out: Output, decoders: Ids) -> tuple[Ids, NDArray[np.float32]]:
        if not len(decoders):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        assert out.logits is not None, "the plan asks for the decoding rows' logits"
        logits = out.logits[: len(decoders)]
        tokens, logprobs = draw(logits, Draws.of(self._lanes, decoders, logits.device))
        return tokens.cpu().numpy(), logprobs.cpu().numpy()

    def _charge(self, decoders: Ids, pieces: Sequence[Piece], seconds: float) -> None:
        """Share a step's seconds out by token."""
        each = seconds / (len(decoders) + sum(piece.n for piece in pieces))
        self._lanes.seconds[decoders] += each
        for piece in pieces:
            self._lanes.seconds[piece.lane] += each * piece.n

    def _after_pieces(
        self,
        pieces: Sequence[Piece],
        rows: Sequence[Row],
        out: Output,
        scores: NDArray[np.float32],
        offset: int,
    ) -> None:
        """Hand hidden states and scores to their jobs, and move on the rows whose prompts are through."""
        for piece, row in zip(pieces, rows, strict=True):
            end = piece.start + piece.n
            if row.wanted < end:
                first = max(row.wanted, piece.start) - piece.start
                row.work.take_hidden(row, out.hidden_states[offset + first : offset + piece.n])
            n_scored = max(0, end - max(row.scored, piece.start))
            if n_scored:
                row.work.take_logprobs(row, scores[:n_scored])
                scores = scores[n_scored:]
            self._lanes.length[piece.lane] = end
            offset += piece.n
        through = [row for row in rows if self._lanes.length[row.lane] == row.n_run]
        self._running = self._running[len(through) :]
        for row in through:
            self._through(row)

    def _through(self, row: Row) -> None:
        """Let a row decode whose prompt has run, or finish it if it was to do no more."""
        if isinstance(row.work, SampleWork):
            self.admission.publish(row)
            self._lanes.decoding[row.lane] = True
        else:
            row.work.finish(row)
            self._retire(row)
            self._finish(row)

    def _after_decoding(self, decoders: Ids, tokens: Ids, logprobs: NDArray[np.float32]) -> None:
        """Write tokens down and complete the rows that end with them."""
        lanes = self._lanes
        known = lanes.known[decoders]
        lanes.ids[decoders, known], lanes.logprobs[decoders, known] = tokens, logprobs
        lanes.length[decoders] += 1
        lanes.known[decoders] = known + 1
        is_end = self._is_end[tokens]
        is_last = is_end | (known + 1 >= lanes.limit[decoders])
        # How an end of text is written is no part of the text, so no stop text is looked for in it.
        may_stop = self._stop_table[lanes.stop_set[decoders], tokens] & ~is_end
        for i in np.flatnonzero(is_last | may_stop):
            row = self._in_flight[int(decoders[i])]
            cut = self._cut(row) if may_stop[i] else None
            if cut is not None or is_last[i]:
                self._complete(row, cut)

    def _sampled(self, row: Row) -> Ids:
        return self._lanes.ids[row.lane, len(row.ids) : self._lanes.known[row.lane]]

    def _cut(self, row: Row) -> Cut | None:
        work = row.work
        assert isinstance(work, SampleWork), "only rows that sample decode"
        sampling = work.request.sampling
        ids = self._sampled(row).tolist()
        return find_stop(self._texts, work.prompt.ids, ids, sampling.stop, sampling.keep_stop)

    def _complete(self, row: Row, cut: Cut | None) -> None:
        work = row.work
        assert isinstance(work, SampleWork), "only rows that sample decode"
        ids, n = self._sampled(row), len(row.ids)
        work.complete(row, self._texts, ids, self._lanes.logprobs[row.lane, n : n + len(ids)], cut)
        n_kept = len(ids) if cut is None else cut.n_ids
        work.tally.n_out += n_kept
        work.tally.n_discarded += len(ids) - n_kept
        self._retire(row)
        self._finish(row)

    def _finish(self, row: Row) -> None:
        row.work.n_left -= 1
        if not row.work.n_left:
            self._ended.append(row.work)

    def _retire(self, row: Row) -> None:
        """Charge a row, publish what it has computed, and free its lane."""
        lanes = self._lanes
        runs = self._runs(row)
        row.work.tally.retire(
            n_given=len(row.ids),
            n_cached=row.n_cached,
            n_seen=max(map(sum, runs), default=row.n_cached),
            runs=runs,
            seconds=float(lanes.seconds[row.lane]),
            kv_bytes=self._kv_bytes(row),
            sizes=self._runner.sizes,
        )
        self.admission.publish(row)
        lanes.give_back(row.lane)
        del self._in_flight[row.lane]

    def _runs(self, row: Row) -> list[tuple[int, int]]:
        """Return what of a row ran through the model: so many tokens behind so many that were kept."""
        length = int(self._lanes.length[row.lane])
        if length == row.start:
            return []
        if not self._is_anew:
            return [(length - row.start, row.start)]
        first = [row.n_run] if row.n_run > row.start else []
        return [(n, 0) for n in [*first, *range(row.n_run + 1, length + 1)]]


def _scores(out: Output, n_decode: int, targets: Ids) -> NDArray[np.float32]:
    """Return the log-probabilities of the tokens that follow the scored ones."""
    if not len(targets):
        return np.empty(0, np.float32)
    assert out.logits is not None, "the plan asks for the scored rows' logits"
    logits: Tensor = out.logits[n_decode : n_decode + len(targets)]
    wanted = torch.from_numpy(targets).to(logits.device)
    return torch.log_softmax(logits, dim=-1).gather(1, wanted[:, None])[:, 0].cpu().numpy()
