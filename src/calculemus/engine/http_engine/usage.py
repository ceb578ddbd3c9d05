"""What a request took. A server's own figures are compared with what can be counted in its reply."""

from calculemus.cost import Cost
from calculemus.engine.http_engine.ending import Ending
from calculemus.engine.http_engine.reading import Choice, Reply, Usage

CHECKED, UNCHECKED, WRONG, MISSING = "checked", "unchecked", "wrong", "missing"


def count_sampled(reply: Reply) -> int | None:
    """Count the sampled tokens of a reply by its lists of tokens; None where a completion has none."""
    counts = [_listed(choice) for choice in reply.choices]
    return None if None in counts else sum(count or 0 for count in counts)


def _listed(choice: Choice) -> int | None:
    if choice.thinking:
        return None  # the lists leave out what was thought
    given = choice.ids if choice.ids is not None else choice.tokens
    return None if given is None else len(given)


def judge(reply: Reply, max_tokens: int, prompt_tokens: int | None = None) -> str:
    """Say whether a reply's usage can be right.

    Args:
        reply: Its tokens are counted where it lists them; a completion that ran to its limit has as many as
            were allowed.
        max_tokens: What was allowed for each completion.
        prompt_tokens: What is known of the prompt's length.

    Returns:
        ``checked``, ``unchecked``, ``wrong`` or ``missing``.
    """
    usage, n = reply.usage, len(reply.choices)
    if usage.prompt is None or usage.completion is None:
        return MISSING
    counted = count_sampled(reply)
    if counted is None and all(choice.finish == "length" for choice in reply.choices):
        counted = n * max_tokens
    # The end of text is counted by some servers and not by others: one token of a completion.
    is_off = counted is not None and abs(usage.completion - counted) > n
    is_impossible = (
        usage.completion > n * (max_tokens + 1)
        or (usage.completion == 0 and any(choice.text for choice in reply.choices))
        or (usage.cached or 0) > usage.prompt
        or (prompt_tokens is not None and abs(usage.prompt - prompt_tokens) > 1)
    )
    if is_off or is_impossible:
        return WRONG
    return UNCHECKED if counted is None else CHECKED


def charge(reply: Reply, endings: list[Ending], max_tokens: int, trusted: str) -> Cost:
    """Return the tokens that a request for completions took.

    They are counted in the reply where it lists them. Otherwise the server's figure is taken, unless this
    reply or an earlier check (``trusted``) shows it wrong: then the number is unknown.

    Args:
        reply: The reply.
        endings: Its completions as they stand, in order; completions beyond them are of no use.
        max_tokens: What was allowed for each completion.
        trusted: How the server's figures did when they were checked.
    """
    is_usable = trusted != WRONG and judge(reply, max_tokens) in (CHECKED, UNCHECKED)
    usage = reply.usage if is_usable else Usage()
    counted = count_sampled(reply)
    sampled = usage.completion if counted is None else counted
    # Where the reply does not list its tokens all count as needed: nothing shows which are not.
    needed = _needed(endings) if counted is not None else None
    out = sampled if needed is None else needed
    ids = reply.choices[0].prompt_ids
    prompt = usage.prompt if ids is None else len(ids)
    return tokens_cost(prompt, usage.cached, out, None if sampled is None or out is None else sampled - out)


def charge_score(reply: Reply, n_ids: int | None) -> Cost:
    """Return the tokens that a request for log-probabilities took: all were read, one was sampled in vain.

    Args:
        reply: The reply; it lists the tokens of the prompt and the sampled one.
        n_ids: How many token ids were sent; None for a text.
    """
    listed = len(reply.choices[0].tokens or ())
    return tokens_cost(max(0, listed - 1) if n_ids is None else n_ids, reply.usage.cached, 0, 1)


def tokens_cost(prompt: int | None, cached: int | None, out: int | None, discarded: int | None) -> Cost:
    """Return a cost of tokens; prompt tokens from a cache are counted apart."""
    if prompt is not None and cached is not None:
        cached = min(cached, prompt)
    return Cost(
        tokens_in=None if prompt is None else prompt - (cached or 0),
        tokens_cached=cached,
        tokens_out=out,
        tokens_discarded=discarded,
        flops=None,
        seconds_engine=0.0,
        seconds_queue=0.0,
        seconds_sandbox=0.0,
        bytes_read=0,
        bytes_written=0,
    )


def _needed(endings: list[Ending]) -> int | None:
    """Count the tokens up to the ends of completions: what ran on behind a stop text is discarded."""
    counts = [ending.needed for ending in endings]
    return None if None in counts else sum(count or 0 for count in counts)
