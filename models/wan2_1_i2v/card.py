"""The card of wan2.1-i2v. Free of torch and of any media library."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from models.examples import FACE
from models.spec import Card, License
from models.wan.error_codes import ERROR_CODES
from models.wan.request.input import FirstLastInput

CARD = Card(
    name="wan2.1-i2v",
    task="image-to-video",
    summary=(
        "Animates an image as a prompt describes, 5 seconds at 480p or 720p, with one denoiser of "
        "14 billion parameters. Its weights are those trained for 480p."
    ),
    license=License(
        "Apache-2.0",
        commercial="yes",
        url="https://github.com/Wan-Video/Wan2.1/blob/main/LICENSE.txt",
    ),
    input=FirstLastInput,
    runner="models.wan.runner:wan2_1_i2v",
    queue="wan2.1-i2v",
    hardware="GPU 24 GB; 80 GB for bf16",
    time_limit=timedelta(hours=6),
    stall_limit=timedelta(minutes=15),
    weights=Path(__file__).with_name("weights.toml"),
    memory_bytes=24_000_000_000,
    error_codes=ERROR_CODES,
    shares_gpus=True,
    example={
        "image": FACE,
        "prompt": "She smiles, turns her head to the left and looks back into the camera.",
        "quality": "fast",
    },
)
