"""The network of a client: what limits count, because one client may have a whole IPv6 network."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network


def network(address: str, bits: int = 64) -> str:
    """Return the network of one client: an IPv4 address, or ``bits`` of an IPv6 address."""
    try:
        client = IPv6Address(address)
    except AddressValueError:
        return address
    mapped: IPv4Address | None = client.ipv4_mapped
    return str(mapped or IPv6Network((int(client) >> (128 - bits) << (128 - bits), bits)))
