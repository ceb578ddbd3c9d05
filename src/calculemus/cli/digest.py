"""``calculemus digest``: what is new, as a letter that is written, sent or printed."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from cyclopts import Parameter

from calculemus.catalog import read_catalog
from calculemus.cli.catalog import Folders, warn_of_faults
from calculemus.cli.listening import is_loopback
from calculemus.cli.output import check_place, print_json, print_text
from calculemus.errors import InvalidParameterError
from calculemus.files import replacing
from calculemus.news import Item, as_text, checked_address, gather, letter, parse_since
from calculemus.news import since as only_since
from calculemus.news.sending import Server, Tls, read_place, send
from calculemus.store import Store, default_store_path

_USER, _PASSWORD = "CALCULEMUS_SMTP_USER", "CALCULEMUS_SMTP_PASSWORD"


def digest(
    *,
    since: str = "7d",
    out: Path | None = None,
    to: tuple[str, ...] = (),
    sender: Annotated[str | None, Parameter(name="--from")] = None,
    smtp: str | None = None,
    tls: Tls = "starttls",
    address: str | None = None,
    even_if_empty: bool = False,
    path: Folders = (),
    store: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Tell what is new: results of claims, changed verdicts, systems and runs.

    Prints it, writes it to a file that mail readers open, or sends it. Where a mail server wants a login,
    CALCULEMUS_SMTP_USER and CALCULEMUS_SMTP_PASSWORD have it. Nothing is remembered: the same command tells
    the same again.

    Args:
        since: From when on: 36h, 7d, 2w, or a date such as 2026-11-01.
        out: Write the letter to this file, such as digest.eml.
        to: Who the letter is for; may be given several times.
        sender: Who it is from.
        smtp: Send it through this mail server, as HOST:PORT.
        tls: How to encrypt: starttls, tls from the first byte, or none.
        address: Where a site of 'calculemus web' can be reached; items then link to it.
        even_if_empty: Write and send it where nothing is new, too.
        path: A folder with cards of your own, or a card.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        as_json: Print JSON.
    """
    # All that can be wrong with the command is told before the letter is made.
    now = datetime.now(UTC)
    begin = parse_since(since, now)
    sent_from, receivers = _people(sender, to)
    server = None if smtp is None else _server(smtp, tls, receivers)
    link = None if address is None else _links(address)
    if out is not None:
        check_place(out, "writing the digest")
    items = _news(begin, path, store or default_store_path())
    if as_json:
        print_json([item.record() for item in items])
    if not items and not even_if_empty:
        if not as_json:
            print_text(f"Nothing is new since {begin:%Y-%m-%d %H:%M} UTC; no letter was made.")
        return
    message = letter(items, begin, now, sender=sent_from, to=receivers, address=link)
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_bytes(message.as_bytes())
    if server is not None:
        send(message, server)
    if not as_json:
        _tell(items, begin, link, out, server, receivers)


def _tell(
    items: Sequence[Item],
    begin: datetime,
    link: Callable[[Item], str] | None,
    out: Path | None,
    server: Server | None,
    receivers: Sequence[Address],
) -> None:
    counted = f"{len(items):,} item{'s' if len(items) != 1 else ''} since {begin:%Y-%m-%d}"
    if out is not None:
        print_text(f"wrote {out}: {counted}")
    if server is not None:
        names = ", ".join(each.addr_spec for each in receivers)
        print_text(f"sent to {names} through {server}: {counted}")
    if out is None and server is None:
        for line in as_text(items, begin, link).splitlines():
            print_text(line)


def _people(sender: str | None, to: Sequence[str]) -> tuple[Address | None, list[Address]]:
    sent_from = None if sender is None else checked_address(sender, "from")
    return sent_from, [checked_address(each, "to") for each in to]


def _news(begin: datetime, path: Sequence[Path], store: Path) -> list[Item]:
    catalog = read_catalog(*path)
    warn_of_faults(catalog)
    if not store.is_file():
        return only_since(gather(catalog), begin)
    with closing(Store.open(store, create=False, readonly=True)) as opened:
        return only_since(gather(catalog, opened), begin)


def _server(smtp: str, tls: Tls, receivers: Sequence[Address]) -> Server:
    """Settle the mail server.

    Raises:
        InvalidParameterError: It is none, nobody is to get the letter, or a password would go in the clear.
    """
    host, port = read_place(smtp, tls)
    user, password = os.environ.get(_USER) or None, os.environ.get(_PASSWORD)
    if not receivers:
        raise InvalidParameterError(
            f"sending the digest through {smtp}: found no --to; expected who it is for. Add --to ADDRESS"
        )
    if (user is None) != (not password):
        found, missing = (_USER, _PASSWORD) if user else (_PASSWORD, _USER)
        raise InvalidParameterError(
            f"sending the digest through {smtp}: found {found} without {missing}; expected both or none. "
            f"Set {missing}"
        )
    if user is not None and tls == "none" and not is_loopback(host):
        raise InvalidParameterError(
            f"sending the digest through {smtp}: the password would go over the network in the clear; "
            f"expected --tls starttls or tls. Change it, or unset {_USER}"
        )
    return Server(host, port, tls, user, password or None)


def _links(address: str) -> Callable[[Item], str]:
    """Return where more of an item is on a site.

    Raises:
        InvalidParameterError: The address is none of a site.
    """
    try:
        parts = urlsplit(address)
        is_site = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_site = False
    if not is_site or not address.isprintable() or " " in address or "?" in address or "#" in address:
        raise InvalidParameterError(
            f"writing a digest with links to {address[:80]!r}: it is no address of a site; expected one such "
            "as https://example.org/calculemus/. Mend --address"
        )
    base = address.rstrip("/")
    return lambda item: f"{base}/systems/{quote(item.system)}" if item.system else f"{base}/news"
