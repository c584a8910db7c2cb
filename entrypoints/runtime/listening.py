"""Sockets to listen on."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import ip_address

from ...adapters.system.settings import InvalidSetting

# Connections that wait to be accepted.
BACKLOG = 16_384
_PORT_ERRNOS = (errno.EADDRINUSE, errno.EACCES)


def listen(
    host: str, port: int, host_setting: str = "HOST", port_setting: str = "PORT"
) -> socket.socket:
    """A socket that listens there. Raises InvalidSetting, which blames the one or the other.

    Whether somebody else already does shows only when one listens, not when one binds.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        blamed = port_setting if error.errno in _PORT_ERRNOS else host_setting
        # Not `strerror`, to which `create_server` adds the address.
        problem = os.strerror(error.errno) if error.errno else error
        raise InvalidSetting(blamed, f"cannot listen on {host}:{port}: {problem}") from error
    except TypeError as error:
        # From the encoding of international names.
        raise InvalidSetting(host_setting, "is no name of a host") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(ip_address(address[0]).is_loopback for *_, address in found)


def require_free_port(
    host: str, port: int, host_setting: str = "HOST", port_setting: str = "PORT"
) -> None:
    """Raise InvalidSetting unless they can be listened on."""
    listen(host, port, host_setting, port_setting).close()
