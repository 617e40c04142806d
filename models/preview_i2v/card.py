"""What others may know of preview-i2v: free of any media library."""

from __future__ import annotations

from datetime import timedelta

from models.examples import FACE
from models.spec import Card, License
from models.wan.error_codes import ASPECT_EXTREME
from models.wan.request.input import TwoExpertInput

CARD = Card(
    name="preview-i2v",
    task="image-to-video",
    summary=(
        "A quick stand-in for the Wan models, for those who build against them: a slow camera "
        "move over the picture, without a neural network. It takes the same input; what only a "
        "network could use (prompt, guidance, shift, LoRAs) is checked and changes nothing."
    ),
    license=License("Apache-2.0", commercial=True),
    input=TwoExpertInput,
    runner="models.preview_i2v.runner:Runner",
    queue="preview-i2v",
    hardware="CPU",
    time_limit=timedelta(minutes=30),
    error_codes=(ASPECT_EXTREME,),
    example={
        "image": FACE,
        "prompt": "She smiles, turns her head to the left and looks back into the camera.",
        "seed": 7,
    },
)
