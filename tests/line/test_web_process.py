"""The web process's own end of a connection."""

import socket

from rgbx_line.web.process import at_once


def test_an_answer_in_two_pieces_does_not_wait_for_an_acknowledgement() -> None:
    with (
        at_once(socket.create_server(("127.0.0.1", 0))) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        taken, _ = listener.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
