"""What a video model must say of itself, and what a runner must do. Free of torch."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction
    from pathlib import Path


class Stage(StrEnum):
    """The part of a run that a runner is in; each is also a phase of the job."""

    LOADING_MODEL = "loading_model"
    PREPROCESSING = "preprocessing"
    GENERATING = "generating"
    ENCODING = "encoding"


class MediaKind(StrEnum):
    """What a media input holds, decided by its bytes and never by its name."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


MEDIA_URI = (
    "An https:// address, a data: URI, or the id of an uploaded file (file_…). "
    "In a multipart request: the file itself."
)


def media(kind: MediaKind, description: str) -> Any:
    """A field that names a media input; `kind` says what its bytes must be."""
    return Field(
        description=f"{description} {MEDIA_URI}",
        max_length=32 * 1024 * 1024,
        json_schema_extra={"x-media": kind.value, "format": "uri"},
    )


ImageUri = Annotated[str, media(MediaKind.IMAGE, "A picture.")]
VideoUri = Annotated[str, media(MediaKind.VIDEO, "A clip.")]
AudioUri = Annotated[str, media(MediaKind.AUDIO, "A voice; any audio or video file with sound.")]


class Input(BaseModel):
    """The base of each model's input: strict types, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def media_fields(cls) -> dict[str, MediaKind]:
        """The fields that name media, with the kind that each must be."""
        kinds = {}
        for name, info in cls.model_fields.items():
            extra = _media_extra(info)
            if extra:
                kinds[name] = MediaKind(extra)
        return kinds

    @property
    def drawn(self) -> set[str]:
        """Fields left open that chance has filled, such as a seed: no part of the caller's wish."""
        return {
            name
            for name, info in type(self).model_fields.items()
            if info.default_factory is not None and name not in self.model_fields_set
        }

    @classmethod
    def read_texts(cls, texts: Mapping[str, str]) -> dict[str, Any]:
        """Values of a form, which knows only text: JSON, but for fields that are text anyway."""
        schemas = cls.model_json_schema()["properties"]
        return {
            name: text if _is_text(schemas.get(name, {}), text) else _literal(text)
            for name, text in texts.items()
        }


def _is_text(schema: Mapping[str, Any], text: str) -> bool:
    return any(_takes(option, text) for option in schema.get("anyOf", [schema]))


def _takes(option: Mapping[str, Any], text: str) -> bool:
    """Whether the text itself is meant: one of a list, or any where there is no list."""
    choices = option.get("enum", [option["const"]] if "const" in option else None)
    return option.get("type") == "string" if choices is None else text in choices


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _media_extra(info: Any) -> str | None:
    schema = info.json_schema_extra
    if isinstance(schema, dict) and "x-media" in schema:
        return str(schema["x-media"])
    for option in getattr(info.annotation, "__args__", ()):
        for meta in getattr(option, "__metadata__", ()):
            nested = getattr(meta, "json_schema_extra", None)
            if isinstance(nested, dict) and "x-media" in nested:
                return str(nested["x-media"])
    return None


@dataclass(frozen=True)
class License:
    """Terms of a model's weights. `commercial` False: refused until the operator accepts."""

    name: str
    commercial: bool
    url: str | None = None


@dataclass(frozen=True)
class Card:
    """All that the API, the page, the docs and the CLI may know of a model."""

    name: str
    """The name in the API, e.g. `wav2lip`."""
    task: str
    """`lip-sync`, `image-to-video` or `background-removal`."""
    summary: str
    """One honest sentence on what it does."""
    license: License
    input: type[Input]
    runner: str
    """Dotted path `module:Class`, imported by a worker only."""
    queue: str
    """The broker queue that its workers consume."""
    needs: str
    """The hardware, in words, e.g. `CPU` or `GPU 6 GB`."""
    time_limit: timedelta
    """An attempt that runs longer is killed by the worker's parent."""
    stall_limit: timedelta = timedelta(minutes=5)
    """An attempt whose progress stands still for longer is given up."""
    weights: Path | None = None
    """Its `weights.toml`; None for a model without weights."""
    memory_bytes: int = 0
    """What the loaded model takes of the memory that it lives in, the GPU's or the host's."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """An input that validates, shown in the docs and the OpenAPI document."""


@dataclass(frozen=True)
class Clip:
    """A finished video on local disk, with the figures that the caller sees."""

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    duration_seconds: float
    has_audio: bool
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Figures of this model alone, e.g. `{"frames_without_face": 3}`."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """What else the run made, by the name that the caller sees, e.g. `voice.wav`."""


class Report(Protocol):
    """The one call back of a runner. Call it once a step: it is cheap.

    It stores progress, and raises when the lease is lost or the job is canceled; a runner lets
    that exception pass, and so stops between two steps without knowing why.
    """

    def __call__(
        self,
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Say that `done` of `total` steps of this stage are behind us.

        `preview` makes a small JPEG of what there is by now; it is called at once or not at all,
        every few seconds at most. `notes` tell what the run settled for itself (the size, a plan
        for the memory), known to the caller from now on; each adds to those before.
        """
        ...


class Runner(Protocol):
    """A model in memory: made once, run many times, by one thread.

    The class of a model with weights is called with their folder, that of one without with nothing.
    """

    def warm_up(self) -> None:
        """Run once, as small as can be, so that the first job pays for nothing."""
        ...

    def generate(self, params: Any, inputs: Mapping[str, Path], out: Path, report: Report) -> Clip:
        """Make one video.

        `params` is the card's `Input`; `inputs` maps each media field that was given to a local
        file; `out` is the path of the MP4 to write, in a folder that is this run's own.
        """
        ...


def load_runner(card: Card, weights: Path | None = None) -> Runner:
    """Import and make the runner of a card: the first moment at which a model costs memory.

    `weights` is the folder of its files, complete, laid out as its `weights.toml` says.
    """
    module, _, name = card.runner.partition(":")
    make = getattr(importlib.import_module(module), name)
    runner: Runner = make() if weights is None else make(weights)
    return runner
