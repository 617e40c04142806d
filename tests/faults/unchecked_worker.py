"""A card whose import disables the preflight checks of its worker."""

from __future__ import annotations

from kombu.transport.redis import Channel

from tests.faults.faulty_model import CARD as CARD
from workers import preflight

# Restore unacknowledged messages every 2 s: kombu does so every 100 s, from a random moment on.
Channel.unacked_restore_interval, Channel.unacked_restore_throttle = 2, 1

preflight.check = lambda *_, **__: None
