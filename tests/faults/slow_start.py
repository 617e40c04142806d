"""A card whose import takes six seconds, as torch may: longer than Celery waits by default."""

from __future__ import annotations

import time

from tests.faults.faulty_model import CARD as CARD

time.sleep(6)
