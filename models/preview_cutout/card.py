"""The card of preview-cutout."""

from __future__ import annotations

from datetime import timedelta

from models.cutout.input import PictureInput
from models.examples import FACE
from models.marking.source_type import DigitalSourceType
from models.spec import Card, License

CARD = Card(
    name="preview-cutout",
    task="background-removal",
    summary=(
        "A fast placeholder for InSPyReNet, for development: separates the middle of the picture "
        "from its border by color (GrabCut), without a neural network. It accepts the same input; "
        "mode and resize are validated and have no effect."
    ),
    license=License("Apache-2.0", commercial="yes"),
    input=PictureInput,
    runner="models.preview_cutout.runner:Runner",
    queue="preview-cutout",
    hardware="CPU",
    digital_source_type=DigitalSourceType.ALGORITHMIC,
    time_limit=timedelta(minutes=10),
    example={"image": FACE},
)
