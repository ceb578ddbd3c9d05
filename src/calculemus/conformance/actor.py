"""The engine of the checks: it answers every kind of request like a model, by a voice, and notes them."""

from collections.abc import Callable
from dataclasses import replace

from calculemus.engine.base import Done, Job
from calculemus.engine.requests import EngineRequest, Sample
from calculemus.engine.scripted import Fault, ScriptedEngine
from calculemus.engine.virtual import Work
from calculemus.errors import NotConformingError
from calculemus.rng import Rng

PARAMETERS = 1_000_000
"""Of the model that it pretends to be, so that FLOPs are known."""

MOST_JOBS = 20_000
"""Jobs after which a method is taken for one that never ends."""

NUMBERS = 97
"""How many different answers it gives."""

Text = Callable[[int], str]


class Actor(ScriptedEngine):
    """Says texts with numbers that follow from prompt, seed and salt alone.

    Args:
        say: Turns a number into a text.
        salt: Which numbers: two actors with different salts never agree for long.
        rows: Rows that it works on at once.
        fault: What goes wrong, see ``ScriptedEngine``.
        is_chat: Whether it pretends that its model has a chat template.
        is_plain: Whether it can only sample, and gives no log-probabilities.

    Attributes:
        asked: The requests that reached it, in order.
    """

    def __init__(
        self,
        say: Text,
        salt: int = 0,
        *,
        rows: int = 256,
        fault: Fault | None = None,
        is_chat: bool = False,
        is_plain: bool = False,
    ) -> None:
        super().__init__(
            lambda prompt, seed: say(self._number("text", prompt, seed)),
            rows=rows,
            scores=None if is_plain else lambda prompt, text: -self._part("score", prompt, text) * 20,
            values=None if is_plain else lambda prompt: self._part("value", prompt),
            embeddings=None if is_plain else self._embed,
            fault=fault,
            parameters=PARAMETERS,
            chat_template=is_chat,
        )
        self.capabilities = replace(self.capabilities, logprobs=not is_plain)
        self.asked: list[EngineRequest] = []
        self._salt = salt

    def work(self, job: Job) -> Work:
        """Note the request, and give completions their log-probabilities."""
        self.asked.append(job.request)
        work = super().work(job)
        if not isinstance(job.request, Sample) or work.reply is None or not self.capabilities.logprobs:
            return work
        reply = tuple(
            replace(completion, logprobs=self._logprobs(completion.prefix.text, completion.ids))
            for completion in work.reply
        )
        return replace(work, reply=reply)

    def wait(self) -> list[Done]:
        """Go on, unless it was asked for more than any method needs."""
        if self.n_jobs > MOST_JOBS:
            raise NotConformingError(
                f"asking the engine: found {self.n_jobs:,} requests and no end in sight; expected an end. "
                "Bound the method's loops, and let an engine's error end them"
            )
        return super().wait()

    def _number(self, *names: str | int) -> int:
        return 2 + Rng(self._salt, names).key % NUMBERS

    def _part(self, *names: str | int) -> float:
        """Return a figure between 0 and 1."""
        return (1 + Rng(self._salt, names).key % 1000) / 1001

    def _logprobs(self, text: str, ids: tuple[int, ...]) -> tuple[float, ...]:
        each = -2 * self._part("logprob", text)
        return tuple(each - token % 8 / 100 for token in ids)

    def _embed(self, text: str) -> tuple[float, ...]:
        return tuple(self._part("embedding", text, index) - 0.5 for index in range(8))
