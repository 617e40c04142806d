"""A detector that plays back what is to be seen, and counts its searches."""

from __future__ import annotations

import numpy as np

from models.faces.box import Box

FRAME = np.zeros((100, 200, 3), np.uint8)
OTHER = np.full_like(FRAME, 200)
"""A frame of another scene."""


class Script:
    name = "script"

    def __init__(self, *seen, cuts=()):
        self.seen = list(seen)
        self.cuts = cuts
        self.frame = -1
        self.whole = 0
        self.searched = 0

    def frames(self):
        scene = [FRAME, OTHER]
        for frame in range(len(self.seen)):
            self.frame = frame
            if frame in self.cuts:
                scene.reverse()
            yield scene[0]

    def detect(self, frame, *, smallest=0):
        self.whole += 1
        wide = [box for box in self.seen[self.frame] if box.w >= smallest]
        return sorted(wide, key=lambda box: -box.area)

    def detect_near(self, frame, last):
        self.searched += 1
        return [box for box in self.seen[self.frame] if box.iou(last) > 0]

    def face(self, box):
        return Box(box.x, box.y, box.w, box.h + 1)
