"""The weights of a worker's models: which files they need, what the volume has, the pull."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from weights.errors import WeightsError
from weights.manifest import manifest
from weights.volume.volume import Volume
from workers.shared.figures import FIGURES

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from models.spec import Card
    from weights.manifest.manifest import Selection
    from weights.progress import TransferProgress
    from weights.settings import WeightsSettings


log = structlog.get_logger()


class ModelWeights:
    """Selects, checks and pulls the weights of cards. Used by the parent and by its child."""

    def __init__(self, settings: WeightsSettings) -> None:
        self._settings = settings
        self._selections: dict[str, Selection] = {}
        self.volume = Volume(settings.weights)

    def selection(self, card: Card) -> Selection:
        """Return the files of a card's manifest that this worker uses. Raises `WeightsError`."""
        if card.weights is None:
            raise LookupError(f"{card.name} has no weights")
        if card.name not in self._selections:
            profile = self._settings.weights_profiles.get(card.name)
            selection = self.volume.select(manifest.load(card.weights), profile)
            selection.require(self._settings.weights_trust)
            if not all(file.sha256 for file in selection.files):
                return selection  # the pull records digests: read them again
            self._selections[card.name] = selection
        return self._selections[card.name]

    def complete(self, card: Card) -> bool:
        """Whether the volume has every file. Sends no request. Raises `WeightsError`."""
        return card.weights is None or self.volume.complete(self.selection(card))

    def folder(self, card: Card) -> Path | None:
        """Return the folder with the model's complete files. None: it has no weights."""
        return None if card.weights is None else self.volume.snapshot(self.selection(card))

    def pull(
        self,
        card: Card,
        watch: Callable[[TransferProgress], None],
        stop: threading.Event | None = None,
    ) -> None:
        """Download the missing files. Raises `WeightsError`, and what `watch` raises."""
        if card.weights is None:
            return
        from weights.download.limits import PullLimits
        from weights.download.pull import pull
        from weights.sources.source_factory import open_sources

        began, before = time.monotonic(), FIGURES.weights_bytes.get(card.name, 0)

        def watch_and_count(progress: TransferProgress) -> None:
            FIGURES.weights_bytes[card.name] = before + progress.transferred_bytes
            watch(progress)

        with open_sources(self._settings) as sources:
            pulled = pull(
                self.selection(card),
                self.volume,
                sources,
                limits=PullLimits.from_settings(self._settings),
                on_progress=watch_and_count,
                stop=stop,
                adopt_from=self._settings.weights_adopt,
            )
        FIGURES.weights_bytes[card.name] = before + pulled.fetched_bytes
        FIGURES.record_pull(card.name, time.monotonic() - began)
        log.info("weights pulled", model=card.name, bytes=pulled.fetched_bytes)

    def status(self, card: Card) -> WeightsStatus:
        """Return what the volume has of a card, as the worker registry shows it."""
        try:
            complete = self.complete(card)
        except WeightsError as error:
            return WeightsStatus(state=WeightsState.FAILED, detail=str(error))
        return self.status_with(card, WeightsState.ON_DISK if complete else WeightsState.ABSENT)

    def status_with(
        self, card: Card, state: WeightsState, progress: TransferProgress | None = None
    ) -> WeightsStatus:
        """Return the status of a card in this state, with the sizes of its files."""
        if card.weights is None:
            return WeightsStatus(state=state)
        selection = self.selection(card)
        known = WeightsStatus(
            state=state,
            revision=selection.revision,
            total_bytes=selection.size_bytes,
            trust=selection.trust,
        )
        if progress is None:
            return known
        return known.model_copy(
            update={
                "done_bytes": progress.done_bytes,
                "total_bytes": progress.total_bytes,
                "file": progress.file,
                "bytes_per_second": progress.bytes_per_second,
            }
        )
