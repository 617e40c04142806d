"""Results that lie in a local directory, behind signed links. A bucket serves its own."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable

from api.deps import ShopDep
from api.errors.problems import Problem, problem_responses
from jobs.errors import ErrorCode, RequestError
from storage.base import KeyInvalid, LinkExpired, LinkInvalid, ObjectNotFound
from storage.local import LocalStorage

router = APIRouter(prefix="/storage", tags=["results"])


class Download(FileResponse):
    """A file, in whole or in part; a part that it does not have is a problem like any other."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader as error:
            detail = "The Range header cannot be read: send e.g. bytes=0-999."
            raise Problem(ErrorCode.INVALID_INPUT, detail, status=HTTPStatus.BAD_REQUEST) from error
        except RangeNotSatisfiable as error:
            detail = f"The file has {file_size:,} bytes: the range lies behind its end."
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            headers = {"Content-Range": f"bytes */{file_size}"}
            raise Problem(
                ErrorCode.INVALID_INPUT, detail, status=status, headers=headers
            ) from error


@router.head("/{key:path}", include_in_schema=False)
@router.get(
    "/{key:path}",
    response_class=FileResponse,
    responses=problem_responses(400, 403, 404, 416, 422),
)
def get_object(
    key: str,
    shop: ShopDep,
    expires: Annotated[int, Query(description="Unix time at which the link ends.")],
    signature: Annotated[str, Query(max_length=128)],
    filename: Annotated[str, Query(max_length=200)],
) -> Download:
    """Download a result; ranges and HEAD work."""
    if not isinstance(shop.storage, LocalStorage):
        raise RequestError(ErrorCode.NOT_FOUND, "Results lie in a bucket.")
    try:
        path = shop.storage.verify_link(
            key, expires=expires, filename=filename, signature=signature, now=datetime.now(UTC)
        )
        stored = shop.storage.stat(key)
    except (LinkInvalid, LinkExpired, KeyInvalid) as error:
        detail = "This link has ended or was altered: ask the job for a new one."
        raise RequestError(ErrorCode.LINK_INVALID, detail) from error
    except ObjectNotFound as error:
        raise RequestError(ErrorCode.NOT_FOUND, "The result is gone.") from error
    return Download(path, media_type=stored.content_type, filename=filename)
