"""Connections to addresses that members type: never into the operator's own network.

A name is resolved once, each address is judged, and the connection goes to one that was judged: a name that means
something else a moment later changes nothing. ``PLI_ALLOWED_NETWORKS`` names private networks that are meant to be
reached.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ways of writing an IPv4 address as an IPv6 address, and where it stands in them.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(OSError):
    """The name leads to an address that nobody outside may make us connect to."""


class HttpError(OSError):
    """The answer cannot be used; the message says why."""


class UnansweredError(HttpError):
    """The request left, wholly or in part, and no answer came: nobody knows whether it was taken."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def is_allowed(address: Address) -> bool:
    """Whether we may connect to an address on somebody else's word."""
    address = _unwrapped(address)
    if any(address.version == network.version and address in network for network in _allowed_networks()):
        return True
    return address.is_global and not address.is_multicast


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _allowed_networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text, strict=False) for text in settings.ALLOWED_NETWORKS]


def checked_addresses(host: str, port: int) -> list[str]:
    """The addresses behind a name that we may connect to; AddressRefusedError when there are only others."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        # Without the number of the error, which says nothing to people.
        words = getattr(error, "strerror", None) or error
        raise OSError(_("%(host)s has no address: %(words)s") % {"host": host, "words": words}) from error
    # A link-local address may carry the name of an interface.
    addresses = [str(entry[4][0]) for entry in found]
    good = [address for address in addresses if is_allowed(ipaddress.ip_address(address.partition("%")[0]))]
    if not good:
        raise AddressRefusedError(
            _(
                "%(host)s is %(address)s, an address inside a private network. "
                "Pli connects there only if its operator allows it."
            )
            % {"host": host, "address": addresses[0]}
        )
    return list(dict.fromkeys(good))


def open_socket(host: str, port: int, *, timeout: float) -> socket.socket:
    """A connection to one of the addresses that were judged; OSError when there is none."""
    failure: OSError | None = None
    for address in checked_addresses(host, port):
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


class SafeHttpConnection(http.client.HTTPConnection):
    """Standard library's HTTP, over a judged address."""

    def connect(self) -> None:
        self.sock = open_socket(self.host, self.port, timeout=self.timeout or 10.0)


class SafeHttpsConnection(http.client.HTTPSConnection):
    """The same over TLS, verified."""

    def connect(self) -> None:
        plain = open_socket(self.host, self.port, timeout=self.timeout or 10.0)
        try:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def fetch(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    largest: int = 1_000_000,
) -> HttpAnswer:
    """One request. No redirect is followed, no more than ``largest`` bytes are read.

    OSError when it fails: UnansweredError when it may have arrived, another one when nothing left.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise HttpError(_("This is not an address that can be asked: %(url)s") % {"url": url})
    kind = SafeHttpsConnection if parts.scheme == "https" else SafeHttpConnection
    connection = kind(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # Until here nothing has left.
    connection.connect()
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        content = response.read(largest + 1)
    except (http.client.HTTPException, OSError) as error:
        raise UnansweredError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if len(content) > largest:
        raise UnansweredError(_("The answer is longer than %(bytes)s bytes.") % {"bytes": largest})
    return HttpAnswer(response.status, dict(response.headers.items()), content)
