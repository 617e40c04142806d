"""What can go wrong between a source and a volume; each docstring says what to do."""

from __future__ import annotations

from typing import ClassVar


class WeightsError(Exception):
    """Weights cannot be had. `retryable`: the same pull may succeed later."""

    retryable: ClassVar[bool] = False


class ManifestInvalid(WeightsError):
    """A weights.toml does not say what it must: the text names the file and the field."""


class ManifestOpen(WeightsError):
    """A hash, a size or a commit is still unknown: run `kinomill models lock`."""


class SourceUnavailable(WeightsError):
    """The source does not answer, is overloaded, or cut the line too often: try again later."""

    retryable = True

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class AccessDenied(WeightsError):
    """The source wants a token, or the terms of a gated repository accepted."""


class NotAtSource(WeightsError):
    """The repository, the revision or the file does not exist there."""


class RemoteChanged(WeightsError):
    """The file at the source is not the one that was begun: what was fetched is thrown away."""

    retryable = True


class WrongContent(WeightsError):
    """What came is not the file of the manifest: an error page, a wrong size, other bytes."""


class DiskFull(WeightsError):
    """The volume has no room: free some, e.g. with `kinomill models prune`."""


class VolumeUnusable(WeightsError):
    """The volume cannot be written to, or is no folder."""


class PullStopped(WeightsError):
    """The pull was told to stop; what is there is kept, and the next pull goes on from it."""

    retryable = True
