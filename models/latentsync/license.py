"""The license of the weights of both versions.

The model cards (https://huggingface.co/ByteDance/LatentSync-1.5 and LatentSync-1.6) name it by the
Hub's tag `openrail++`, and the maintainers point to CreativeML Open RAIL++-M.
"""

from __future__ import annotations

from typing import Final

from models.spec import License

_TEXT: Final = "https://huggingface.co/stabilityai/stable-diffusion-2/blob/main/LICENSE-MODEL"

OPENRAIL: Final = License(
    "CreativeML Open RAIL++-M",
    commercial="conditional",
    url=_TEXT,
    restrictions=(
        f"Attachment A of the license ({_TEXT}) lists the uses that it forbids, and you have to "
        "bind your users to it."
    ),
)
