"""The input files of a job: fetched into the folder of its attempt, and checked there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.errors import AttemptFailed, ErrorCode
from jobs.ids import input_key, is_id
from jobs.states import Phase
from models.spec import MediaKind
from runtime.media.formats import MIN_SIDE
from storage.base import ObjectNotFound
from storage.sniffing.images import check_image
from storage.sniffing.media import MediaRejected, MediaTruncated, check_media
from storage.web.bucket_inputs import fetch_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.spec import Input
    from storage.base import Storage
    from storage.web.url_policy import UrlPolicy


@dataclass(frozen=True)
class InputFetcher:
    """Fetches the files of one attempt."""

    storage: Storage
    policy: UrlPolicy
    report: Callable[..., None]
    folder: Path

    def fetch_all(self, params: Input) -> dict[str, Path]:
        """Fetch all media fields that the caller set. Returns local files, checked by content.

        Raises `AttemptFailed` with the name of the field.
        """
        files = {}
        for name, kind in params.media_fields().items():
            uri = getattr(params, name)
            if uri is not None:
                self.report(Phase.FETCHING_INPUTS)
                files[name] = self.folder / f"input-{name}"
                has_end = self._fetch(uri, name, kind, files[name])
                min_side = params.min_sides().get(name, MIN_SIDE)
                _check(files[name], name, kind, min_side=min_side, has_declared_end=has_end)
        return files

    def _fetch(self, uri: str, name: str, kind: MediaKind, path: Path) -> bool:
        """Returns whether it is known where the file ends."""
        try:
            if not is_id(uri, "file"):
                return fetch_source(
                    uri,
                    path,
                    policy=self.policy,
                    limit_bytes=self.policy.limit_bytes(kind.value),
                    on_bytes=lambda done, total: self.report(Phase.FETCHING_INPUTS, done, total),
                ).has_declared_end
            self.storage.download(input_key(uri), path)
        except MediaRejected as error:
            raise _rejected(error, name) from error
        except ObjectNotFound as error:
            detail = f"{name}: the uploaded file is no longer stored."
            raise AttemptFailed(ErrorCode.FILE_NOT_FOUND, detail, field=name) from error
        return True


def _check(
    path: Path, name: str, kind: MediaKind, *, min_side: int, has_declared_end: bool
) -> None:
    try:
        check_media(path, kind.value)
        if kind is MediaKind.IMAGE:
            check_image(path, min_side=min_side)
    except MediaTruncated as error:
        raise _rejected(error if has_declared_end else error.as_broken_download(), name) from error
    except MediaRejected as error:
        raise _rejected(error, name) from error


def _rejected(error: MediaRejected, name: str) -> AttemptFailed:
    code, detail = ErrorCode.of(error.code), f"{name}: {error}."
    return AttemptFailed(code, detail, retryable=error.retryable, field=name)
