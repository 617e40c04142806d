"""The transport of a worker's parent keeps its Redis client, and a lost connection ends it."""

from __future__ import annotations

import pytest


@pytest.fixture
def connection(worker_app):
    with worker_app.connection_for_read() as connection:
        yield connection


def test_messages_are_received_and_acknowledged_by_one_client(connection, redis):
    queue = connection.SimpleQueue("a-queue")
    made = {id(queue.channel._create_client()) for _ in range(3)}
    for number in range(3):
        queue.put({"number": number})

    received = []
    for _ in range(3):
        message = queue.get(timeout=10)
        received.append(message.payload["number"])
        message.ack()
    made.add(id(queue.channel._create_client()))
    queue.close()

    assert (received, len(made)) == ([0, 1, 2], 1)
    assert redis.hlen("unacked") == 0


def test_a_new_pool_of_connections_gets_a_new_client(connection):
    channel = connection.default_channel
    first = channel._create_client()

    channel._disconnect_pools()
    second = channel._create_client()

    assert second is not first
    assert second.ping()
