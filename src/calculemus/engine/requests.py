"""What methods ask for, and what they get back. No torch, no network: plain records.

A method yields a request, or a list of them, and is resumed with the reply, or the list of replies in the
same order. ``Sample``, ``Score``, ``Value`` and ``Embed`` go to an engine, ``Run`` to the sandbox; ``First``
wraps requests of which only some are waited for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from calculemus.errors import InvalidParameterError
from calculemus.params import AtLeast, Between, Configured


@dataclass(frozen=True, slots=True)
class Prefix:
    """A text that an engine continues.

    Attributes:
        text: All of it, as it is shown to people.
        ids: Its token ids where an engine wrote or tokenised it: continuing never encodes a text again.
        added: The end of ``text`` that ``ids`` do not cover yet, because a method wrote it; the engine
            encodes this part alone and puts it behind ``ids``. Without ids it says nothing.
    """

    text: str
    ids: tuple[int, ...] | None = None
    added: str = ""

    def __add__(self, text: str) -> "Prefix":
        """Return it with a text behind it."""
        return Prefix(self.text + text, self.ids, self.added + text)


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation; the engine renders it with the model's own template, or plainly where it has none.

    Attributes:
        messages: Pairs of role (``system``, ``user``, ``assistant``) and text; an assistant's text at the end
            is continued.
    """

    messages: tuple[tuple[str, str], ...]

    def __add__(self, text: str) -> "Chat":
        """Return it with a text behind what the assistant says last."""
        *before, (role, said) = self.messages
        if role == "assistant":
            return Chat((*before, (role, said + text)))
        return Chat((*self.messages, ("assistant", text)))


Prompt = str | Prefix | Chat


@dataclass(frozen=True)
class Sampling(Configured):
    """How tokens are drawn.

    Attributes:
        temperature: 0 takes the most probable token.
        top_k: Draw from this many most probable tokens; 0 from all.
        top_p: Draw from the smallest set of tokens with this probability.
        min_p: Leave out tokens below this share of the most probable one's probability.
        max_tokens: Longest completion.
        stop: Texts that end a completion; they are kept out of it.
        keep_stop: Keep the stop text in the completion, as methods that go on behind it want.
        pieces: Say what each token writes, as methods want that go on from the middle of a completion.
    """

    temperature: Annotated[float, AtLeast(0)] = 0.0
    top_k: Annotated[int, AtLeast(0)] = 0
    top_p: Annotated[float, Between(0, 1, open_left=True)] = 1.0
    min_p: Annotated[float, Between(0, 1)] = 0.0
    max_tokens: Annotated[int, AtLeast(1)] = 256
    stop: tuple[str, ...] = ()
    keep_stop: bool = False
    pieces: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """Continue a prompt ``n`` times; the reply is a tuple of ``n`` ``Completion``.

    As with the other requests to engines, ``to`` names one of several; see ``engine.routed``.
    """

    prompt: Prompt
    sampling: Sampling = Sampling()
    n: int = 1
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probabilities of given continuations; the reply is a tuple of ``Scored``, one each."""

    prompt: Prompt
    continuations: tuple[str | tuple[int, ...], ...]
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """Values of prefixes by a value head; the reply is a tuple of floats, one each."""

    prompts: tuple[Prompt, ...]
    head: str = "value"
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """Mean hidden states of texts; the reply is a tuple of float tuples, one each."""

    texts: tuple[str, ...]
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Run a program in the sandbox; the reply is the sandbox's ``Run`` record (``status``, ``value``, ...).

    Attributes:
        program: Python source.
        entry: Function whose return value is wanted; None for the last expression.
        session: Name of a session whose variables later programs of the same problem see; None for none.
        tier: Sandbox tier; None lets a look at the program choose.
        before: Blocks that ran before it, () for none yet: it is run as the next block of a session that had
            these, and its value is its last expression's. Nothing is kept by name, so that a node of a search
            needs only the blocks on its path; the sandbox runs equal ones once where it can. They get no
            replies. None for a program that stands alone.
        replies: What its calls of functions return that nobody has defined, in their order. At the first call
            beyond them the record is ``suspended`` and has the call as ``pending``; the program goes on by
            being asked for again with one reply more. None for no such functions.
        hosts: The only functions that are replied to; None for whatever it calls and does not define.

    With ``before`` or ``replies``, all programs of a problem have one seed, so that what is run again comes
    to the same.

    Raises:
        InvalidParameterError: ``before`` or ``replies`` together with a session, or hosts without replies.
    """

    program: str
    entry: str | None = "solution"
    session: str | None = None
    tier: str | None = None
    before: tuple[str, ...] | None = None
    replies: tuple[Any, ...] | None = None
    hosts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.session is not None and self.is_rerun:
            raise InvalidParameterError(
                "Run: parameter 'session' is given with 'before' or 'replies'; expected one or the other. A "
                "session keeps what ran by its name; 'before' names it by its content"
            )
        if self.hosts is not None and self.replies is None:
            raise InvalidParameterError(
                "Run: parameter 'hosts' is given without 'replies'; expected both. Begin with replies=()"
            )

    @property
    def is_rerun(self) -> bool:
        """Whether what is run has parts that were run before, or will be run again."""
        return self.before is not None or self.replies is not None

    @property
    def options(self) -> dict[str, Any]:
        """What the sandbox is told besides the program, its tier, entry and seed."""
        more = {"before": self.before, "replies": self.replies, "hosts": self.hosts}
        return {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True)
