"""A detector that returns scripted boxes for each frame, and counts its searches."""

from __future__ import annotations

import numpy as np

from models.faces.box import Box

FRAME = np.zeros((100, 200, 3), np.uint8)
OTHER = np.full_like(FRAME, 200)
"""A frame of another scene."""


class ScriptedDetector:
    name = "detector"

    def __init__(self, *visible, cuts=()):
        self.visible = list(visible)
        self.cuts = cuts
        self.frame = -1
        self.whole_searches = 0
        self.near_searches = 0

    def frames(self):
        scene = [FRAME, OTHER]
        for frame in range(len(self.visible)):
            self.frame = frame
            if frame in self.cuts:
                scene.reverse()
            yield scene[0]

    def detect(self, frame, *, min_width=0):
        self.whole_searches += 1
        wide = [box for box in self.visible[self.frame] if box.w >= min_width]
        return sorted(wide, key=lambda box: -box.area)

    def detect_near(self, frame, last):
        self.near_searches += 1
        return [box for box in self.visible[self.frame] if box.iou(last) > 0]

    def face_box(self, box):
        return Box(box.x, box.y, box.w, box.h + 1)
