"""Responses about uploaded files: one object for every API that clients know."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field

from jobs.files.uploads import DEFAULT_PURPOSE

if TYPE_CHECKING:
    from jobs.tables import UploadedFile
    from storage.direct import Instructions


class FileUrls(BaseModel):
    """Where a file can be read."""

    get: str = Field(description="Redirects to its bytes; needs the same key.")


class FileChecksums(BaseModel):
    """Checksums of a file."""

    sha256: str | None = Field(description="In hex. While it is uploaded, what was announced.")


class Upload(BaseModel):
    """Where to send the bytes of a file, in pieces."""

    protocol: Literal["content-range", "parts"] = Field(
        description="`content-range`: PUT the pieces in order to the one URL, each with "
        "`Content-Range: bytes 0-8388607/20000000`. 308 and its `Range` say what has arrived, 200 "
        "that all has; an empty PUT with `Content-Range: bytes */20000000` asks for that. `parts`: "
        "PUT each part to its URL, in any order."
    )
    urls: list[str] = Field(description="Signed: they need no key. A new request renews them.")
    part_bytes: int = Field(description="Size of each piece or part but the last.")
    received_parts: list[int] = Field(description="Parts that have arrived; the first is 1.")

    @classmethod
    def of(cls, instructions: Instructions) -> Self:
        """The response for what the store says."""
        return cls(
            protocol=instructions.protocol,
            urls=list(instructions.urls),
            part_bytes=instructions.part_bytes,
            received_parts=list(instructions.received_parts),
        )


class File(BaseModel):
    """An uploaded file. Its id is the value of a media input, in any number of jobs."""

    id: str = Field(examples=["file_0123456789abcdef0123456789abcdef"])
    object: Literal["file"] = "file"
    status: Literal["uploading", "ready"] = Field(description="Jobs take a file that is `ready`.")
    filename: str = Field(examples=["face.jpg"])
    bytes: int = Field(description="Its size.", examples=[182_044])
    content_type: str | None = Field(
        description="By its content, whatever its name says. Null while it is uploaded.",
        examples=["image/jpeg"],
    )
    checksums: FileChecksums
    created_at: datetime
    expires_at: datetime = Field(
        description="When it is deleted; later if a queued or running job still needs it."
    )
    urls: FileUrls
    upload: Upload | None = Field(
        default=None,
        description="Where to send its bytes; only in the answers that begin or "
        "continue an upload.",
    )
    name: str = Field(description="The same as `filename`, for clients of Replicate.")
    size: int = Field(description="The same as `bytes`, for clients of Replicate.")
    etag: str = Field(description="Its SHA-256, for clients of Replicate.")
    purpose: str | None = Field(description="What you said it is for.")
    metadata: dict[str, Any] = Field(description="What you gave with it.")

    @classmethod
    def of(cls, row: UploadedFile, public_url: str) -> Self:
        """The response for a row."""
        return cls(
            id=row.id,
            status="uploading" if row.ready_at is None else "ready",
            filename=row.filename,
            bytes=row.size_bytes,
            content_type=row.content_type,
            checksums=FileChecksums(sha256=row.sha256),
            created_at=row.created_at,
            expires_at=row.expires_at,
            urls=FileUrls(get=content_url(public_url, row.id)),
            name=row.filename,
            size=row.size_bytes,
            etag=row.sha256 or "",
            purpose=row.purpose,
            metadata=row.details or {},
        )


class OpenAIFile(BaseModel):
    """A file as OpenAI's clients read it: times in seconds since 1970, `ready` in their word.

    They get it from every route, by their header `x-stainless-lang`.
    """

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed"] = Field(
        description="`processed` is `ready`, for which their clients wait."
    )
    status_details: None = None

    @classmethod
    def of(cls, file: File) -> Self:
        """The same file."""
        return cls(
            id=file.id,
            bytes=file.bytes,
            created_at=int(file.created_at.timestamp()),
            expires_at=int(file.expires_at.timestamp()),
            filename=file.filename,
            purpose=file.purpose or DEFAULT_PURPOSE,
            status="processed" if file.status == "ready" else "uploaded",
        )


class FilePage(BaseModel):
    """A page of files."""

    items: list[File] = Field(description="Newest first, unless asked otherwise.")
    results: list[File] = Field(description="Those that are ready, for clients of Replicate.")
    object: Literal["list"] = "list"
    data: list[OpenAIFile] = Field(description="The same, for clients of OpenAI.")
    has_more: bool
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last one.")

    @classmethod
    def of(cls, files: list[File], next_cursor: str | None) -> Self:
        """A page of these files."""
        return cls(
            items=files,
            results=[file for file in files if file.status == "ready"],
            data=[OpenAIFile.of(file) for file in files],
            has_more=next_cursor is not None,
            next_cursor=next_cursor,
        )


class DeletedFile(BaseModel):
    """The answer to a deletion, for clients that accept JSON."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def content_url(public_url: str, file_id: str) -> str:
    """The URL of a file's bytes. `api.bodies.staging` takes it for the file itself."""
    return f"{public_url}/v1/files/{file_id}/content"
