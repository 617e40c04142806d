"""What the APIs that we speak have beside, and what there is instead: a 404 that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_VIDEO_ONLY: Final = "It makes videos, and cuts out pictures: see /v1/models"
_LORAS: Final = "LoRAs of the operator's catalog are an input of a job: `loras`"
_MODELS: Final = "Its models run as they are: see /v1/models"
_INSTEAD: Final[Mapping[str, str]] = {
    "account": "A key says nothing of its account; /v1/usage has what it used",
    "assistants": _VIDEO_ONLY,
    "audio": _VIDEO_ONLY,
    "chat": _VIDEO_ONLY,
    "collections": "All models are in /v1/models",
    "completions": _VIDEO_ONLY,
    "containers": _VIDEO_ONLY,
    "conversations": _VIDEO_ONLY,
    "deployments": "Submit to /v1/deployments/kinomill/NAME/predictions as it is",
    "embeddings": _VIDEO_ONLY,
    "evals": _MODELS,
    "fine_tuning": _MODELS,
    "hardware": "/v1/workers has the machines",
    "images": _VIDEO_ONLY,
    "list_loras": _LORAS,
    "merge_lora_weights": _LORAS,
    "moderations": _VIDEO_ONLY,
    "realtime": _VIDEO_ONLY,
    "responses": _VIDEO_ONLY,
    "set_lora": _LORAS,
    "threads": _VIDEO_ONLY,
    "trainings": _MODELS,
    "unmerge_lora_weights": _LORAS,
    "uploads": "POST /v1/files takes a file whole, or in pieces",
    "vector_stores": _VIDEO_ONLY,
}
"""First parts of paths below `/v1` of OpenAI, Replicate and SGLang that this server lacks."""


def explain(path: str) -> str | None:
    """What to say of a path that does not exist here but does in another API; None of any other."""
    parts = path.split("/")
    if len(parts) < 3 or parts[1] != "v1" or parts[2] not in _INSTEAD:
        return None
    name = parts[2]
    return f"This server has no {name}. {_INSTEAD[name]}. /docs lists all paths."
