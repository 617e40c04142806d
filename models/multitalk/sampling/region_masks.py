"""Masks of the people at the resolution of the latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from models.multitalk.request.regions import LATENT, cells

if TYPE_CHECKING:
    from torch import Tensor

    from models.multitalk.request.regions import People
    from models.wan.request.framing import Framing


def masks(people: People, framing: Framing) -> Tensor | None:
    """Masks `(3, h, w)` of person 1, person 2 and the background, in the framed picture.

    None for the whole picture. Raises `region_outside` for a rectangle that is cropped away.
    """
    if not people.regions:
        return None
    columns, rows = (side // LATENT for side in framing.frame_size)
    found = torch.zeros(3, rows, columns)
    for person, (down, across) in enumerate(cells(people, framing)):
        found[person, down, across] = 1
    found[2] = 1 - found[:2].amax(dim=0)
    return found
