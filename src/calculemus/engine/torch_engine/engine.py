"""The engine on a checkpoint: takes requests, hands back replies with what they cost."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from calculemus.cost import Cost
from calculemus.engine.base import Done, Job
from calculemus.engine.requests import Capabilities, EngineRequest, Prompt, Sample, Score, Value
from calculemus.engine.torch_engine.batcher import Batcher
from calculemus.engine.torch_engine.build import build_machine, context_of
from calculemus.engine.torch_engine.checkpoint import open_checkpoint
from calculemus.engine.torch_engine.device import choose_device, choose_dtype
from calculemus.engine.torch_engine.heads import ValueHead, heads_beside
from calculemus.engine.torch_engine.runner import Tap
from calculemus.engine.torch_engine.shapes import n_pages
from calculemus.engine.torch_engine.threads import choose_threads, use_threads
from calculemus.engine.torch_engine.wishes import read_wishes
from calculemus.engine.torch_engine.work import EmbedWork, SampleWork, ScoreWork, ValueWork, Work
from calculemus.errors import CalculemusError, EngineCapabilityError, EngineError, InvalidParameterError
from calculemus.params import digest


class TorchEngine:
    r"""Runs any Hugging Face causal language model white-box.

    In float32 a reply depends on its request and seeds alone: not on the rows beside it, their order, or what
    was computed before.

    Args:
        path_or_model: A checkpoint's folder, the id of a model on the hub, or a Hugging Face module.
        dtype: ``float32`` or ``bfloat16``.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
        rows: Rows in flight at once.
        context: Longest prompt and completion together; None for what the model allows.
        adapters: Folders of LoRA adapters, merged into the weights in this order.
        name: What people call it; None for the checkpoint's own name.
        tokenizer: Tokenizer of a module; None to load it with the model.
        kv_bytes: Memory for keys and values; None for a share of what is free.
        threads: Threads on a CPU; None for one where the model is small, else for torch's own number.

    Raises:
        EngineError: The checkpoint, its tokenizer, an adapter or the device cannot be used.
        InvalidParameterError: A setting lies outside what is allowed.

    Example:
        >>> engine = TorchEngine("path/to/checkpoint", rows=64)                       # doctest: +SKIP
        >>> engine.submit([Job(0, Sample("Q: What is 2 + 3?\nA:"), (0,))])            # doctest: +SKIP
        >>> engine.wait()[0].reply[0].text                                            # doctest: +SKIP
    """

    def __init__(
        self,
        path_or_model: Any,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        rows: int = 256,
        context: int | None = None,
        adapters: Sequence[str | Path] = (),
        name: str | None = None,
        tokenizer: Any = None,
        kv_bytes: int | None = None,
        threads: int | None = None,
    ) -> None:
        if rows < 1:
            raise InvalidParameterError(f"TorchEngine: parameter 'rows' is {rows}; expected 1 at least")
        self._dtype, self._device = choose_dtype(dtype), choose_device(device)
        self._checkpoint = open_checkpoint(path_or_model, tokenizer, adapters, self._dtype, self._device)
        self._threads = choose_threads(threads, self._checkpoint.model.num_parameters())
        use_threads(self._threads)
        self._name = name or self._checkpoint.name
        self._context = context_of(self._checkpoint, context)
        self._machine = build_machine(
            self._checkpoint, self._dtype, self._device, rows, self._context, kv_bytes
        )
        self._batcher = Batcher(self._machine)
        folder = self._checkpoint.folder
        if folder is not None:  # its files tell the digest; the runner keeps what it needs of the weights
            self._checkpoint = replace(self._checkpoint, model=None)
        self._heads = heads_beside(folder) if folder is not None else {}
        self._wishes = read_wishes(folder)
        for head_name, head in self._heads.items():
            self._check_head(head_name, head)
        self._is_open = True
        self._works: dict[int, Work] = {}
        self._finished: list[Done] = []

    @property
    def name(self) -> str:
        """What people call it."""
        return self._name

    @cached_property
    def _checkpoint_digest(self) -> str:
        return self._checkpoint.digest()

    @property
    def digest(self) -> str:
        """Names by content everything that changes its replies."""
        heads = {
            name: [head.weight.tolist(), head.bias, head.squash] for name, head in sorted(self._heads.items())
        }
        return digest([self._checkpoint_digest, str(self._dtype), self._device.type, self._context, heads])

    @cached_property
    def tokenizer_digest(self) -> str:
        """Names by content which text each token id stands for, and how texts become ids."""
        return self._machine.texts.digest

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        sizes = self._machine.runner.sizes
        return Capabilities(
            kinds=frozenset({"Sample", "Score", "Embed"} | ({"Value"} if self._heads else set())),
            logprobs=True,
            token_ids=True,
            deterministic=True if self._machine.shapes.is_stable else None,
            context=self._context,
            rows=self._machine.rows,
            facts={
                "parameters": sizes.parameters,
                "n_layers": sizes.n_layers,
                "d_attention": sizes.n_heads * sizes.d_key,
                "chat_template": self._machine.texts.has_template,
                "system_role": self._machine.texts.takes_system,
                "dtype": str(self._dtype).removeprefix("torch."),
                "device": str(self._device),
                "runner": type(self._machine.runner).__name__,
                "row counts": list(self._machine.shapes.counts),
                **self._wishes,
            },
        )

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return the tokens of the longest row of a request, as given."""
        texts = self._machine.texts
        if isinstance(request, Sample):
            return len(texts.encode(request.prompt).ids)
        if isinstance(request, Score):
            prompt = texts.encode(request.prompt)
            longest = max((len(texts.continuation(prompt, c)) for c in request.continuations), default=0)
            return len(prompt.ids) + longest
        prompts: Sequence[Prompt] = request.prompts if isinstance(request, Value) else request.texts
        return max((len(texts.encode(prompt).ids) for prompt in prompts), default=0)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs; a job that cannot be done comes back from ``wait`` with its error.

        Raises:
            EngineCapabilityError: A value head that the engine does not have; then no job was taken.
        """
        for job in jobs:
            if isinstance(job.request, Value) and job.request.head not in self._heads:
                raise EngineCapabilityError(
                    f"{self.name}: a value is asked of the head '{job.request.head}'; it has "
                    f"{', '.join(sorted(self._heads)) or 'none'}. Put '{job.request.head}_head.safetensors' "
                    "beside the checkpoint, or add the head with add_value_head"
                )
        for job in jobs:
            self._take(job)

    def _take(self, job: Job) -> None:
        try:
            work = self._work(job)
            self._check_room(work)
        except CalculemusError as error:
            self._finished.append(Done(job.ticket, None, Cost.zero(), error))
            return
        if not work.rows:
            self._finished.append(Done(job.ticket, (), Cost.zero()))
            return
        self._works[job.ticket] = work
        self._batcher.add(work)

    def _work(self, job: Job) -> Work:
        request, texts = job.request, self._machine.texts
        if isinstance(request, Sample):
            if "" in request.sampling.stop:
                raise EngineError(f"{self.name}: a stop text is empty; expected one character at least")
            return SampleWork(job, request, texts, self._context)
        if isinstance(request, Score):
            return ScoreWork(job, request, texts)
        if isinstance(request, Value):
            return ValueWork(job, request, texts, self._heads[request.head])
        return EmbedWork(job, request, texts)

    def _check_room(self, work: Work) -> None:
        """See that every row fits the context and the memory, before any of them runs."""
        longest = work.longest + isinstance(work, SampleWork)
        if longest > self._context:
            raise EngineError(
                f"{self.name}: a prompt of {work.longest} tokens is to run; expected at most "
                f"{self._context - isinstance(work, SampleWork)} by the context of {self._context}. Shorten "
                "it, or take a model with a longer context"
            )
        room = max((row.room for row in work.rows), default=0)
        if n_pages(room) >= self._machine.arena.n_pages:
            raise EngineError(
                f"{self.name}: a row of up to {room} tokens is to run, more than the memory for keys and "
                "values takes; expected less. Lower max_tokens, or give the engine more kv_bytes"
            )

    def wait(self) -> list[Done]:
        """Work until a job is finished; return all finished ones, [] where nothing is in flight."""
        use_threads(self._threads)  # another engine of this process may have wanted another number
        while not self._finished and self._works:
            for work in self._batcher.step():
                del self._works[work.job.ticket]
                self._finished.append(Done(work.job.ticket, tuple(work.replies), work.tally.cost()))
        finished, self._finished = self._finished, []
        return finished

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs; returns what they cost, and nothing for those that are finished."""
        works = [self._works.pop(ticket) for ticket in tickets if ticket in self._works]
        self._batcher.cancel(works)
        for work in works:
            work.tally.discard()
        return [Done(work.job.ticket, None, work.tally.cost()) for work in works]

    def free_rows(self) -> int:
        """Return how many more rows it takes now: half as many again as it works on wait for their turn.

        The rows of a job end one by one, and nobody is told before the last one has: until then those that
        wait take the places of the others.
        """
        rows = self._machine.rows
        return max(0, rows + rows // 2 - self._batcher.n_rows)

    def close(self) -> None:
        """Give back memory, and leave a module that was given as it was; nothing can be asked afterwards."""
        if self._is_open:
            self._is_open = False
            self.cancel(list(self._works))
            self._machine.runner.release()
            del self._batcher, self._machine, self._checkpoint

    def forget(self) -> None:
        """Forget the keys and values of finished rows.

        Raises:
            EngineError: Requests are in flight.
        """
        if self._works:
            raise EngineError(
                f"{self.name}: it is to forget what it has computed, and {len(self._works)} requests are in "
                "flight; expected none. Wait for their replies first"
            )
        self._machine.tree.clear()

    def add_value_head(self, name: str, head: ValueHead) -> None:
        """Give the model a value head, or another one of that name.

        Raises:
            EngineError: The head was made for another width or tokenizer.
        """
        self._check_head(name, head)
        self._heads = {**self._heads, name: head}

    def _check_head(self, name: str, head: ValueHead) -> None:
        head.check_fits(name, self._machine.runner.sizes.d_model, self.tokenizer_digest, self.name)

    @property
    def value_heads(self) -> Mapping[str, ValueHead]:
        """The value heads, by name."""
        return self._heads

    @contextmanager
    def watching(self, tap: Tap) -> Iterator[None]:
        """Show a function the hidden states behind every layer while the block runs, and let it change them.

        Nothing that is computed inside is shared with what is computed outside: requests that are still in
        flight at its end come back from ``wait`` with an error.

        Raises:
            EngineError: Requests are in flight, or the model runs in a way in which it cannot be watched.
        """
        runner = self._machine.runner
        if not runner.uses_arena:
            raise EngineError(
                f"{self.name}: its hidden states are to be watched, and it runs plainly; expected a model "
                "with exchangeable attention. Use another model"
            )
        self.forget()
        runner.taps.append(tap)
        try:
            yield
        finally:
            runner.taps.remove(tap)
            error = EngineError(
                f"{self.name}: it was watched while it worked on this request, and is not any more; expected "
                "all replies before that. Wait for them inside of the block"
            )
            self._finished += [replace(done, error=error) for done in self.cancel(list(self._works))]
            self._machine.tree.clear()
