"""The models that Kinomill knows: an explicit list, nothing is scanned."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from models.musetalk.card import CARD as MUSETALK
from models.preview_i2v.card import CARD as PREVIEW_I2V
from models.preview_lipsync.card import CARD as PREVIEW_LIPSYNC
from models.spec import Card
from models.wan2_1_i2v.card import CARD as WAN2_1_I2V
from models.wan2_2_i2v.card import CARD as WAN2_2_I2V
from models.wan2_2_ti2v_5b.card import CARD as WAN2_2_TI2V_5B
from models.wav2lip.card import CARD as WAV2LIP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CARDS: Final[Mapping[str, Card]] = MappingProxyType(
    {
        card.name: card
        for card in (
            PREVIEW_LIPSYNC,
            WAV2LIP,
            MUSETALK,
            PREVIEW_I2V,
            WAN2_1_I2V,
            WAN2_2_I2V,
            WAN2_2_TI2V_5B,
        )
    }
)
"""Every card of this package by its name, the default model first."""

MANIFESTS: Final[Mapping[str, Path]] = MappingProxyType(
    {
        name: Path(__file__).parent / folder / "weights.toml"
        for name, folder in (
            ("wav2lip", "wav2lip"),
            ("musetalk", "musetalk"),
            ("wan2.1-i2v", "wan2_1_i2v"),
            ("wan2.2-i2v", "wan2_2_i2v"),
            ("wan2.2-ti2v-5b", "wan2_2_ti2v_5b"),
            ("multitalk", "multitalk"),
            ("infinitetalk", "infinitetalk"),
            ("inspyrenet", "inspyrenet"),
            ("faces", "faces"),
            ("kokoro", "kokoro"),
        )
    }
)
"""The `weights.toml` of each model, and of each part that several models share.

A model may stand here before its card: its weights can be pulled, mirrored and verified already.
"""

CONVERTERS: Final[Mapping[str, str]] = MappingProxyType(
    {"wav2lip": "models.wav2lip.checkpoint:convert"}
)
"""What writes a published checkpoint anew as safetensors, for models that gain by it.

A function of a source, a target and `dtype` (`fp32` or `fp16`); a dotted path, for it needs torch.
"""


class UnknownModel(LookupError):
    """Nothing has this name: ask `GET /v1/models` or `kinomill models list` for those known."""

    def __init__(self, name: str, known: Iterable[str] = CARDS) -> None:
        super().__init__(f"there is no model {name!r}; known: {', '.join(known)}")
        self.name = name


def get(name: str) -> Card:
    """The card of a model of this package."""
    try:
        return CARDS[name]
    except KeyError:
        raise UnknownModel(name) from None


def manifest_path(name: str) -> Path:
    """The `weights.toml` of a model of this package, or of a shared part."""
    try:
        return MANIFESTS[name]
    except KeyError:
        raise UnknownModel(name, MANIFESTS) from None


def converter(name: str) -> Callable[..., None]:
    """The function that `CONVERTERS` names: imports torch."""
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


def _import_card(path: str) -> Card:
    module, _, attribute = path.partition(":")
    try:
        card = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise UnknownModel(path) from error
    if not isinstance(card, Card):
        raise UnknownModel(path)
    return card
