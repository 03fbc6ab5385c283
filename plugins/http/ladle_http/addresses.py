"""Where a host is, and whether that is a place of the public internet."""

from __future__ import annotations

import ipaddress
import socket

_METADATA = {ipaddress.ip_address("168.63.129.16")}  # a cloud's service at an address that looks public
_SPECIAL = [ipaddress.ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")]
"""What not every Python knows to be no part of the public internet."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # in which the last four bytes are an address of IPv4
_ASSIGNED = ipaddress.ip_network("2000::/3")  # what there is of the public internet in IPv6


class AddressError(Exception):
    """A host is where a recipe may not ask by itself."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, the best first. Raises socket.gaierror if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a part of the name is empty, or too long
        raise socket.gaierror(socket.EAI_NONAME, "no host can be called so") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_public(host: str, addresses: list[str]) -> None:
    """Raises AddressError if one of a host's addresses is not of the public internet."""
    for address in addresses:
        if kind := private_kind(address):
            where = "" if address == host else f"at {address}, "
            raise AddressError(f"`{host}` is {where}{kind}")


def private_kind(address: str) -> str | None:
    """What an address is, if it is not one of the public internet: "a private address", for example."""
    ip = _meant(ipaddress.ip_address(address))
    kinds = {
        "a loopback address (this machine)": ip.is_loopback or ip.is_unspecified,
        "a link-local address": ip.is_link_local,
        "a multicast address": ip.is_multicast,
        "the address of a cloud's metadata": ip in _METADATA,
        "a private address": not ip.is_global
        or (ip.version == 6 and ip not in _ASSIGNED)
        or any(ip in network for network in _SPECIAL),
    }
    return next((kind for kind, is_so in kinds.items() if is_so), None)


def _meant(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address of IPv4 that one of IPv6 stands for, if it does."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
