"""Multipart forms: their files go to object storage as they arrive, their text stays in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header
from starlette.formparsers import MultiPartException, MultiPartParser

from api.errors.validation import invalid_field, json_pointer
from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastapi import Request
    from starlette.datastructures import Headers

    from api.bodies.incoming_file import IncomingFile
    from api.bodies.staging import Staging

MAX_FILES: Final = 8
MAX_FIELDS: Final = 64
MAX_FIELD_BYTES: Final = 1_000_000
MAX_TEXT_BYTES: Final = 2_000_000
"""All fields of a form that are not files, together."""

Form = list[tuple[str, "str | IncomingFile"]]


async def read_form(request: Request, staging: Staging) -> Form:
    """Read a form to its end: names with texts and files. Raises `RequestError`."""
    parser = _StreamingParser(request.headers, request.stream(), staging)
    try:
        return await parser.read()
    except (MultiPartException, FormParserError) as error:
        detail = getattr(error, "message", "The form is not valid multipart/form-data.")
        raise RequestError(ErrorCode.INVALID_INPUT, detail) from error


class _StreamingParser(MultiPartParser):
    """Starlette's parser, with files that go to the staging of the request instead of `/tmp`."""

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], staging: Staging
    ) -> None:
        super().__init__(
            headers,
            stream,
            max_files=MAX_FILES,
            max_fields=MAX_FIELDS,
            max_part_size=MAX_FIELD_BYTES,
        )
        self._staging = staging
        self._charset = "utf-8"
        self._text_bytes = 0
        self._to_write: list[tuple[IncomingFile, bytes]] = []
        self._file: IncomingFile | None = None

    def on_part_begin(self) -> None:
        """Begin a field; its headers say whether it is a file."""
        super().on_part_begin()
        self._file = None

    def on_headers_finished(self) -> None:
        """Begin a file, if the part has a name of one."""
        super().on_headers_finished()
        while self._files_to_close_on_error:
            self._files_to_close_on_error.pop().close()  # the staging takes its place
        if self._current_part.file is not None:
            self._file = self._staging.new_file(self._current_part.file.filename or "")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Keep the content of a part."""
        if self._file is not None:
            self._to_write.append((self._file, data[start:end]))
            return
        self._text_bytes += end - start
        if self._text_bytes > MAX_TEXT_BYTES:
            name = self._current_part.field_name
            message = f"the fields of the form have more than {MAX_TEXT_BYTES:,} bytes together"
            raise invalid_field(FieldError(json_pointer("input", name), message))
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        """Keep the part in the order of the form."""
        if self._file is None:
            super().on_part_end()
        else:
            self.items.append((self._current_part.field_name, self._file))  # type: ignore[arg-type]

    async def read(self) -> Form:
        """Parse the whole form, in short turns."""
        _, options = parse_options_header(self.headers["Content-Type"])
        if not options.get(b"boundary"):
            raise MultiPartException("Missing boundary in multipart.")
        callbacks: Any = {
            name: getattr(self, name)
            for name in (
                "on_part_begin",
                "on_part_data",
                "on_part_end",
                "on_header_field",
                "on_header_value",
                "on_header_end",
                "on_headers_finished",
                "on_end",
            )
        }
        parser = MultipartParser(options[b"boundary"], callbacks)
        async for chunk in self.stream:
            await self._staging.turns.feed(parser.write, chunk)
            to_write, self._to_write = self._to_write, []
            for file, data in to_write:
                await self._staging.append(file, data)
        if parser.state != MultipartState.END:
            raise MultiPartException("The form is cut off: its last boundary is missing.")
        await self._staging.flush_all()
        return self.items  # type: ignore[return-value]
