"""Cards of the lip-sync models with weights that a test generates, one per form of a checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.musetalk.card import CARD as MUSETALK
from models.spec import License
from models.wav2lip.card import CARD as WAV2LIP

_MANIFESTS = Path(os.environ["LIPSYNC_MANIFESTS"])
_APACHE = License("Apache-2.0", commercial="yes")


def _with_generated_weights(card, name):
    return replace(
        card, name=name, queue=name, license=_APACHE, weights=_MANIFESTS / f"{name}.toml"
    )


TRAINING = _with_generated_weights(WAV2LIP, "training")
PLAIN = _with_generated_weights(WAV2LIP, "plain")
SCRIPTED = _with_generated_weights(WAV2LIP, "scripted")
TENSORS = _with_generated_weights(WAV2LIP, "tensors")
PAGE = _with_generated_weights(WAV2LIP, "page")
TRUNCATED = _with_generated_weights(WAV2LIP, "truncated")
LACKING = _with_generated_weights(WAV2LIP, "lacking")
TINY_MUSETALK = _with_generated_weights(MUSETALK, "tiny-musetalk")
