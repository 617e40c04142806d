"""Settings of the models and of what encodes their videos, read from environment variables."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from runtime.config.base import SettingsBase
from runtime.config.types import Folder

X264Simd = Literal["avx2", "avx", "ssse3", "auto"]
"""The largest set of vector instructions that the H.264 encoder may use; `auto`: all."""

CacheFolder = Annotated[Folder | None, BeforeValidator(lambda folder: folder or None), "empty"]
"""The folder of a cache. Empty: no cache."""


_GPUS_PER_WORKER = (1, 2, 4, 8)
"""Numbers by which the attention heads of every Wan model, 24 or 40, can be divided."""


def _default_face_cache() -> Path:
    return Path(tempfile.gettempdir()) / "kinomill-faces"


def _default_number_format_cache() -> Path:
    return Path(tempfile.gettempdir()) / "kinomill-number-formats"


class GpuSettings(SettingsBase):
    """The GPUs of a worker."""

    gpus_per_worker: int = Field(default=1, examples=[2])
    """GPUs that a worker uses together for one job: 1, 2, 4 or 8. Only the Wan models can use more
    than one; each GPU has all their weights, and computes a share of every step. Run with
    processes on a CPU; not yet run on GPUs."""

    @field_validator("gpus_per_worker")
    @classmethod
    def _divides_the_heads(cls, number: int) -> int:
        if number not in _GPUS_PER_WORKER:
            raise ValueError("should be 1, 2, 4 or 8")
        return number


class FaceSettings(SettingsBase):
    """Settings of the models that detect faces."""

    face_cache: CacheFolder = Field(default_factory=_default_face_cache)
    """Folder of the cache of face positions, 64 MiB at most: another job with the same video
    skips face detection. Empty: no cache."""


class NumberFormatSettings(SettingsBase):
    """Settings of the models that run on a CPU, too."""

    number_format_cache: CacheFolder = Field(default_factory=_default_number_format_cache)
    """Folder that remembers whether float32 or bfloat16 is faster, for each CPU and model. Machines
    may share it. Empty: it is measured at each start (0.1 s), on CPUs with bfloat16 instructions.
    """


class MattingSettings(SettingsBase):
    """Settings of background removal with InSPyReNet."""

    matting_compile: bool = False
    """Compile the network at the warm-up: takes minutes once for each size, then each picture is
    faster. Needs triton and a C compiler, which our images do not contain. Not yet run on a GPU."""


class EncoderSettings(SettingsBase):
    """Settings of the video encoder."""

    x264_simd: X264Simd = "avx2"
    """Vector instructions that the H.264 encoder uses at most: `avx2`, `avx` and `ssse3` give the
    same file. `auto` adds AVX-512, with which two encodes of the same frames can differ."""
    ai_label: bool = False
    """Draw the words `AI-generated` in the lower right corner of every generated video, whatever
    its job says. Results of background removal stay as they are."""


def connect_by_loopback() -> None:
    """Have the processes of several GPUs of this machine connect within it; a set value is kept."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")


def library_path() -> dict[str, str]:
    """Where a new process finds shared libraries, on systems that set it; nothing else."""
    name = "LD_LIBRARY_PATH"
    return {name: os.environ[name]} if name in os.environ else {}
