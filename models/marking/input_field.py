"""The field of an input with which a job asks for the visible label. Imports no media library."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

AiLabel = Annotated[
    bool,
    Field(
        description="Draw the words `AI-generated` in the lower right corner of each frame. Always "
        "on where the operator has set it. The file says the same either way, unseen."
    ),
]
