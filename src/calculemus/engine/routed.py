"""Several engines as one: each request goes to the member that it names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from calculemus.engine.base import Done, Engine, Job
from calculemus.engine.requests import Capabilities, EngineRequest
from calculemus.errors import CalculemusError, EngineCapabilityError, InvalidParameterError
from calculemus.params import digest

MEMBERS = "members"
"""The fact that has the capabilities of each member by name."""


class RoutedEngine:
    """Passes requests on to its members, by the name in ``request.to``.

    A request that names nobody goes to the first member. A method that knows of members finds what each can
    do in ``capabilities.facts["members"]``; the capabilities themselves are what all members have.

    Args:
        members: Engines by name. They stay open when this one is closed.

    Raises:
        InvalidParameterError: There is none.

    Example:
        >>> from calculemus.engine.requests import Sample
        >>> from calculemus.engine.scripted import ScriptedEngine
        >>> engine = RoutedEngine({"a": ScriptedEngine("I am a."), "b": ScriptedEngine("I am b.")})
        >>> engine.submit([Job(0, Sample("Who?", to="b"), (0,))])
        >>> engine.wait()[0].reply[0].text
        'I am b.'
    """

    def __init__(self, members: Mapping[str, Engine]) -> None:
        if not members:
            raise InvalidParameterError("RoutedEngine: there are no members; expected at least one engine")
        self._members = dict(members)
        self._first = next(iter(self._members))
        self._sent: dict[int, str] = {}

    @property
    def name(self) -> str:
        """What people call it."""
        return ",".join(self._members)

    @property
    def digest(self) -> str:
        """Names by content what its replies depend on."""
        return digest(["routed", [[name, member.digest] for name, member in self._members.items()]])

    @property
    def capabilities(self) -> Capabilities:
        """What all members can do, and each of them by its name."""
        each = {name: member.capabilities for name, member in self._members.items()}
        can = list(each.values())
        contexts = [one.context for one in can if one.context is not None]
        return Capabilities(
            kinds=frozenset.intersection(*(one.kinds for one in can)),
            logprobs=all(one.logprobs for one in can),
            token_ids=all(one.token_ids for one in can),
            deterministic=True if all(one.deterministic is True for one in can) else None,
            context=min(contexts, default=None),
            rows=min(one.rows for one in can),
            facts={**_common(can), MEMBERS: each},
        )

    def count_tokens(self, request: EngineRequest) -> int | None:
        """Return the prompt tokens of a request, as its member counts them."""
        return self._members[self._member(request)].count_tokens(replace(request, to=None))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs, all or none.

        Raises:
            EngineCapabilityError: A job names an engine that is no member.
        """
        shares: dict[str, list[Job]] = {}
        for job in jobs:
            plain = replace(job, request=replace(job.request, to=None))
            shares.setdefault(self._member(job.request), []).append(plain)
        taken: list[int] = []
        for name, share in shares.items():
            try:
                self._members[name].submit(share)
            except CalculemusError:
                self.cancel(taken)
                raise
            taken += [job.ticket for job in share]
            self._sent.update(dict.fromkeys((job.ticket for job in share), name))

    def _member(self, request: EngineRequest) -> str:
        name = request.to or self._first
        if name not in self._members:
            raise EngineCapabilityError(
                f"asking {self.name}: a request names the engine '{name}'; expected one of "
                f"{', '.join(self._members)}. Give the engine, or make the profiles anew"
            )
        return name

    def wait(self) -> list[Done]:
        """Return what is finished: each member that has something in flight is waited for in its turn."""
        busy = dict.fromkeys(self._sent.values())
        return self._back([done for name in busy for done in self._members[name].wait()])

    def cancel(self, tickets: Sequence[int]) -> list[Done]:
        """Stop jobs."""
        shares: dict[str, list[int]] = {}
        for ticket in tickets:
            if ticket in self._sent:
                shares.setdefault(self._sent[ticket], []).append(ticket)
        return self._back(
            [done for name, share in shares.items() for done in self._members[name].cancel(share)]
        )

    def _back(self, back: list[Done]) -> list[Done]:
        for done in back:
            self._sent.pop(done.ticket, None)
        return back

    def free_rows(self) -> int:
        """Return how many more rows any member takes now: nobody knows to whom the next ones go."""
        return min(member.free_rows() for member in self._members.values())

    def forget(self) -> None:
        """Have the members forget what they keep of earlier requests."""
        for member in self._members.values():
            forget = getattr(member, "forget", None)
            if forget is not None:
                forget()

    def close(self) -> None:
        """Forget what is in flight."""
        self._sent.clear()


def _common(can: Sequence[Capabilities]) -> dict[str, object]:
    """Return the facts in which all members agree."""
    first, *others = can
    return {
        name: value
        for name, value in first.facts.items()
        if all(other.facts.get(name) == value for other in others)
    }
