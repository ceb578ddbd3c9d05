"""``calculemus digest`` against real mail servers on loopback: with TLS, with logins, and refusing."""

import email
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from calculemus import cli
from calculemus.claims import history
from calculemus.news import gathering
from calculemus.store import Store


class Inbox:
    """Takes letters, but for what is addressed to nobody."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.receivers: list[list[str]] = []
        self.refuses: dict[str, str] = {}

    async def handle_MAIL(self, server, session, envelope, address, options):  # aiosmtpd's name
        if "MAIL" in self.refuses:
            return self.refuses["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # aiosmtpd's name
        if address.startswith("nobody"):
            return "550 no such <mailbox>\x07 here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # aiosmtpd's name
        if "DATA" in self.refuses:
            return self.refuses["DATA"]
        self.receivers.append(envelope.rcpt_tos)
        read = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        self.letters.append(read)
        return "250 taken"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def serve(inbox: Inbox) -> Iterator[Callable[..., str]]:
    """Start a mail server; returns its place."""
    running: list[Controller] = []

    def start(**settings) -> str:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        started = Controller(inbox, hostname="127.0.0.1", port=port, **settings)
        started.start()
        running.append(started)
        return f"127.0.0.1:{port}"

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate that signs itself for 127.0.0.1, trusted as this machine trusts any other."""
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    asked = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    asked += ["-keyout", str(key), "-out", str(made), "-days", "2", "-subj", "/CN=localhost"]
    asked += ["-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(asked, check=True, capture_output=True)
    except OSError:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    return context


def result(name: str = "vote", **changed: object) -> dict:
    made = {"id": name, "title": f"About {name}", "claim": "C.", "verdict": "holds", "size": "small"}
    return made | {"model": "tiny", "version": "1", "date": "2026-11-01", "effects": []} | changed


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (history, gathering):
        monkeypatch.setattr(module, "MEASURED", tmp_path / "measured.json")
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"CALCULEMUS_SMTP_{name}", raising=False)
    path = tmp_path / "store.db"
    monkeypatch.setenv("CALCULEMUS_STORE", str(path))
    with Store.open(path) as opened:
        opened.add_claim("vote", result())
        opened.add_claim("vote", result(verdict="undecided", date="2026-11-02"))
    return path


