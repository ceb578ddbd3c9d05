"""Where an endpoint is, which of its models is meant, and how its key stays out of every text."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from calculemus.errors import InvalidParameterError

_EXPECTED = "expected an address such as http://127.0.0.1:8000/v1#model"


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint and a model behind it.

    Attributes:
        base: What the paths are put behind, for example ``http://127.0.0.1:8000/v1``.
        model: The model's name; None where the endpoint is to be asked for its only one.
    """

    base: str
    model: str | None

    @property
    def name(self) -> str:
        """Address and model as people write them."""
        return self.base if self.model is None else f"{self.base}#{self.model}"

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine: no proxy stands between."""
        host = urlsplit(self.base).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def read_address(text: str) -> Address:
    """Read an address.

    Raises:
        InvalidParameterError: Not an address, or one with a password or a key in it; the message shows
            neither.
    """
    where, _, model = text.partition("#")
    try:
        parts = urlsplit(where)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or a bracket that is not closed
        raise InvalidParameterError(f"HttpEngine: the address cannot be read; {_EXPECTED}") from None
    if parts.username is not None or parts.password is not None or parts.query:
        raise InvalidParameterError(
            f"HttpEngine: the address for '{parts.hostname}' holds a user name, a password or a query; "
            f"{_EXPECTED}. Give a key by the environment variable CALCULEMUS_API_KEY"
        )
    if not usable:
        raise InvalidParameterError(f"HttpEngine: the address is {where!r}; {_EXPECTED}")
    return Address(where.rstrip("/"), model or None)


def check_key(key: str | None) -> str | None:
    """Return a key that a header can carry.

    Raises:
        InvalidParameterError: Signs in it that no header carries; the message does not show it.
    """
    if key is not None and not re.fullmatch(r"[!-~]+", key):
        raise InvalidParameterError(
            f"HttpEngine: the key has {len(key)} signs, some of which are blanks, line ends or not ASCII, or "
            "none at all; expected one word. Copy it again into CALCULEMUS_API_KEY"
        )
    return key


def without_key(text: str, key: str | None) -> str:
    """Return a text with the key struck out: servers quote what they refuse."""
    return text.replace(key, "[key]") if key else text
