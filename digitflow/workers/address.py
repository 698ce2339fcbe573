"""A scheduler's address, and whether it is safe to talk to."""

import ipaddress
from urllib.parse import urlsplit

from digitflow.errors import InputError

CLUSTER_VARIABLE = "DIGITFLOW_CLUSTER"
SAFETY = (
    "whoever reaches an open scheduler can run programs on all of its machines. Beyond this "
    "machine give it certificates and a tls:// address, see docs/cluster.md"
)


def check_address(address: str) -> str:
    """Return a scheduler's address if it is safe to talk to.

    Raises
    ------
    InputError
        If it is none, or open to others than this machine.
    """
    parts = urlsplit(address)
    try:
        known = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:  # no number, or none of a port
        known = False
    if not known:
        raise InputError(
            f"a scheduler's address is like tcp://127.0.0.1:8786 or tls://host:8786, "
            f"got {address!r}"
        )
    if parts.scheme == "tcp" and not is_loopback(parts.hostname or ""):
        raise InputError(f"refused {address}: {SAFETY}")
    return address


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a host's name or address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
