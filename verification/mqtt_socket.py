"""What each MQTT connection of ours asks of its socket."""

from __future__ import annotations

import socket
from typing import Any


def send_at_once(_client: object, _userdata: object, sock: Any) -> None:  # noqa: ANN401 - paho's type for it lacks setsockopt
    """Send small packets as they come: paho's `on_socket_open`, for a plain and for a TLS socket.

    Otherwise the kernel holds an acknowledgement back until the other side has confirmed what went before it (Nagle's
    algorithm, RFC 896), and the other side confirms some 40 ms later where it has nothing to send itself (delayed
    acknowledgement, RFC 1122, 4.2.3.2). The brokers of ours are told the same by `set_tcp_nodelay`.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
