"""Models named on the command line, with their manifests and licenses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from models import catalog
from runtime.commercial_use import STRICTEST_FIRST
from weights.errors import WeightsError
from weights.manifest.manifest import Manifest, Selection, load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cli.models.settings import ModelsSettings
    from models.spec import Card
    from runtime.commercial_use import CommercialUse

_LIMITS: Final = {
    "conditional": "allows commercial use within restrictions, which you have to pass on to users",
    "no": "forbids commercial use",
}


class LicenseNotAccepted(WeightsError):
    """The license forbids or restricts commercial use, and the operator has not accepted it."""


class NoWeights(WeightsError):
    """The model runs without weights."""


@dataclass(frozen=True)
class SelectedModel:
    """A model with its manifest, and with its card if this version can run it."""

    name: str
    path: Path
    manifest: Manifest
    card: Card | None = None

    def license(self, profile: str) -> str:
        """Return the license of the card, else those of the profile's files."""
        if self.card is not None:
            return self.card.license.name
        return ", ".join(dict.fromkeys(file.license for file in self.files(profile).files))

    @property
    def restrictions(self) -> str:
        """What the license of the card forbids, in sentences; else nothing."""
        found = self.card.license.restrictions if self.card else None
        return f"{found} " if found else ""

    def profile(self, settings: ModelsSettings, requested: str | None = None) -> str:
        """Return the requested profile, else the worker's, else the manifest's default.

        Raises `typer.BadParameter` for a profile that the model does not have, and if
        KINOMILL_WEIGHTS_PROFILES names a model that does not exist.
        """
        try:
            served = catalog.select_cards(name for name in settings.models or () if ":" in name)
            catalog.require_known(settings.weights_profiles, [*served, self.name])
        except catalog.UnknownModel as error:
            raise typer.BadParameter(f"KINOMILL_WEIGHTS_PROFILES: {error}") from error
        worker = settings.weights_profiles.get(self.name)
        chosen = requested or worker or self.manifest.default_profile
        if chosen not in self.manifest.profiles:
            known = ", ".join(self.manifest.profiles)
            raise typer.BadParameter(f"{self.name} has no profile {chosen!r}; profiles: {known}")
        return chosen

    def files(self, profile: str) -> Selection:
        """Return the files of a profile as the manifest lists them."""
        return self.manifest.select(profile)

    def commercial(self, profile: str) -> CommercialUse:
        """Return what the strictest license among the card and the profile's files allows."""
        selection = self.files(profile)
        found = {file.commercial for file in selection.files}
        found |= {pattern.commercial for pattern in selection.patterns}
        if self.card is not None:
            found.add(self.card.license.commercial)
        return next(use for use in STRICTEST_FIRST if use in found or use == "yes")

    def must_accept(self, profile: str, accepted: Collection[str]) -> bool:
        """Whether the license limits commercial use and is not among the accepted ones."""
        return self.commercial(profile) != "yes" and self.name not in accepted

    def require_license(self, profile: str, accepted: Collection[str]) -> None:
        """Raise `LicenseNotAccepted` if the operator must accept the license first."""
        if not self.must_accept(profile, accepted):
            return
        url = self.card.license.url if self.card else None
        terms = self.license(profile) + (f" ({url})" if url else "")
        raise LicenseNotAccepted(
            f"the weights of {self.name} are licensed {terms}, which "
            f"{_LIMITS[self.commercial(profile)]}. {self.restrictions}If your use is allowed, "
            f"accept the license: KINOMILL_ACCEPT_LICENSES='[\"{self.name}\"]'"
        )


@dataclass(frozen=True)
class ModelProfile:
    """A model in one of its profiles."""

    model: SelectedModel
    profile: str

    def __str__(self) -> str:
        return f"{self.model.name} ({self.profile})"


def find(name: str) -> SelectedModel:
    """Return the model with this name, card path (`package.module:CARD`) or manifest path.

    Raises `UnknownModel`, `NoWeights`, or `ManifestInvalid`.
    """
    if name.endswith(".toml"):
        manifest = load(Path(name))
        return SelectedModel(manifest.model, Path(name), manifest)
    card = _card(name)
    if card is not None and card.weights is None:
        raise NoWeights(f"{card.name} needs no weights: there is nothing to do")
    path = card.weights if card and card.weights else catalog.manifest_path(name)
    return SelectedModel(card.name if card else name, path, load(path), card)


def select(name: str) -> SelectedModel:
    """Return the model as `find` does; an unknown name is a usage error."""
    try:
        return find(name)
    except catalog.UnknownModel as error:
        raise typer.BadParameter(str(error)) from error


def with_weights(names: Iterable[str]) -> Iterator[SelectedModel]:
    """Yield the models of these names as `select` does; says which of them need no weights."""
    for name in names:
        try:
            yield select(name)
        except NoWeights as error:
            typer.echo(str(error), err=True)


def all_models() -> list[SelectedModel]:
    """Return all models of this version that have weights, those with a card first."""
    with_card = [name for name, card in catalog.CARDS.items() if card.weights]
    return [find(name) for name in dict.fromkeys([*with_card, *catalog.MANIFESTS])]


def _card(name: str) -> Card | None:
    if ":" in name:
        return next(iter(catalog.select_cards([name]).values()))
    return catalog.CARDS.get(name)
