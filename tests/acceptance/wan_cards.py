"""Cards of the Wan models with tiny weights that a test generates and a fake Hub serves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.wan2_1_i2v.card import CARD as WAN2_1
from models.wan2_2_i2v.card import CARD as WAN2_2
from models.wan2_2_ti2v_5b.card import CARD as TI2V

_MANIFESTS = Path(os.environ["WAN_MANIFESTS"])


def _tiny(card, name):
    return replace(card, name=name, queue=name, weights=_MANIFESTS / f"{name}.toml", memory_bytes=0)


TINY_2_1 = _tiny(WAN2_1, "tiny-wan2.1")
TINY_2_2 = _tiny(WAN2_2, "tiny-wan2.2")
TINY_GGUF = _tiny(WAN2_2, "tiny-wan2.2-gguf")
TINY_5B = _tiny(TI2V, "tiny-ti2v")
