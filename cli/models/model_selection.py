"""The models that a command line names: their manifests, their terms, what the volume has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from models import catalog
from weights.errors import WeightsError
from weights.manifest.manifest import Manifest, Selection, load

if TYPE_CHECKING:
    from collections.abc import Collection

    from cli.models.settings import ModelsSettings
    from models.spec import Card


class LicenseRefused(WeightsError):
    """The terms of the weights forbid commercial use, and the operator has not accepted them."""


class WithoutWeights(WeightsError):
    """The model runs without any weights."""


@dataclass(frozen=True)
class Choice:
    """A model with its manifest, and with its card where this version can run it."""

    name: str
    path: Path
    manifest: Manifest
    card: Card | None = None

    def license(self, profile: str) -> str:
        """The card's, else those of the profile's files."""
        if self.card is not None:
            return self.card.license.name
        return ", ".join(dict.fromkeys(file.license for file in self.files(profile).files))

    def profile(self, settings: ModelsSettings, wanted: str | None = None) -> str:
        """The one that was asked for, else the worker's, else the manifest's.

        Raises `typer.BadParameter` for one that the model does not have.
        """
        chosen = wanted or settings.weights_profiles.get(self.name) or self.manifest.default_profile
        if chosen not in self.manifest.profiles:
            known = ", ".join(self.manifest.profiles)
            raise typer.BadParameter(f"{self.name} has no profile {chosen!r}; it has: {known}")
        return chosen

    def files(self, profile: str) -> Selection:
        """The files of a profile whose names are known, be they locked or not."""
        files = tuple(file for file in self.manifest.files if profile in file.profiles)
        return Selection(model=self.manifest.model, profile=profile, files=files)

    def locked(self, profile: str) -> bool:
        """Whether every file of the profile has a known name, size, hash and commit."""
        by_pattern = any(profile in pattern.profiles for pattern in self.manifest.patterns)
        return not by_pattern and not any(file.unknown for file in self.files(profile).files)

    def must_accept(self, profile: str, accepted: Collection[str]) -> bool:
        """Whether the terms forbid commercial use, and nobody has accepted them."""
        patterns = [each for each in self.manifest.patterns if profile in each.profiles]
        commercial = all(file.commercial for file in self.files(profile).files)
        commercial = commercial and all(each.commercial for each in patterns)
        if self.card is not None:
            commercial = commercial and self.card.license.commercial
        return not commercial and self.name not in accepted

    def refuse_license(self, profile: str, accepted: Collection[str]) -> None:
        """Raise `LicenseRefused` if the operator must accept the terms first."""
        if not self.must_accept(profile, accepted):
            return
        url = self.card.license.url if self.card else None
        terms = self.license(profile) + (f" ({url})" if url else "")
        raise LicenseRefused(
            f"the weights of {self.name} are licensed {terms}, which forbids commercial use. If "
            f"your use fits these terms, accept them: KINOMILL_ACCEPT_LICENSES='[\"{self.name}\"]'"
        )


def find(name: str) -> Choice:
    """The model of this name, place or path.

    Raises `UnknownModel`, `WithoutWeights`, or `ManifestInvalid` for a manifest with a fault.
    """
    if name.endswith(".toml"):
        manifest = load(Path(name))
        return Choice(manifest.model, Path(name), manifest)
    card = _card(name)
    if card is not None and card.weights is None:
        raise WithoutWeights(f"{card.name} needs no weights")
    path = card.weights if card and card.weights else catalog.manifest_path(name)
    return Choice(card.name if card else name, path, load(path), card)


def named(name: str) -> Choice:
    """As `find`; a name that does not exist is a fault of the command line."""
    try:
        return find(name)
    except catalog.UnknownModel as error:
        raise typer.BadParameter(str(error)) from error


def everything() -> list[Choice]:
    """All models of this version that have weights, those with a card first."""
    carded = [name for name, card in catalog.CARDS.items() if card.weights]
    return [find(name) for name in dict.fromkeys([*carded, *catalog.MANIFESTS])]


def _card(name: str) -> Card | None:
    if ":" in name:
        return next(iter(catalog.select_cards([name]).values()))
    return catalog.CARDS.get(name)
