"""A model for the tests of the pages: slow enough to be watched, with every kind of field."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from models import spec
from models.errors import InputRejected
from models.examples import FACE
from models.lipsync.input import Index, Region
from models.spec import Card, ImageUri, License, RunResult, Stage, VideoUri
from models.video.encoding.clip_writer import ClipFormat, clip_writer

WIDTH, HEIGHT, FRAMES = 320, 180, 10


class Part(spec.Input):
    """One of several things."""

    id: str = Field(max_length=64)
    strength: float = Field(default=1.0, ge=0, le=2)


class Margins(spec.Input):
    """Several numbers that belong together."""

    left: int = Field(default=0, ge=-9, le=9)
    right: int = Field(default=5, ge=-9, le=9)


class Input(spec.Input):
    """A field of every kind."""

    image: Annotated[ImageUri | None, Field(description="A picture.")] = None
    video: Annotated[VideoUri | None, Field(description="A clip.")] = None
    prompt: str = Field(min_length=1, max_length=2000, description="What happens.")
    steps: int = Field(default=4, ge=1, le=400, description="Steps of 0.1 s.")
    mood: Literal["calm", "wild"] = Field(default="calm", description="Or `wild`.")
    mirrored: bool = Field(default=True, description="Whether it is mirrored.")
    parts: list[Part] = Field(default=[], max_length=2, description="Parts.")
    box: Region | None = Field(default=None, description="Where it happens.")
    face: Literal["largest", "central"] | Index | Region = Field(
        default="largest", description="Who is seen."
    )
    people: Literal["auto"] | Sequence[Region] = Field(default="auto", description="Who speaks.")
    margins: Margins = Field(default=Margins(), description="Around it.")
    seed: int = Field(default_factory=lambda: 7, ge=0, lt=2**32, description="The seed.")


class Runner:
    """Takes its time, shows previews, and writes a clip."""

    def warm_up(self):
        """Nothing to warm up."""

    def generate(self, params, inputs, out, report):
        """Each step takes 0.1 s. The prompt `fail` is refused."""
        report(Stage.PREPROCESSING)
        if params.prompt == "fail":
            raise InputRejected("no_face", "No face was found.", field="image")
        for step in range(params.steps):
            report(Stage.GENERATING, step, params.steps, preview=lambda: _jpeg(_frame(params)))
            time.sleep(0.1)
        report(Stage.GENERATING, params.steps, params.steps)
        with clip_writer(ClipFormat.MP4, out, width=WIDTH, height=HEIGHT) as writer:
            for number in range(FRAMES):
                writer.write(_frame(params, alpha=True), Fraction(number, 10), Fraction(1, 10))
        return RunResult(
            out,
            width=WIDTH,
            height=HEIGHT,
            encoder="test",
            fps=Fraction(10),
            frames=FRAMES,
            duration_seconds=1.0,
            has_audio=False,
        )


def _frame(params, *, alpha=False):
    wave = np.sin(np.linspace(0, 9, WIDTH)[None, :] + np.linspace(0, 5, HEIGHT)[:, None])
    red = np.uint8(150 + 90 * wave)
    layers = [red, np.full_like(red, params.seed % 256), 255 - red]
    return np.dstack([*layers, np.full_like(red, 255)] if alpha else layers)


def _jpeg(frame):
    return cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()


FILM = Card(
    name="film",
    task="image-to-video",
    summary="A short film of waves.",
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="tests.browser.cards:Runner",
    queue="film",
    hardware="CPU",
    time_limit=timedelta(minutes=5),
    example={"image": FACE, "prompt": "waves"},
)
