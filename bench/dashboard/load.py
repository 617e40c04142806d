"""Jobs of the preview models, some that fail or are canceled, and faults among them."""

from __future__ import annotations

import io
import os
import random
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from PIL import Image
from sqlalchemy import select

from bench.example_media import EXAMPLES, PHOTO
from jobs.tables import Worker
from kinomill import Client, KinomillError
from runtime.database import create_database_engine

if TYPE_CHECKING:
    from cli.stack import Stack

CALLERS = 3
FAULT_SECONDS = 75.0
"""Between two kills of the worker."""
HOOK = "https://receiver.invalid/hook"
"""No host has this name: the messages wait, and are given up in the end."""
VOICE = EXAMPLES / "voice.wav"


def run_load(stack: Stack, until: float) -> None:
    """Submit jobs from several callers until this time; kill the worker now and then."""
    callers = [
        threading.Thread(target=_call, args=(stack.url, until, random.Random(seed)), daemon=True)
        for seed in range(CALLERS)
    ]
    for caller in callers:
        caller.start()
    next_fault = time.time() + FAULT_SECONDS
    while time.time() < until:
        for program in stack.programs:
            program.restart_if_exited()
        if time.time() > next_fault:
            next_fault += FAULT_SECONDS
            kill_worker(stack.database_url)
        time.sleep(0.5)
    for caller in callers:
        caller.join()


def kill_worker(database_url: str) -> None:
    """Kill the worker that was seen last, as the kernel does when memory runs out."""
    engine = create_database_engine(database_url)
    last = select(Worker.pid).order_by(Worker.seen_at.desc()).limit(1)
    with engine.connect() as connection, suppress(ProcessLookupError):
        os.kill(connection.scalars(last).one(), signal.SIGKILL)
    engine.dispose()


def _call(url: str, until: float, chance: random.Random) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (320, 240), (180, 170, 160)).save(picture, "PNG")
    with Client(url) as client:
        while time.time() < until:
            try:
                _one(client, chance, picture.getvalue())
            except KinomillError as error:
                print(f"  {error}")
            time.sleep(chance.expovariate(0.5))


def _one(client: Client, chance: random.Random, wall: bytes) -> None:
    kind = chance.random()
    if kind < 0.1:
        job = client.submit("preview-lipsync", image=wall, audio=VOICE)
    elif kind < 0.5:
        job = client.submit("preview-lipsync", image=PHOTO, audio=VOICE, webhook=HOOK)
    elif kind < 0.8:
        job = client.submit("preview-i2v", image=PHOTO, prompt="a walk", priority="background")
    else:
        job = client.submit("preview-cutout", image=PHOTO, priority="interactive")
    if 0.1 < kind < 0.18:
        time.sleep(chance.random())
        client.cancel(job)
    elif kind < 0.7:
        client.wait(job)
