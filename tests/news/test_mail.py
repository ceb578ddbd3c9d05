"""Letters: headers that hold, both forms alike, addresses that smuggle nothing."""

import email
from datetime import UTC, datetime
from email import policy

import pytest

from calculemus.errors import InvalidParameterError
from calculemus.news import Item, checked_address, letter
from calculemus.news.mail import MOST
from calculemus.news.sending import read_place

SINCE, NOW = datetime(2026, 11, 13, tzinfo=UTC), datetime(2026, 11, 20, 12, tzinfo=UTC)


def item(number: int = 1, title: str = "Holds: a title", text: str = "A text.", kind: str = "result") -> Item:
    return Item(f"tag:x,2026:{number}", NOW, NOW, "2026-11-20", kind, title, text, "vote")


def read(message):
    return email.message_from_bytes(message.as_bytes(), policy=policy.default)


def test_a_letter_has_two_forms_of_the_same_items() -> None:
    items = [item(1), item(2, "From holds to undecided: x", kind="verdict")]
    got = read(letter(items, SINCE, NOW, address=lambda item: f"https://example.org/systems/{item.system}"))
    plain, html = (got.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for text in (plain, html):
        assert text.index("Changed verdicts") < text.index("New results")
        assert all(each.title in text and each.text in text for each in items)
        assert "https://example.org/systems/vote" in text
    assert got.get_content_type() == "multipart/alternative"


def test_the_headers_of_a_letter_are_whole() -> None:
    sender, to = checked_address("Ana <ana@example.org>", "from"), checked_address("bo@example.org", "to")
    got = read(letter([item()], SINCE, NOW, sender=sender, to=[to, checked_address("Cé <c@x.org>", "to")]))
    assert got["From"] == "Ana <ana@example.org>"
    assert [each.addr_spec for each in got["To"].addresses] == ["bo@example.org", "c@x.org"]
    assert got["To"].addresses[1].display_name == "Cé"
    assert got["Subject"] == "Calculemus: 1 new item since 2026-11-13"
    assert got["Date"].datetime == NOW
    assert got["Message-ID"].endswith("@example.org>")
    assert got.defects == []


def test_the_same_letter_is_made_of_the_same_bytes() -> None:
    assert letter([item()], SINCE, NOW).as_bytes() == letter([item()], SINCE, NOW).as_bytes()
    assert letter([item()], SINCE, NOW).as_bytes() != letter([item(2)], SINCE, NOW).as_bytes()


def test_no_line_of_a_letter_is_longer_than_mail_allows() -> None:
    lines = letter([item(title="é" * 300, text="x" * 4000)], SINCE, NOW).as_bytes().split(b"\r\n")
    assert max(map(len, lines)) <= 998


def test_a_hostile_title_is_text_in_both_forms() -> None:
    title = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} .\r\nBcc: x@y.z'
    got = read(letter([item(title=title, text=title)], SINCE, NOW))
    html = got.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    assert got["Bcc"] is None


def test_a_long_list_says_how_many_it_leaves_out() -> None:
    got = read(letter([item(n) for n in range(MOST + 7)], SINCE, NOW))
    for kind in ("plain", "html"):
        text = got.get_body((kind,)).get_content()
        assert text.count("Holds: a title") == MOST
        assert "and 7 more" in text


@pytest.mark.parametrize(
    "text", ["a@example.org", "Ana <a@example.org>", '"Ana, B." <a@b.c>', "<a@localhost>"]
)
def test_addresses_of_mail_are_read(text: str) -> None:
    assert checked_address(text, "to").addr_spec in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "a@b\nBcc: c@d",
        "a@b.c\r\n",
        "A\r\nBcc: x@y.z <a@b.c>",
        "a@b, c@d",
        "a@b@c",
        "a b@c",
        "é@example.org",
        "A <a@b> <c@d>",
        "A\u2028B <a@b.c>",
        "<script>@b",
        "a@b." + "c" * 300,
        "A\x00 <a@b.c>",
    ],
)
def test_what_is_no_address_of_mail_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="no address of mail; expected"):
        checked_address(text, "to")


@pytest.mark.parametrize(
    ("text", "tls", "place"),
    [
        ("mail.example.org", "starttls", ("mail.example.org", 587)),
        ("mail.example.org", "tls", ("mail.example.org", 465)),
        ("127.0.0.1:2525", "none", ("127.0.0.1", 2525)),
        ("[::1]:25", "none", ("::1", 25)),
        ("[::1]", "none", ("::1", 25)),
    ],
)
def test_a_place_has_a_port_or_gets_the_usual_one(text, tls, place) -> None:
    assert read_place(text, tls) == place


@pytest.mark.parametrize(
    "text", ["", ":25", "host:", "host:0", "host:99999", "host:x", "a b:25", "u@h:25", "h/x"]
)
def test_what_names_no_server_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="names no mail server; expected HOST:PORT"):
        read_place(text, "none")
