"""The asyncio twin of `sync_files.py`, line by line, which a test holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinomill.files.operations import FileOperations, NewFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kinomill.files.records import File, FilePage
    from kinomill.retry import RetryPolicy
    from kinomill.transport.async_transport import AsyncTransport
    from kinomill.transport.uploads import OnUpload


class AsyncFiles:
    """The files of your account: a job takes the id of one as a media input."""

    def __init__(self, transport: AsyncTransport, policy: RetryPolicy) -> None:
        self._transport = transport
        self._operations = FileOperations(policy)

    async def upload(
        self,
        source: Any,
        *,
        filename: str | None = None,
        ttl_seconds: int | None = None,
        reuse: bool = True,
        on_upload: OnUpload | None = None,
    ) -> File:
        """Upload a file: a path, an open binary file, or bytes.

        A file of the same content that is stored is returned at once, unless `reuse` is false. A
        large one is sent in pieces; one whose upload broke, in another program too, goes on where
        it stopped. `on_upload` is called with the bytes sent and in total. Raises `InputFileError`,
        `InvalidInput`.
        """
        new = NewFile(source, filename, ttl_seconds, reuse, on_upload)
        return await self._transport.run(self._operations.upload(new))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> FilePage:
        """List your files, newest first: one page, which starts at the `next_cursor` of another."""
        return await self._transport.run(self._operations.page({"limit": limit, "cursor": cursor}))

    async def list_all(self) -> AsyncIterator[File]:
        """Iterate over all your files, newest first, page by page."""
        page = await self.list(limit=200)
        for file in page:
            yield file
        while page.next_cursor:
            page = await self.list(limit=200, cursor=page.next_cursor)
            for file in page:
                yield file

    async def get(self, file: File | str) -> File:
        """Get a file as it is now."""
        return await self._transport.run(self._operations.get(file))

    async def delete(self, file: File | str) -> None:
        """Delete a file that no queued or running job needs; a missing one is no error."""
        await self._transport.run(self._operations.delete(file))
