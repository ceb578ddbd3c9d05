"""Handing a letter to a mail server."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

from calculemus.errors import InvalidParameterError, MailError
from calculemus.news.item import clean

Tls = Literal["starttls", "tls", "none"]
PORTS: dict[Tls, int] = {"starttls": 587, "tls": 465, "none": 25}
_LOGIN = "CALCULEMUS_SMTP_USER and CALCULEMUS_SMTP_PASSWORD"
_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """A mail server, and how to speak with it.

    Attributes:
        host: Its name or address.
        port: Its port.
        tls: ``starttls`` changes to TLS after the first words, ``tls`` begins with it, ``none`` has none.
        user: Name to log in with; None for no login.
        password: Its password.
    """

    host: str
    port: int
    tls: Tls = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_place(text: str, tls: Tls) -> tuple[str, int]:
    """Read ``HOST``, ``HOST:PORT`` or ``[ADDRESS]:PORT``; the port follows from ``tls`` where none is named.

    Raises:
        InvalidParameterError: It is none of these.
    """
    whole = text.strip()
    host, _, port = whole.rpartition(":") if ":" in whole.rpartition("]")[2] else (whole, "", "")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    is_name = bool(host) and host.isascii() and not any(sign.isspace() or sign in "/@[]" for sign in host)
    is_port = not port or (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536)
    if not is_name or not is_port or whole.endswith(":"):
        raise InvalidParameterError(
            f"sending a digest through {text[:80]!r}: it names no mail server; expected HOST:PORT, such as "
            "mail.example.org:587. Mend --smtp"
        )
    return host, int(port) if port else PORTS[tls]


def send(message: EmailMessage, server: Server) -> None:
    """Hand a letter to a mail server for all that it names as receivers.

    Raises:
        MailError: The server cannot be reached, speaks no TLS, or refuses the login, the sender, a receiver
            or the letter; the text says which.
    """
    doing = f"sending the digest through {server}"
    try:
        # Both branches trust the machine's certificates alone, and check the name.
        talk = _connect(server)
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"{doing}: {_why_no_talk(error, server)}") from error
    try:
        if server.user is not None:
            talk.login(server.user, server.password or "")
        refused = talk.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise MailError(f"{doing}: {_why_refused(error, server)}") from error
    finally:
        # The letter is taken or not by now; a farewell that fails changes nothing.
        with suppress(OSError, smtplib.SMTPException):
            talk.quit()
    if refused:
        raise MailError(f"{doing}: sent, but not to everybody: {_receivers(refused)}. Mend these addresses")


def _connect(server: Server) -> smtplib.SMTP:
    if server.tls == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_SECONDS, context=context)
    talk = smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
    try:
        if server.tls == "starttls":
            talk.starttls(context=ssl.create_default_context())
    except BaseException:
        talk.close()
        raise
    return talk


def _why_no_talk(error: Exception, server: Server) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({clean(error.verify_message, 200)}); expected one that this "
            f"machine trusts, for the name {server.host}. Name the server as its certificate does"
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return (
            "it offers no STARTTLS; expected a way to encrypt. Try --tls tls with its port (465 at most "
            "places), or --tls none on a network that you trust"
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed ({clean(error.reason or error, 200)}); expected a server that speaks TLS there. "
            "Try --tls starttls, or the port that the server has for --tls tls"
        )
    if isinstance(error, smtplib.SMTPException):
        return f"found no mail server there ({_reply(error)}); expected a greeting. Check --smtp and --tls"
    return f"cannot connect: {clean(error, 200)}; expected a mail server there. Check --smtp and the network"


def _why_refused(error: Exception, server: Server) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return (
            f"it refused the login of '{server.user}' ({_reply(error)}); expected a name and password that "
            f"it knows. Check {_LOGIN}"
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it takes no login; expected one, since a user is set. Try --tls starttls, or unset " + _LOGIN
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return (
            f"it refused every receiver: {_receivers(error.recipients)}. Mend --to, or log in: set {_LOGIN}"
        )
    if isinstance(error, smtplib.SMTPSenderRefused):
        needs_login = error.smtp_code in (530, 535) and server.user is None
        hint = f"Set {_LOGIN}" if needs_login else "Mend --from"
        return f"it refused the sender '{error.sender}' ({_reply(error)}); expected one that may send. {hint}"
    return (
        f"it did not take the letter ({_reply(error)}); expected '250'. Ask who runs the server, or try later"
    )


def _reply(error: Exception) -> str:
    """Write what a server said, which is a stranger's text."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        return f"{error.smtp_code} {clean(text, 200)}".strip()
    return clean(error, 200) or type(error).__name__


def _receivers(refused: dict[str, tuple[int, bytes]]) -> str:
    some = list(refused.items())[:5]
    return "; ".join(
        f"{name}: {code} {clean(said.decode('utf-8', 'replace'), 120)}" for name, (code, said) in some
    )
