"""The licenses of the weights of both versions, each with the model card that states it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.spec import License

OPENRAIL_1_5: Final = License(
    "openrail++",
    commercial="conditional",
    url="https://huggingface.co/ByteDance/LatentSync-1.5",
    restrictions=(
        "You may not use the model to break the law, harm or exploit people, minors above all, "
        "spread false information to harm others, reveal personal data to harm someone, defame or "
        "harass, discriminate, decide by machine about people's rights, give medical advice, or "
        "serve law enforcement by prediction. You have to bind your users to these restrictions."
    ),
)
OPENRAIL_1_6: Final = replace(OPENRAIL_1_5, url="https://huggingface.co/ByteDance/LatentSync-1.6")
