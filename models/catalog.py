"""The models of this package, found by their folders.

A folder with a `card.py` is a model. A folder with a `weights.toml` has a manifest: of that model,
or of a part that several models share.
"""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from models.errors import SHARED_ERROR_CODES
from models.spec import Card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_PACKAGE = Path(__file__).parent
_DEFAULT = "preview_lipsync"


def _find_cards() -> dict[str, Card]:
    """The card of each model by the name of its folder.

    The default model comes first, then the other models of its task, then the rest by task; within
    a task they are sorted by folder.
    """
    folders = sorted(file.parent.name for file in _PACKAGE.glob("*/card.py"))
    found = {name: _import_card(f"models.{name}.card:CARD") for name in folders}
    default = found[_DEFAULT]
    order = sorted(
        found, key=lambda name: (name != _DEFAULT, found[name].task != default.task, name)
    )
    return {name: found[name] for name in order}


def _find_manifests(cards: Mapping[str, Card]) -> dict[str, Path]:
    """Each `weights.toml` by its name: those of models in the order of `cards`, then the others."""
    folders = sorted(file.parent.name for file in _PACKAGE.glob("*/weights.toml"))
    with_card = [name for name in cards if name in folders]
    return {
        cards[name].name if name in cards else name: _PACKAGE / name / "weights.toml"
        for name in dict.fromkeys([*with_card, *folders])
    }


class UnknownModel(LookupError):
    """No model has this name. `GET /v1/models` and `kinomill models list` show the known names."""

    def __init__(self, name: str, known: Iterable[str] | None = None) -> None:
        names = tuple(CARDS if known is None else known)
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]!r}? Known" if near else "known"
        super().__init__(f"there is no model {name!r}; {hint}: {', '.join(names)}")
        self.name = name


class CardNotFound(UnknownModel):
    """The dotted path of an operator's card cannot be imported."""

    def __init__(self, path: str, reason: str) -> None:
        LookupError.__init__(self, f"no card at {path!r}: {reason}")
        self.name = path


def _import_card(path: str) -> Card:
    """The card at a dotted path `package.module:CARD`. Raises `CardNotFound`."""
    module, _, attribute = path.partition(":")
    try:
        card = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise CardNotFound(path, f"{error}; install it, or add its folder to PYTHONPATH") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}; `python -c 'import {module}'` shows where"
        raise CardNotFound(path, reason) from error
    if not isinstance(card, Card):
        raise CardNotFound(path, f"{module} has no Card named {attribute!r}")
    return card


_FOUND = _find_cards()

CARDS: Final[Mapping[str, Card]] = MappingProxyType({card.name: card for card in _FOUND.values()})
"""Every card of this package by the name of the model, the default model first."""

MANIFESTS: Final[Mapping[str, Path]] = MappingProxyType(_find_manifests(_FOUND))
"""Every `weights.toml` of this package, by the name of the model or of the shared part.

A folder may have a manifest and no card yet: its weights can already be pulled, mirrored and
verified.
"""

CONVERTERS: Final[Mapping[str, str]] = MappingProxyType(
    {card.name: card.converter for card in CARDS.values() if card.converter}
)
"""The dotted path of the converter of each model that has one (`Card.converter`)."""


def get(name: str) -> Card:
    """The card of a model of this package. Raises `UnknownModel`."""
    try:
        return CARDS[name]
    except KeyError:
        raise UnknownModel(name) from None


def manifest_path(name: str) -> Path:
    """The `weights.toml` of a model of this package, or of a shared part. Raises `UnknownModel`."""
    try:
        return MANIFESTS[name]
    except KeyError:
        raise UnknownModel(name, MANIFESTS) from None


def converter(name: str) -> Callable[..., None]:
    """Import the converter of a model; this imports torch. Raises `UnknownModel`."""
    try:
        module, _, function = CONVERTERS[name].partition(":")
    except KeyError:
        raise UnknownModel(name, CONVERTERS) from None
    convert: Callable[..., None] = getattr(importlib.import_module(module), function)
    return convert


def select_cards(names: Iterable[str]) -> dict[str, Card]:
    """The cards that an operator names, in that order. Raises `UnknownModel`.

    A name is that of a model of this package, or the dotted path `package.module:CARD` of the
    operator's own card. A dotted path is imported: take it from the operator's settings only.
    """
    chosen = [_import_card(name) if ":" in name else get(name) for name in names]
    return {card.name: card for card in chosen}


def require_known(names: Iterable[str], own: Iterable[str] = ()) -> None:
    """Raise `UnknownModel` for a name without card or manifest here that is not an `own` one.

    It finds misspelled names in tables of settings, which nothing would ever look up.
    """
    for error in _unknown(names, own):
        raise error


def unknown_licenses(accepted: Iterable[str], own: Iterable[str] = ()) -> list[str]:
    """A sentence for each name in KINOMILL_ACCEPT_LICENSES that is no model, nor an `own` one.

    It may be that of a card which only another program has, so it is no error.
    """
    errors = _unknown(sorted(accepted), own)
    return [f"KINOMILL_ACCEPT_LICENSES has no effect here: {error}" for error in errors]


def _unknown(names: Iterable[str], own: Iterable[str]) -> Iterator[UnknownModel]:
    known = dict.fromkeys([*CARDS, *MANIFESTS, *own])
    return (UnknownModel(name, known) for name in names if name not in known)


def error_codes(cards: Iterable[Card] = CARDS.values()) -> dict[str, str]:
    """The meaning of each error code that a run of these models can end with.

    Raises `ValueError` if two models give one code different meanings.
    """
    meanings: dict[str, str] = {}
    for code in (*SHARED_ERROR_CODES, *(code for card in cards for code in card.error_codes)):
        if meanings.setdefault(code.code, code.meaning) != code.meaning:
            raise ValueError(f"two models explain the error code {code.code!r} differently")
    return meanings
