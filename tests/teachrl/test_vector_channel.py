import socket

import pytest

from teachrl._vector.channel import Channel


@pytest.fixture
def ends():
    pair = [Channel(end) for end in socket.socketpair()]
    yield pair
    for end in pair:
        end.close()


def test_messages_arrive_whole_and_in_order(ends):
    for message in (b"", b"a", b"", b"b" * 30_000):
        ends[0].send(message)
    assert [ends[1].receive() for _ in range(4)] == [b"", b"a", b"", b"b" * 30_000]


def test_what_came_before_the_time_was_over_is_kept(ends):
    near, far = ends
    near.end.settimeout(0.01)
    whole = (5).to_bytes(8, "big") + b"hello"
    for start, stop in ((0, 3), (3, 8), (8, 10)):
        far.end.sendall(whole[start:stop])
        with pytest.raises(TimeoutError):
            near.receive()
    far.end.sendall(whole[10:])
    assert near.receive() == b"hello"


def test_a_closed_end_is_an_end_of_file(ends):
    ends[0].end.sendall(b"\0\0")
    ends[0].close()
    with pytest.raises(EOFError):
        ends[1].receive()
