"""A listening socket for the server, made before it starts, so that "ready" can be said when it is true."""

from __future__ import annotations

import socket

from verification.errors import ConfigError

BACKLOG = 128


def listen(host: str, port: int) -> socket.socket:
    """Listen on host and port (0: any free one). Raises ConfigError where that cannot be.

    The protocol is named: asyncio turns Nagle's algorithm off only for sockets that say TCP, and without that each
    answer on a kept connection waits 40 ms for an acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as err:
        listener.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {err.strerror}; give another address as `listen`") from err
    return listener