def digest(capsys: pytest.CaptureFixture[str], *tokens: object, status: int = 0) -> str:
    """Run the command, from October on unless it says more; return what it said, or why it failed."""
    told = [] if "--since" in tokens else ["--since", "2026-10"]
    assert cli.run(["digest", *told, *map(str, tokens)]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def texts(message: EmailMessage) -> dict[str, str]:
    """Return both forms of a letter, by kind."""
    bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    return {kind: body.get_content().replace("\r\n", "\n") for kind, body in bodies.items() if body}


def read(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_without_a_place_to_go_the_digest_is_printed(capsys) -> None:
    said = digest(capsys)
    assert said.index("From holds to undecided: About vote") < said.index("Holds: About vote")


def test_a_file_opens_as_a_letter_with_every_item(capsys, tmp_path) -> None:
    out = tmp_path / "digest.eml"
    said = digest(capsys, "--out", out, "--to", "ana@example.org", "--address", "https://example.org/c/")
    assert said == f"wrote {out}: 2 items since 2026-10-01\n"
    letter = read(out)
    assert letter["To"] == "ana@example.org"
    for text in texts(letter).values():
        assert "From holds to undecided: About vote" in text
        assert "https://example.org/c/systems/vote" in text


def test_machines_get_the_items_as_json(capsys) -> None:
    assert [item["kind"] for item in json.loads(digest(capsys, "--json"))] == ["verdict", "result"]


def test_nothing_new_is_said_and_nothing_is_made(capsys, tmp_path, serve, inbox) -> None:
    out, place = tmp_path / "digest.eml", serve()
    sending = ("--out", out, "--smtp", place, "--tls", "none", "--to", "a@b.org")
    said = digest(capsys, *sending, "--since", "2026-11-20")
    assert said == "Nothing is new since 2026-11-20 00:00 UTC; no letter was made.\n"
    assert not out.exists()
    assert inbox.letters == []
    digest(capsys, *sending, "--even-if-empty", "--since", "2026-11-20")
    assert read(out)["Subject"] == inbox.letters[0]["Subject"] == "Calculemus: nothing new since 2026-11-20"


def test_the_letter_that_arrives_is_the_one_that_was_written(capsys, tmp_path, serve, inbox) -> None:
    out, place = tmp_path / "digest.eml", serve()
    people = ("--to", "ana@example.org", "--to", "Bo <bo@example.org>", "--from", "me@example.org")
    said = digest(capsys, "--out", out, "--smtp", place, "--tls", "none", *people)
    assert f"sent to ana@example.org, bo@example.org through {place}: 2 items" in said
    (arrived,), written = inbox.letters, read(out)
    assert inbox.receivers == [["ana@example.org", "bo@example.org"]]
    assert texts(arrived) == texts(written)
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert arrived[name] == written[name]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_server_that_takes_letters_by_tls_alone_gets_them_so(
    capsys, serve, inbox, certificate, tls
) -> None:
    by_tls = {"tls_context": certificate, "require_starttls": True}
    place = serve(**by_tls) if tls == "starttls" else serve(ssl_context=certificate)
    digest(capsys, "--smtp", place, "--tls", tls, "--to", "a@b.org")
    assert len(inbox.letters) == 1


def test_a_login_comes_from_the_environment_alone(capsys, serve, inbox, certificate, monkeypatch) -> None:
    seen = []

    def check(server, session, envelope, mechanism, data) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"open sesame", handled=False)

    place = serve(tls_context=certificate, authenticator=check, auth_required=True)
    sending = ("--smtp", place, "--to", "a@b.org")
    error = digest(capsys, *sending, status=2)
    assert "530" in error
    assert "CALCULEMUS_SMTP_USER" in error
    monkeypatch.setenv("CALCULEMUS_SMTP_USER", "ana")
    monkeypatch.setenv("CALCULEMUS_SMTP_PASSWORD", "wrong one")
    error = digest(capsys, *sending, status=2)
    assert f"through {place}: it refused the login of 'ana' (535" in error
    assert "wrong one" not in error
    monkeypatch.setenv("CALCULEMUS_SMTP_PASSWORD", "open sesame")
    digest(capsys, *sending)
    assert len(inbox.letters) == 1
    assert (b"ana", b"open sesame") in seen


def test_a_password_never_goes_over_a_network_in_the_clear(capsys, monkeypatch) -> None:
    monkeypatch.setenv("CALCULEMUS_SMTP_USER", "ana")
    error = digest(capsys, "--smtp", "mail.example.org", "--to", "a@b.org", status=2)
    assert "found CALCULEMUS_SMTP_USER without CALCULEMUS_SMTP_PASSWORD" in error
    monkeypatch.setenv("CALCULEMUS_SMTP_PASSWORD", "secret")
    error = digest(capsys, "--smtp", "mail.example.org", "--tls", "none", "--to", "a@b.org", status=2)
    assert "in the clear" in error
    assert "secret" not in error


def test_a_certificate_that_nobody_trusts_is_refused(capsys, serve, inbox, certificate, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    place = serve(tls_context=certificate)
    assert "certificate is not trusted" in digest(capsys, "--smtp", place, "--to", "a@b.org", status=2)
    assert not inbox.letters


@pytest.mark.parametrize(
    ("tls", "said"), [("starttls", "offers no STARTTLS; expected a way"), ("tls", "TLS failed")]
)
def test_a_server_without_tls_is_told_from_others(capsys, serve, inbox, tls, said) -> None:
    assert said in digest(capsys, "--smtp", serve(), "--tls", tls, "--to", "a@b.org", status=2)
    assert inbox.letters == []


def test_a_login_at_a_server_that_takes_none_says_so(capsys, serve, monkeypatch) -> None:
    for name in ("USER", "PASSWORD"):
        monkeypatch.setenv(f"CALCULEMUS_SMTP_{name}", "ana")
    error = digest(capsys, "--smtp", serve(), "--tls", "none", "--to", "a@b.org", status=2)
    assert "takes no login" in error


def test_who_is_refused_is_named(capsys, serve, inbox) -> None:
    place = serve()
    sending = ("--smtp", place, "--tls", "none", "--to", "nobody@b.org")
    error = digest(capsys, *sending, status=2)
    assert "refused every receiver: nobody@b.org: 550 no such <mailbox> here" in error
    error = digest(capsys, *sending, "--to", "a@b.org", status=2)
    assert "sent, but not to everybody: nobody@b.org: 550" in error
    assert inbox.receivers == [["a@b.org"]]


@pytest.mark.parametrize(
    ("step", "said"), [("MAIL", "refused the sender"), ("DATA", "did not take the letter (552 too big)")]
)
def test_a_server_that_refuses_is_quoted(capsys, serve, inbox, step, said) -> None:
    inbox.refuses[step] = "552 too big"
    error = digest(capsys, "--smtp", serve(), "--tls", "none", "--to", "a@b.org", status=2)
    assert said in error
    assert "552 too big" in error


def test_nobody_there_is_an_error_with_what_to_check(capsys) -> None:
    error = digest(capsys, "--smtp", "127.0.0.1:1", "--to", "a@b.org", status=2)
    assert re.search("127.0.0.1:1: cannot connect: .*Check --smtp", error)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["--to", "a@b.org\nBcc: c@d.org"], "no address of mail"),
        (["--from", "a@b.org\r\nX: y"], "no address of mail"),
        (["--smtp", "localhost:25"], "found no --to"),
        (["--smtp", "localhost:x", "--to", "a@b.org"], "names no mail server"),
        (["--address", "javascript:alert(1)"], "no address of a site"),
        (["--address", "https://x.org/\nBcc: a"], "no address of a site"),
        (["--address", "http://[::1"], "no address of a site"),
        (["--since", "soon"], "neither a duration nor a date"),
        (["--out", "nowhere/digest.eml"], "there is no folder 'nowhere'"),
        (["--path", "nowhere"], "found nothing at nowhere"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(capsys, tmp_path, monkeypatch, tokens, said) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in digest(capsys, *tokens, status=2)
    assert not list(tmp_path.glob("*.eml"))


def test_hostile_results_are_text_in_the_letter_and_the_terminal(capsys, tmp_path, store) -> None:
    title = (
        '<script>alert(1)</script>\x1b[2J\x00\r\nBcc: x@y.org "><img src=x onerror=alert(1)> \u202e{{7*7}}'
    )
    with Store.open(store) as opened:
        opened.add_claim("mbr", result("mbr", title=title, claim=title * 1000, date="2026-11-03"))
    out = tmp_path / "digest.eml"
    digest(capsys, "--out", out)
    letter = read(out)
    assert letter["Bcc"] is None
    assert not re.search("<(script|img)", texts(letter)["html"])
    said = digest(capsys)
    assert not any(sign in said for sign in "\x1b\x00\u202e")
    assert "Holds: <script>alert(1)</script>[2J Bcc: x@y.org" in said
