"""A letter of what is new: plain text, and the same as HTML."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from calculemus.errors import InvalidParameterError
from calculemus.news.item import KINDS, Item, stamp
from calculemus.params import digest

SENDER = "Calculemus <calculemus@localhost>"
"""Who a letter is from where nobody is named."""

MOST = 200
"""Items that a letter tells in full."""

_PLAIN = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?"
_NAMED = re.compile(rf'(?P<name>"[^"\\]*"|[^"<>@,;:\\]*?)\s*<(?P<spec>{_PLAIN})>')
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]")
_STYLE = "font-family: sans-serif; max-width: 42em; line-height: 1.45"


def checked_address(text: str, what: str) -> Address:
    """Read an address of mail: ``a@example.org`` or ``Name <a@example.org>``.

    Args:
        text: The address.
        what: What it is for, as errors say it.

    Raises:
        InvalidParameterError: It is none; one with a line break is never one.
    """
    found = None if _CONTROL.search(text) else _NAMED.fullmatch(text.strip())
    if found is not None:
        return Address(found["name"].strip('"').strip(), addr_spec=found["spec"])
    if not _CONTROL.search(text) and re.fullmatch(_PLAIN, text.strip()):
        return Address(addr_spec=text.strip())
    raise InvalidParameterError(
        f"writing a digest {what} {text[:80]!r}: it is no address of mail; expected one such as "
        "a@example.org or 'Name <a@example.org>', in one line. Mend it"
    )


def letter(
    items: Sequence[Item],
    since: datetime,
    now: datetime,
    *,
    sender: Address | None = None,
    to: Sequence[Address] = (),
    address: Callable[[Item], str] | None = None,
) -> EmailMessage:
    """Return a letter.

    Args:
        items: What it tells, newest first.
        since: From when on it tells.
        now: When it is written.
        sender: Who it is from.
        to: Who it is for.
        address: Where more of an item is, as a whole address; None where no site is known.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = sender or checked_address(SENDER, "from")
    if to:
        made["To"] = list(to)
    made["Subject"] = subject(len(items), since)
    made["Date"] = format_datetime(now)
    sent_from = (sender.domain if sender else "") or "localhost"
    key = digest([stamp(now), stamp(since), [str(each) for each in to], [item.record() for item in items]])
    made["Message-ID"] = f"<{key}@{sent_from}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(as_text(items, since, address))
    made.add_alternative(_as_html(items, since, address), subtype="html")
    made.set_boundary(f"=_{key}")
    return made


def subject(n: int, since: datetime) -> str:
    """Return what a letter's subject says."""
    return f"Calculemus: {_counted(n)} since {since:%Y-%m-%d}"


def _counted(n: int) -> str:
    return "nothing new" if not n else f"{n:,} new item{'s' if n != 1 else ''}"


def _by_kind(items: Sequence[Item]) -> list[tuple[str, list[Item]]]:
    """Return the items that are told, under the headings of their kinds."""
    told = items[:MOST]
    groups = [(heading, [item for item in told if item.kind == kind]) for kind, heading in KINDS.items()]
    return [(heading, group) for heading, group in groups if group]


def _rest(n: int) -> str:
    return f"and {n - MOST:,} more; a later --since leaves fewer" if n > MOST else ""


def as_text(items: Sequence[Item], since: datetime, address: Callable[[Item], str] | None = None) -> str:
    """Return the items as plain text, under the headings of their kinds."""
    lines = [f"Since {since:%Y-%m-%d %H:%M} UTC: {_counted(len(items))}.", ""]
    for heading, group in _by_kind(items):
        lines += [heading, "=" * len(heading), ""]
        for item in group:
            lines += [f"{item.when}  {item.title}", f"    {item.text}"]
            lines += [f"    {address(item)}"] if address else []
            lines.append("")
    lines += [_rest(len(items))] if len(items) > MOST else []
    return "\n".join(lines).rstrip() + "\n"


def _as_html(items: Sequence[Item], since: datetime, address: Callable[[Item], str] | None) -> str:
    lines = [f"<p>Since {since:%Y-%m-%d %H:%M} UTC: {_counted(len(items))}.</p>"]
    for heading, group in _by_kind(items):
        lines += [f"<h2>{escape(heading)}</h2>", "<ul>"]
        for item in group:
            title = f"<strong>{escape(item.title)}</strong>"
            if address:
                title = f'<a href="{escape(address(item))}">{title}</a>'
            lines.append(f"<li><p>{escape(item.when)}: {title}<br>{escape(item.text)}</p></li>")
        lines.append("</ul>")
    lines += [f"<p>{_rest(len(items))}</p>"] if len(items) > MOST else []
    title = escape(subject(len(items), since))
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    return f'{head}\n<body style="{_STYLE}">\n<h1>{title}</h1>\n' + "\n".join(lines) + "\n</body></html>\n"
