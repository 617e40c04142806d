"""Records what programs send to PostgreSQL: a proxy on a socket of its own reads the protocol.

So it sees what the server executes, whatever library sends it: also BEGIN and COMMIT, which
SQLAlchemy's events do not show, and how many round trips the statements take.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES = 65_536
PROTOCOL_3 = 196_608
"""Version 3.0; other startup packets ask for encryption, or cancel a query."""
LAST_PROTOCOL = PROTOCOL_3 + 65_536
TRANSACTION_COMMANDS = (
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "START",
    "SAVEPOINT",
    "RELEASE",
    "DEALLOCATE",
)


@dataclass(frozen=True)
class Statement:
    """One execution of a statement."""

    at: float
    """`time.monotonic()`."""
    connection: int
    sql: str
    begins_round_trip: bool
    """Whether the client had waited for a response before it sent this."""

    @property
    def is_transaction_command(self) -> bool:
        """Whether it is BEGIN, COMMIT or the like."""
        return self.sql.upper().startswith(TRANSACTION_COMMANDS)


class StatementRecorder:
    """A proxy in front of PostgreSQL's socket, in a thread, while its `with` block runs."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._url = make_url(database_url)
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="recorder")
        self._connections = 0
        self.statements: list[Statement] = []
        """In the order in which they were sent."""

    @property
    def database_url(self) -> str:
        """The URL that the programs must use."""
        query = {**self._url.query, "host": str(self._folder)}
        return self._url.set(query=query).render_as_string(False)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)
        self._server = starting.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def between(self, begin: float, end: float) -> list[Statement]:
        """The statements of a period, by `time.monotonic()`."""
        return [statement for statement in self.statements if begin <= statement.at < end]

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, self._folder / self._socket)

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _socket(self) -> str:
        return f".s.PGSQL.{self._url.query['port']}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_unix_connection(f"{self._url.query['host']}/{self._socket}")
        self._connections += 1
        parser = ClientMessages(self._connections)

        def sent(data: bytes) -> None:
            self.statements.extend(parser.feed(data))

        def answered(_: bytes) -> None:
            parser.answered = True

        await asyncio.gather(_copy(reader, server[1], sent), _copy(server[0], writer, answered))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: object) -> None:
    """Pass bytes on until the sender closes, and show them to `seen` before."""
    assert callable(seen)
    try:
        while data := await reader.read(READ_BYTES):
            seen(data)
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # a program was killed; its other direction ends as well
    finally:
        writer.close()


@dataclass
class ClientMessages:
    """The messages of one client: which statements it prepared, bound and executed."""

    connection: int
    answered: bool = True
    """Whether the server has sent something since the last statement."""
    _data: bytes = b""
    _started: bool = False
    _prepared: dict[bytes, str] = field(default_factory=dict)
    _portals: dict[bytes, str] = field(default_factory=dict)

    def feed(self, data: bytes) -> list[Statement]:
        """The statements whose execution these bytes complete."""
        self._data += data
        found = []
        while (sql := self._next()) is not None:
            if sql:
                found.append(Statement(time.monotonic(), self.connection, sql, self.answered))
                self.answered = False
        return found

    def _next(self) -> str | None:
        """Take one message: the SQL that it executes, or an empty string. None: incomplete."""
        header = 5 if self._started else 4
        if len(self._data) < header:
            return None
        (length,) = struct.unpack("!I", self._data[header - 4 : header])
        end = header - 4 + length
        if len(self._data) < end:
            return None
        kind, body = self._data[: header - 4], self._data[header:end]
        self._data = self._data[end:]
        if not self._started:
            self._started = PROTOCOL_3 <= struct.unpack("!I", body[:4])[0] < LAST_PROTOCOL
            return ""
        return self._executed(kind, body)

    def _executed(self, kind: bytes, body: bytes) -> str:
        if kind == b"Q":
            return _text(body)
        first, _, rest = body.partition(b"\0")
        if kind == b"P":
            self._prepared[first] = _text(rest)
        elif kind == b"B":
            self._portals[first] = self._prepared[rest.partition(b"\0")[0]]
        elif kind == b"E":
            return self._portals[first]
        return ""


def _text(data: bytes) -> str:
    """A string up to its zero byte, on one line."""
    return " ".join(data.partition(b"\0")[0].decode().split())
