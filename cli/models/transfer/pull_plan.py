"""`kinomill models pull --dry-run`: what a pull would download, and what would stop it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.text import Text

from cli.models.formatting import format_bytes
from weights.errors import WeightsError
from weights.volume import disk
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cli.models.model_selection import ModelProfile
    from cli.models.settings import ModelsSettings
    from weights.manifest.manifest import WeightFile


@dataclass
class PullPlan:
    """A pull compared with the current volume; sends no request and writes nothing."""

    targets: Sequence[ModelProfile]
    settings: ModelsSettings

    @property
    def volume(self) -> Volume:
        """The volume that the files would be stored on."""
        return Volume(self.settings.weights)

    @property
    def missing(self) -> list[WeightFile]:
        """The files that would be downloaded, each once, even if several models need it."""
        files = {file.id: file for target in self.targets for file in self._files(target)}
        return [file for file in files.values() if not self.volume.holds(file)]

    def as_json(self) -> dict[str, Any]:
        """Return the output of `--json`."""
        return {
            "volume": str(self.volume.root),
            "models": [self._model(target) for target in self.targets],
            "missing_bytes": _known_bytes(self.missing),
            "missing_files_of_unknown_size": _unknown_sizes(self.missing),
            "free_bytes": disk.free_bytes(self.volume.root),
            "errors": self.errors,
        }

    @cached_property
    def errors(self) -> list[str]:
        """The errors with which the pull would fail before the download."""
        return list(self._errors())

    def _errors(self) -> Iterator[str]:
        for target in self.targets:
            try:
                target.model.require_license(target.profile, self.settings.accept_licenses)
                selection = self.volume.select(target.model.manifest, target.profile)
                selection.require(self.settings.weights_trust)
            except WeightsError as error:
                yield f"{target}: {error}"
        needed = _known_bytes(self.missing)
        if needed > disk.free_bytes(self.volume.root):
            yield disk.no_space(self.volume.root, needed)

    def lines(self) -> Iterator[Text]:
        """Yield the plan as lines for people."""
        for target in self.targets:
            files = self._files(target)
            yield Text.assemble((str(target), "bold"), f"  {_total(files)}")
            yield from (_line(file, present=self.volume.holds(file)) for file in files)
        free = format_bytes(disk.free_bytes(self.volume.root))
        yield Text.assemble(
            ("to download ", "bold"), _total(self.missing), f"; {free} free at {self.volume.root}"
        )
        for error in self.errors:
            yield Text.assemble(("would fail ", "yellow"), error)

    def _files(self, target: ModelProfile) -> tuple[WeightFile, ...]:
        return self.volume.select(target.model.manifest, target.profile).files

    def _model(self, target: ModelProfile) -> dict[str, Any]:
        files = self._files(target)
        return {
            "name": target.model.name,
            "profile": target.profile,
            "bytes": _known_bytes(files),
            "files_of_unknown_size": _unknown_sizes(files),
            "files": [
                {
                    "path": file.path,
                    "bytes": file.size_bytes,
                    "source": str(file.source),
                    "trust": file.trust,
                    "present": self.volume.holds(file),
                }
                for file in files
            ],
        }


def _known_bytes(files: Sequence[WeightFile]) -> int:
    return sum(file.size_bytes or 0 for file in files)


def _unknown_sizes(files: Sequence[WeightFile]) -> int:
    return sum(file.size_bytes is None for file in files)


def _total(files: Sequence[WeightFile]) -> str:
    count = f"{len(files)} file" + "s" * (len(files) != 1)
    unknown = f" and {_unknown_sizes(files)} of unknown size" if _unknown_sizes(files) else ""
    return f"{count}, {format_bytes(_known_bytes(files))}{unknown}"


def _line(file: WeightFile, *, present: bool) -> Text:
    state = ("present", "green") if present else ("to download", "dim")
    return Text.assemble(f"  {format_bytes(file.size_bytes):>9}  {file.path}  ", state)
