"""Errors of pulls, pushes and manifests; each docstring says what to do."""

from __future__ import annotations

from typing import ClassVar


class WeightsError(Exception):
    """Weights are not available. `retryable`: the same pull may succeed later."""

    retryable: ClassVar[bool] = False


class ManifestInvalid(WeightsError):
    """A `weights.toml` is not valid: the message names the file and the field."""


class ManifestIncomplete(WeightsError):
    """A digest, a size or a commit is unknown: run `kinomill models lock`."""


class SourceUnavailable(WeightsError):
    """The source does not answer, is overloaded, or drops connections: try again later."""

    retryable = True

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class AccessDenied(WeightsError):
    """The source requires a token, or acceptance of a gated repository's terms."""


class SourceNotFound(WeightsError):
    """The repository, revision, bucket or file does not exist at the source: check the manifest."""


class RemoteChanged(WeightsError):
    """The file at the source changed during the download: the partial file is discarded."""

    retryable = True


class WrongContent(WeightsError):
    """The bytes are not the manifest's file: an error page, a wrong size or a wrong digest."""


class DiskFull(WeightsError):
    """The volume has no space left: free some, e.g. with `kinomill models prune`."""


class VolumeUnusable(WeightsError):
    """The volume is not a folder, or is not writable."""


class WeightsRemoved(WeightsError):
    """Files were removed from the volume while they were loaded: the next pull gets them again."""

    retryable = True


class PullStopped(WeightsError):
    """The pull was stopped; downloaded bytes are kept and the next pull resumes from them."""

    retryable = True
