"""Addresses that commands listen at."""

import ipaddress
import socket

from calculemus.errors import InvalidParameterError


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def shown_host(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def listen(host: str, port: int, doing: str) -> socket.socket:
    """Return a socket at an address, so that a port in use is told before anything is loaded.

    Raises:
        InvalidParameterError: The address is not of this machine, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise InvalidParameterError(
            f"{doing} at {host}, port {port}: {error}; expected an address of this machine and a free port. "
            "Choose another --port, or 0 for a free one"
        ) from error
