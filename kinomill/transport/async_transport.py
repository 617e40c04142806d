"""Runs operations with asyncio. Line by line the twin of `sync_transport.py`."""

from __future__ import annotations

import asyncio
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


class AsyncTransport:
    """One HTTP connection pool to one API."""

    def __init__(self, url: str, *, key: str | None, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._http = httpx.AsyncClient(**client_options(url, key, timeout))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def run(self, operation: Operation[_Result]) -> _Result:
        """Send each request that the operation yields; return what the operation returns."""
        try:
            request = next(operation)
            while True:
                try:
                    response = await self._send(request)
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

    async def leave(self, source: EventSource) -> None:
        """Close a stream whose events are not read any more."""
        if source.response is not None:
            await source.response.aclose()
            source.end()

    async def _send(self, request: Request) -> httpx.Response:
        if request.delay_seconds > 0:
            await asyncio.sleep(request.delay_seconds)
        options = request_options(request, self._timeout)
        if request.source is not None:
            return await self._read(options, request.source)
        if request.save_to is not None:
            return await self._save(options, request.save_to)
        if request.content is not None:
            return await self._http.send(without_key(self._http.build_request(**options)))
        return await self._http.request(**options)

    async def _read(self, options: dict[str, Any], source: EventSource) -> httpx.Response:
        """Read up to the next event of a stream; at its end the source has no response."""
        response = source.response
        if response is None:
            request = self._http.build_request(**options)
            response = await self._http.send(request, stream=True)
            if not is_stream(response):
                await response.aread()
                return response
            source.begin(response, response.aiter_text())
        try:
            if source.feed(""):
                return response
            async for text in source.texts:
                if source.feed(text):
                    return response
        except BaseException:
            source.end()
            raise
        source.end()
        return response

    async def _save(self, options: dict[str, Any], file: PartialFile) -> httpx.Response:
        options["headers"] |= file.headers
        async with self._http.stream(**options, follow_redirects=True) as response:
            if response.is_error:
                await response.aread()
                return response
            file.begin(response)
            async for chunk in response.aiter_bytes():
                file.write(chunk)
        return response