class First:
    """Wait for ``k`` of the requests and cancel the rest; the reply is a list, None for cancelled ones."""

    requests: tuple["Request", ...]
    k: int = 1


Request = Sample | Score | Value | Embed | Run | First
EngineRequest = Sample | Score | Value | Embed


@dataclass(frozen=True, slots=True)
class Completion:
    """One continuation of a prompt.

    Attributes:
        text: What was written, without the stop text unless it was kept.
        ids: Its token ids; None where the engine does not give them.
        logprobs: Natural-log probability of each token under the untempered model; None where unknown.
        finish: ``stop`` (stop text or end of text), ``length`` or ``cancelled``.
        stopped_by: The stop text that ended it; None at the end of text or of the budget.
        prefix: Prompt and completion together, to be continued: a ``Prefix``, or from an endpoint that
            renders conversations itself a ``Chat`` that ends with the assistant's text.
        pieces: What each of the ids writes: together the text. One that ends a text writes nothing, nor do
            all but the last one that a character takes. None unless asked for, or where unknown.
        start: The prompt with its ids, where there are pieces.
    """

    text: str
    ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None
    finish: str
    stopped_by: str | None
    prefix: Prefix | Chat
    pieces: tuple[str, ...] | None = None
    start: Prefix | None = None

    @property
    def logprob(self) -> float | None:
        """Sum of the tokens' log-probabilities."""
        return sum(self.logprobs) if self.logprobs is not None else None


@dataclass(frozen=True, slots=True)
class Scored:
    """A scored continuation: its token ids and their log-probabilities."""

    ids: tuple[int, ...] | None
    logprobs: tuple[float, ...]

    @property
    def logprob(self) -> float:
        """Sum of the tokens' log-probabilities."""
        return sum(self.logprobs)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do.

    Attributes:
        kinds: Names of the request kinds that it takes (``Sample``, ``Score``, ``Value``, ``Embed``).
        logprobs: Whether completions carry log-probabilities.
        token_ids: Whether completions carry token ids, and prefixes continue by them.
        deterministic: Whether equal requests with equal seeds give equal replies; None where unproven.
        context: Longest prompt and completion together, in tokens; None where unknown.
        rows: Rows that it works on at once.
        facts: Further facts for people: dtype, device, server.
    """

    kinds: frozenset[str]
    logprobs: bool
    token_ids: bool
    deterministic: bool | None
    context: int | None
    rows: int
    facts: Mapping[str, Any] = field(default_factory=dict)
