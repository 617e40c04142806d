"""Cards of the lip-sync models whose weights a test made, one for each form of a checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.musetalk.card import CARD as MUSETALK
from models.spec import License
from models.wav2lip.card import CARD as WAV2LIP

_MADE = Path(os.environ["LIPSYNC_MANIFESTS"])
_OURS = License("Apache-2.0", commercial=True)


def _made(card, name):
    return replace(card, name=name, queue=name, license=_OURS, weights=_MADE / f"{name}.toml")


TRAINING = _made(WAV2LIP, "training")
PLAIN = _made(WAV2LIP, "plain")
SCRIPTED = _made(WAV2LIP, "scripted")
TENSORS = _made(WAV2LIP, "tensors")
PAGE = _made(WAV2LIP, "page")
TRUNCATED = _made(WAV2LIP, "truncated")
LACKING = _made(WAV2LIP, "lacking")
TINY_MUSETALK = _made(MUSETALK, "tiny-musetalk")
