"""What arrives is handed on in small pieces, and heads and pipelines have limits."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest
import uvloop

import api
from api.connections.connection import MAX_HEADERS, MAX_PIPELINED
from api.connections.small_reads import MIN_READ_BYTES, MOST_BYTES, TURN_SECONDS, reading_little
from tests.api.connections.echo import HEAD, answered, connect, echoing, rest

NEXT = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
LAST = NEXT + b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def port():
    with echoing() as (port, _):
        yield port


class Collector(asyncio.Protocol):
    def __init__(self, *, slow=False):
        self.slow = slow
        self.pieces = []
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.pieces.append(data)
        if self.slow:
            time.sleep(2 * TURN_SECONDS)

    def connection_lost(self, exc):
        self.ended.set_result(None)


async def sent_at_once(bodies, create=Collector):
    """The pieces in which the server gets each of these bodies, sent all at the same time."""
    loop, collectors = asyncio.get_running_loop(), []

    def created():
        collectors.append(create())
        return collectors[-1]

    server = await loop.create_server(reading_little(created), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()

    async def send(body):
        _, writer = await asyncio.open_connection(*address)
        writer.write(body)
        await writer.drain()
        writer.close()

    await asyncio.gather(*map(send, bodies))
    while len(collectors) < len(bodies):  # noqa: ASYNC110 - nobody tells of the last accepted one
        await asyncio.sleep(0)
    await asyncio.gather(*(each.ended for each in collectors))
    server.close()
    return [each.pieces for each in collectors]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_no_piece_is_large_and_no_byte_is_of_another_connection(run):
    bodies = [bytes([number]) * (300_000 + number) for number in range(20)]

    found = run(sent_at_once(bodies))

    assert max(len(piece) for pieces in found for piece in pieces) <= MOST_BYTES
    assert sorted(b"".join(pieces) for pieces in found) == bodies


def test_pieces_become_small_when_each_takes_long():
    [pieces] = uvloop.run(sent_at_once([b"a" * 100_000], create=lambda: Collector(slow=True)))

    assert {len(piece) for piece in pieces[1:-1]} == {MIN_READ_BYTES}


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_connections_take_turns(run):
    order = []

    class Marked(Collector):
        def data_received(self, data):
            super().data_received(data)
            order.append(self)

    run(sent_at_once([b"a" * 200_000] * 2, create=lambda: Marked(slow=True)))

    changes = sum(first is not second for first, second in pairwise(order[5:-5]))
    assert changes > len(order) / 4


def test_a_request_has_so_many_headers_and_no_more(port):
    fill = b"A: b\r\n"

    within = answered(rest(connect(port, LAST[:-2] + fill * (MAX_HEADERS - 2) + b"\r\n")))
    status, problem = answered(rest(connect(port, LAST[:-2] + fill * (MAX_HEADERS - 1) + b"\r\n")))

    assert within[0] == 200
    assert (status, problem["code"]) == (431, "headers_too_large")
    assert "256 headers" in problem["detail"]


def test_requests_that_wait_behind_another_are_answered_in_order(port):
    sent = b"".join(
        HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size for size in range(MAX_PIPELINED)
    )

    responses = rest(connect(port, sent + LAST))

    bodies = [part.rpartition(b"\r\n")[2] for part in responses.split(b"HTTP/1.1 200 OK")[1:]]
    assert responses.count(b"HTTP/1.1 200 OK") == MAX_PIPELINED + 1
    assert bodies == [] or all(b"%d" % size in responses for size in range(MAX_PIPELINED))


def test_a_connection_with_too_many_waiting_requests_is_closed(port):
    hold = b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n"

    assert rest(connect(port, hold + (NEXT + b"\r\n") * (MAX_PIPELINED + 1))) == b""
    assert answered(rest(connect(port, LAST)))[0] == 200


def test_nobody_uses_the_slow_reader_of_cookies():
    """`http.cookies` before Python 3.11.10 takes the square of the length of a quoted value."""
    sources = [path.read_text() for path in Path(api.__file__).parent.rglob("*.py")]
    assert not [
        text for text in sources if "request.cookies" in text.replace("`request.cookies", "")
    ]
