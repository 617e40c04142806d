"""The extras of this distribution that the models' libraries come from."""

from __future__ import annotations

from typing import Final

from runtime.extras import install_command

EXTRAS: Final = {
    "accelerate": "worker",
    "av": "media",
    "cv2": "media",
    "diffusers": "worker",
    "ftfy": "worker",
    "gguf": "worker",
    "huggingface_hub": "weights",
    "kokoro": "speech",
    "misaki": "speech",
    "numpy": "media",
    "peft": "worker",
    "PIL": "media",
    "safetensors": "worker",
    "spacy": "speech",
    "tomlkit": "weights",
    "torch": "worker",
    "transformers": "worker",
}
"""By the module that is imported."""


def extra_missing(model: str, error: BaseException) -> str | None:
    """A sentence that names the extra a model lacks. None: it failed for another reason."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    module = error.name.partition(".")[0]
    if module not in EXTRAS:
        return None
    return (
        f"{model} needs {module}, which is not installed on this worker: "
        f"{install_command(EXTRAS[module])}"
    )
