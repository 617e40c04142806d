"""The card of preview-talking."""

from __future__ import annotations

from datetime import timedelta

from models.examples import FACE, VOICE
from models.marking.source_type import DigitalSourceType
from models.multitalk.error_codes import ERROR_CODES
from models.multitalk.request.input import Input
from models.spec import Card, License

CARD = Card(
    name="preview-talking",
    task="talking-picture",
    summary=(
        "A fast placeholder for the talking pictures, for development: opens the mouths of one or "
        "two people in a picture with the loudness of their voices, without a neural network. It "
        "accepts the same input; prompt, steps and guidance are validated and have no effect."
    ),
    license=License("Apache-2.0", commercial="yes"),
    input=Input,
    runner="models.preview_talking.runner:Runner",
    queue="preview-talking",
    hardware="CPU",
    digital_source_type=DigitalSourceType.ALGORITHMIC,
    time_limit=timedelta(minutes=30),
    error_codes=ERROR_CODES,
    example={"image": FACE, "audio": VOICE, "seed": 42},
)
