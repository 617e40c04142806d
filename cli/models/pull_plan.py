"""`kinomill models pull --dry-run`: what a pull would fetch, and whether it could."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from cli.models.formatting import amount
from weights.errors import WeightsError
from weights.volume import disk
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cli.models.fetch import Order
    from cli.models.settings import ModelsSettings
    from weights.manifest.manifest import WeightFile


@dataclass(frozen=True)
class Forecast:
    """All orders of a pull against the volume as it is; nothing is asked for or written."""

    orders: Sequence[Order]
    settings: ModelsSettings

    @property
    def volume(self) -> Volume:
        """Where the files would go."""
        return Volume(self.settings.weights)

    @property
    def missing(self) -> list[WeightFile]:
        """What would be fetched, each file once, however many models need it."""
        files = {file.id: file for order in self.orders for file in _files(order)}
        return [file for file in files.values() if not self.volume.holds(file)]

    def told(self) -> dict[str, Any]:
        """All that `--json` says of it."""
        return {
            "volume": str(self.volume.root),
            "models": [self._model(order) for order in self.orders],
            "missing_bytes": _known_bytes(self.missing),
            "missing_files_of_unknown_size": _unknown(self.missing),
            "free_bytes": disk.free_bytes(self.volume.root),
            "objections": list(self.objections()),
        }

    def objections(self) -> Iterator[str]:
        """A sentence for each reason for which the pull would be refused."""
        for order in self.orders:
            try:
                order.choice.refuse_license(order.profile, self.settings.accept_licenses)
                order.choice.manifest.select(order.profile, strict=self.settings.weights_strict)
            except WeightsError as error:
                yield f"{order}: {error}"
        needed = _known_bytes(self.missing)
        if needed > disk.free_bytes(self.volume.root):
            yield disk.no_room(self.volume.root, needed)

    def lines(self) -> Iterator[Text]:
        """The same for people."""
        for order in self.orders:
            files = _files(order)
            yield Text.assemble((str(order), "bold"), f"  {_sum(files)}")
            yield from (_line(file, here=self.volume.holds(file)) for file in files)
        free = amount(disk.free_bytes(self.volume.root))
        yield Text.assemble(
            ("to fetch ", "bold"), _sum(self.missing), f"; {free} free at {self.volume.root}"
        )
        for objection in self.objections():
            yield Text.assemble(("would be refused ", "yellow"), objection)

    def _model(self, order: Order) -> dict[str, Any]:
        files = _files(order)
        return {
            "name": order.choice.name,
            "profile": order.profile,
            "bytes": _known_bytes(files),
            "files_of_unknown_size": _unknown(files),
            "files": [
                {
                    "path": file.path,
                    "bytes": file.size_bytes,
                    "source": str(file.source),
                    "here": self.volume.holds(file),
                }
                for file in files
            ],
        }


def _files(order: Order) -> tuple[WeightFile, ...]:
    return order.choice.files(order.profile).files


def _known_bytes(files: Sequence[WeightFile]) -> int:
    return sum(file.size_bytes or 0 for file in files)


def _unknown(files: Sequence[WeightFile]) -> int:
    return sum(file.size_bytes is None for file in files)


def _sum(files: Sequence[WeightFile]) -> str:
    count = f"{len(files)} file" + "s" * (len(files) != 1)
    open_ = f" and {_unknown(files)} of unknown size" if _unknown(files) else ""
    return f"{count}, {amount(_known_bytes(files))}{open_}"


def _line(file: WeightFile, *, here: bool) -> Text:
    state = ("here", "green") if here else ("to fetch", "dim")
    return Text.assemble(f"  {amount(file.size_bytes):>9}  {file.path}  ", state)
