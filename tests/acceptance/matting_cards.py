"""Cards of background removal with weights that a test generates, of a small base size."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from models.inspyrenet.card import CARD as PICTURES
from models.inspyrenet_video.card import CARD as CLIPS

_MANIFEST = Path(os.environ["MATTING_MANIFEST"])

PICTURE = replace(PICTURES, name="picture", queue="picture", weights=_MANIFEST)
CLIP = replace(CLIPS, name="clip", queue="clip", weights=_MANIFEST)
