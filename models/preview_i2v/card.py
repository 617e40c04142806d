"""The card of preview-i2v."""

from __future__ import annotations

from datetime import timedelta

from models.examples import FACE
from models.marking.source_type import DigitalSourceType
from models.spec import Card, License
from models.wan.error_codes import ASPECT_EXTREME
from models.wan.request.input import TwoExpertInput

CARD = Card(
    name="preview-i2v",
    task="image-to-video",
    summary=(
        "A fast placeholder for the Wan models, for development: a slow camera move over the "
        "image, without a neural network. It accepts the same input; prompt, guidance, shift and "
        "LoRAs are validated and have no effect."
    ),
    license=License("Apache-2.0", commercial="yes"),
    input=TwoExpertInput,
    runner="models.preview_i2v.runner:Runner",
    queue="preview-i2v",
    hardware="CPU",
    digital_source_type=DigitalSourceType.ALGORITHMIC,
    time_limit=timedelta(minutes=30),
    error_codes=(ASPECT_EXTREME,),
    example={
        "image": FACE,
        "prompt": "She smiles, turns her head to the left and looks back into the camera.",
        "seed": 7,
    },
)
