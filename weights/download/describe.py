"""Records what the Hub says about files whose digest the manifest lacks, before they are pulled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from weights.download.retry import RetryBudget
from weights.download.tasks import for_each
from weights.errors import PullStopped, SourceUnavailable, WeightsError
from weights.trust import Trust

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from weights.download.limits import PullLimits
    from weights.manifest.manifest import Selection, WeightFile
    from weights.manifest.remote import RemoteMetadata
    from weights.manifest.source_uri import SourceUri
    from weights.volume.volume import Volume

REQUESTS_AT_ONCE = 8


def record_digests(
    selection: Selection,
    volume: Volume,
    describe: Callable[[SourceUri], RemoteMetadata],
    limits: PullLimits,
    halt: threading.Event,
) -> Selection:
    """Return the selection with the digests that the volume has recorded, now or earlier.

    Only files on the Hub at a commit are asked for. Raises `WeightsError`.
    """
    selection = volume.overlay.apply(selection)
    files = [f for f in selection.files if not f.sha256 and f.trust is Trust.HUB]
    if not files:
        return selection

    def record(file: WeightFile) -> None:
        remote = _described(file, describe, limits, halt)
        volume.overlay.add(file.source, [remote])

    for_each(files, record, halt, at_once=REQUESTS_AT_ONCE)
    return volume.overlay.apply(selection)


def _described(
    file: WeightFile,
    describe: Callable[[SourceUri], RemoteMetadata],
    limits: PullLimits,
    halt: threading.Event,
) -> RemoteMetadata:
    """Ask the source, then the mirrors on the Hub; an overloaded one is asked again."""
    uris = [uri for uri in (file.source, *file.mirrors) if uri.at_commit]
    errors = []
    for uri in uris:
        retry = RetryBudget(limits.retry_timeout_seconds / len(uris))
        try:
            return _with_retries(uri, describe, retry, halt)
        except PullStopped:
            raise
        except WeightsError as error:
            errors.append(error)
    raise errors[0]


def _with_retries(
    uri: SourceUri,
    describe: Callable[[SourceUri], RemoteMetadata],
    retry: RetryBudget,
    halt: threading.Event,
) -> RemoteMetadata:
    while not halt.is_set():
        try:
            remote = describe(uri)
        except SourceUnavailable as error:
            retry.record_failure(error, time.monotonic())
            halt.wait(retry.not_before - time.monotonic())
        else:
            if remote.sha256 is None:
                raise WeightsError(
                    f"{uri}: the Hub reports no sha256 of it. Write it into the manifest, or "
                    "accept the file by KINOMILL_WEIGHTS_TRUST=unverified"
                )
            return remote
    raise PullStopped("stopped before the Hub answered")
