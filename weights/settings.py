"""Settings of weights, read from environment variables: the volume and its sources."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from pydantic import AliasChoices, Field

from runtime.config.base import SettingsBase
from runtime.config.types import Duration, Folder, HttpUrl, MirrorUri, Token
from weights.trust import Trust


def _data_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME", "")
    return Path(base) if base.startswith("/") else Path.home() / ".local" / "share"


class WeightsSettings(SettingsBase):
    """Settings of the volume and its sources; workers and `kinomill models` read them."""

    weights: Folder = Field(default_factory=lambda: _data_home() / "kinomill" / "weights")
    """The volume: a folder for the weights of all models; several workers may share it."""
    weights_mirror: MirrorUri | None = Field(default=None, examples=["gs://bucket/weights"])
    """URI of a mirror (see `kinomill models push`); it is tried before the manifest's sources."""
    weights_profiles: dict[str, str] = Field(
        default_factory=dict, examples=[{"wan2.2-i2v": "gguf-q5_0"}]
    )
    """Profile per model, e.g. `{"wan2.2-i2v": "gguf-q5_0"}`; default: the manifest's."""
    weights_adopt: tuple[Folder, ...] = Field(default=(), examples=[["/srv/hub-cache"]])
    """Folders to import files from before downloading: Hub caches, baked images."""
    weights_trust: Trust = Trust.HUB
    """Lowest trust of a file: `pinned` (its sha256 is in the manifest), `hub` (or reported by the
    Hub for a commit, over TLS) or `unverified`."""
    weights_connections: int = Field(default=16, ge=1, le=64)
    """Number of ranges downloaded at the same time, over all files."""
    weights_stall_seconds: float = Field(default=30, gt=0, allow_inf_nan=False)
    """Seconds without data after which a connection is closed and opened again."""
    weights_retry_timeout: Duration = timedelta(minutes=10)
    """How long a pull retries a file without receiving a byte before it fails."""

    hf_token: Token | None = Field(
        default=None, validation_alias=AliasChoices("HF_TOKEN"), examples=["hf_abc"]
    )
    """Hugging Face token for gated repositories (variable `HF_TOKEN`)."""
    hf_endpoint: HttpUrl = Field(
        default="https://huggingface.co", validation_alias=AliasChoices("HF_ENDPOINT")
    )
    """URL of the Hugging Face Hub or of a mirror of it (variable `HF_ENDPOINT`)."""

    def missing_folders(self) -> list[str]:
        """A sentence for each folder to import from that is not there."""
        missing = [folder for folder in self.weights_adopt if not folder.is_dir()]
        return [f"KINOMILL_WEIGHTS_ADOPT: there is no folder {folder} here" for folder in missing]
