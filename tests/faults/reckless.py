"""A card whose worker checks nothing at boot: what if an operator finds a way around it?"""

from __future__ import annotations

from tests.faults.actor import CARD as CARD
from workers import boot

boot.check = lambda *_, **__: None
