"""Helpers for the tests of the Wan runner: images, requests, a recorder of its reports."""

from __future__ import annotations

import av
import cv2
import numpy as np
import torch

from models.wan.request.input import FirstLastInput, TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.runner import Runner
from models.wan.variants import VARIANTS
from models.wan2_2_ti2v_5b.card import Input as SmallInput

torch.set_num_threads(1)  # threads of models this small only wait for one another

NAMES = {"wan2.1": "wan2.1-i2v", "wan2.2": "wan2.2-i2v", "ti2v": "wan2.2-ti2v-5b"}
INPUTS = {"wan2.1": FirstLastInput, "wan2.2": TwoExpertInput, "ti2v": SmallInput}
SMALL = {"width": 64, "height": 64, "frames": 5, "steps": 2, "seed": 7}


def runner_of(folder, kind, **options):
    return Runner(folder, VARIANTS[NAMES[kind]], **options)


def request_for(kind="wan2.2", **values):
    return INPUTS[kind](image="", prompt="a cat looks around", **{**SMALL, **values})


def resolved_for(kind="wan2.2", **values):
    return resolve(request_for(kind, **values), VARIANTS[NAMES[kind]], (96, 64))


def sample_image(width=96, height=64, turned=False):
    """An image of smooth gradients and one sharp square."""
    across = np.linspace(0, 255, width, dtype=np.uint8)[None, :].repeat(height, 0)
    down = np.linspace(255, 0, height, dtype=np.uint8)[:, None].repeat(width, 1)
    image = np.dstack([across, down, 255 - across])
    image[20:40, 20:40] = 230
    return np.ascontiguousarray(image[::-1, ::-1]) if turned else image


def inputs(folder, **images):
    """Write image files; returns them by input field. `image` is always one of them."""
    paths = {}
    for name, image in {"image": sample_image(), **images}.items():
        paths[name] = folder / f"{name}.png"
        cv2.imwrite(str(paths[name]), image)
    return paths


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def comment_of(path):
    with av.open(str(path)) as container:
        return container.metadata["comment"]
