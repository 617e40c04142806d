"""Runs operations with blocking I/O. `async_transport.py` is its line-by-line twin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from kinomill.transport.events import is_stream
from kinomill.transport.options import (
    client_options,
    request_options,
    unreachable,
    unsendable,
    without_key,
)

if TYPE_CHECKING:
    from kinomill.transport.downloads import PartialFile
    from kinomill.transport.events import EventSource
    from kinomill.transport.exchange import Operation, Request

_Result = TypeVar("_Result")


class Transport:
    """One HTTP connection pool to one API."""

    def __init__(self, url: str, *, key: str | None, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._http = httpx.Client(**client_options(url, key, timeout))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def run(self, operation: Operation[_Result]) -> _Result:
        """Send each request that the operation yields; return what the operation returns."""
        try:
            request = next(operation)
            while True:
                try:
                    response = self._send(request)
                except httpx.TransportError as error:
                    request = operation.throw(unreachable(self._url, error))
                else:
                    request = operation.send(response)
        except StopIteration as end:
            result: _Result = end.value
            return result
        except UnicodeEncodeError as error:
            raise unsendable(error) from error
        finally:
            operation.close()

    def leave(self, source: EventSource) -> None:
        """Close a stream whose events are not read any more."""
        if source.response is not None:
            source.response.close()
            source.end()

    def _send(self, request: Request) -> httpx.Response:
        if request.delay_seconds > 0:
            time.sleep(request.delay_seconds)
        options = request_options(request, self._timeout)
        if request.source is not None:
            return self._read(options, request.source)
        if request.save_to is not None:
            return self._save(options, request.save_to)
        if request.content is not None:
            return self._http.send(without_key(self._http.build_request(**options)))
        return self._http.request(**options)

    def _read(self, options: dict[str, Any], source: EventSource) -> httpx.Response:
        """Read up to the next event of a stream; at its end the source has no response."""
        response = source.response
        if response is None:
            request = self._http.build_request(**options)
            response = self._http.send(request, stream=True)
            if not is_stream(response):
                response.read()
                return response
            source.begin(response, response.iter_text())
        try:
            if source.feed(""):
                return response
            for text in source.texts:
                if source.feed(text):
                    return response
        except BaseException:
            source.end()
            raise
        source.end()
        return response

    def _save(self, options: dict[str, Any], file: PartialFile) -> httpx.Response:
        options["headers"] |= file.headers
        with self._http.stream(**options, follow_redirects=True) as response:
            if response.is_error:
                response.read()
                return response
            file.begin(response)
            for chunk in response.iter_bytes():
                file.write(chunk)
        return response
