"""What a server has shown that it can do. Nothing here is taken from its documentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMPLETIONS = "/completions"
CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Way:
    """One of the two completion endpoints.

    Attributes:
        path: Behind the address.
        limit: The field that limits the length.
        takes_n: Whether it returns several completions for one request.
        logprobs: Whether it gives log-probabilities, of the untempered model, for every token.
        takes_seed: Whether equal seeds give equal completions, and others different ones.
        extras: Further fields that have their effect: ``top_k``, ``min_p``, ``repetition_penalty``.
        shows_stops: Whether the stop text that ended a completion can be told from the end of text.
        ids: Whether it gives token ids.
        usage: ``checked`` (agrees with our own counts), ``unchecked``, ``wrong`` or ``missing``.
    """

    path: str
    limit: str = "max_tokens"
    takes_n: bool = False
    logprobs: bool = False
    takes_seed: bool = False
    extras: frozenset[str] = frozenset()
    shows_stops: bool = False
    ids: bool = False
    usage: str = "missing"


@dataclass(frozen=True, slots=True)
class Abilities:
    """A server with one model.

    Attributes:
        model: The model's name.
        completions: The endpoint that continues any text; None where there is none.
        chat: The endpoint that answers conversations; None where there is none.
        takes_ids: Whether prompts may be token ids.
        scores: Whether it gives log-probabilities of a prompt.
        embeds: Whether it embeds texts.
        joint: What belongs between a raw text and its completion; None where that is unproven.
        continues: Fields with which an assistant's last text is continued; None where it is not.
        continues_alone: Whether that holds for an assistant's text without a question before it.
        deterministic: Whether equal requests gave equal replies under load; None where not all is proven.
        context: Longest prompt and completion together, in tokens; None where unknown.
        fingerprint: How its greedy completion of a fixed prompt begins; None where that varies.
        facts: For people.
    """

    model: str
    completions: Way | None = None
    chat: Way | None = None
    takes_ids: bool = False
    scores: bool = False
    embeds: bool = False
    joint: str | None = None
    continues: Mapping[str, Any] | None = None
    continues_alone: bool = False
    deterministic: bool | None = None
    context: int | None = None
    fingerprint: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ways(self) -> tuple[Way, ...]:
        """The completion endpoints there are."""
        return tuple(way for way in (self.completions, self.chat) if way)
