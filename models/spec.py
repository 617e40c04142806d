"""The description of a model (`Card`) and the interface of its runner. Free of torch."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from models.file_type import MP4, FileType
from models.marking.source_type import DigitalSourceType
from runtime.commercial_use import CommercialUse, commercial_use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction
    from pathlib import Path

    from models.errors import ModelErrorCode


class Stage(StrEnum):
    """The stage of a run, as a runner reports it; each is also a phase of the job."""

    LOADING_MODEL = "loading_model"
    PREPROCESSING = "preprocessing"
    GENERATING = "generating"
    ENCODING = "encoding"


class MediaKind(StrEnum):
    """The kind of a media file, detected from its bytes and never from its name."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


MEDIA_URI = (
    "An https:// URL, a data: URI, or the id of an uploaded file (file_…). "
    "In a multipart request: the file itself."
)


def media_field(kind: MediaKind, description: str, *, min_side: int | None = None) -> Any:
    """An input field that takes the URI of a media file of this `kind`, 32 MiB of text at most.

    `min_side`: the shortest side of an image in pixels, if not the usual 64.
    """
    extra: dict[str, Any] = {"x-media": kind.value, "format": "uri"}
    if min_side is not None:
        extra["x-min-side"] = min_side
    return Field(
        description=f"{description} {MEDIA_URI}",
        max_length=32 * 1024 * 1024,
        json_schema_extra=extra,
    )


ImageUri = Annotated[str, media_field(MediaKind.IMAGE, "An image.")]
AnyImageUri = Annotated[
    str, media_field(MediaKind.IMAGE, "An image of any size, from 1 x 1 pixel.", min_side=1)
]
VideoUri = Annotated[str, media_field(MediaKind.VIDEO, "A video.")]
AudioUri = Annotated[
    str, media_field(MediaKind.AUDIO, "A voice: any audio file, or a video file with sound.")
]


def _describe_form(schema: dict[str, Any], model: type[Input]) -> None:
    """Add what a form needs: `x-order`, the place of each field, and `x-widget`."""
    names = dict.fromkeys((*model.form_order, *schema.get("properties", {})))
    for place, name in enumerate(names):
        schema["properties"][name]["x-order"] = place
    if model.form_widget is not None:
        schema["x-widget"] = model.form_widget


class Input(BaseModel):
    """Base class of every model's input: strict types, unknown fields are errors, immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra=_describe_form
    )

    form_order: ClassVar[tuple[str, ...]] = ()
    """Fields that a form shows first, in this order; the others follow as they are defined."""
    form_widget: ClassVar[str | None] = None
    """How a form asks for an object: `box`, a rectangle that is drawn on the picture."""

    @classmethod
    def media_fields(cls) -> Mapping[str, MediaKind]:
        """The fields that take a media file, with the kind of each."""
        return _media_fields(cls)

    @classmethod
    def min_sides(cls) -> Mapping[str, int]:
        """The shortest side in pixels of the images of those fields that do not want the usual."""
        return _min_sides(cls)

    @property
    def generated_fields(self) -> set[str]:
        """Names of omitted fields that a default factory filled, such as a random seed.

        They are not part of the request, so they do not count when two requests are compared.
        """
        return {
            name
            for name, info in type(self).model_fields.items()
            if info.default_factory is not None and name not in self.model_fields_set
        }

    @classmethod
    def frames_for(cls, seconds: float, fps: int | None) -> int | None:
        """The value of `frames` nearest to a length; `fps` None: the model's own rate.

        None where the caller does not choose the length, as with a voice that sets it.
        """
        return None

    @classmethod
    def sides_for(cls, width: int, height: int) -> tuple[int, int]:
        """The values of `width` and `height` nearest to a size."""
        return width, height

    def work(self, voice_seconds: float | None) -> float | None:
        """How much work a run of this input is, in a unit of its model: twice as much takes twice.

        `voice_seconds`: the length of the voice, if it is known. None: the input does not say.
        """
        return None

    @classmethod
    def parse_form_values(
        cls, texts: Mapping[str, str], check: Callable[[str, str], object] | None = None
    ) -> dict[str, Any]:
        """Convert form values, which are all text: JSON, except where the field is a string.

        `check` is called with name and text before JSON is parsed, to refuse what would take long.
        """
        schemas = _field_schemas(cls)
        return {
            name: text
            if _is_text(schemas.get(name, {}), text)
            else _json_or_text(name, text, check)
            for name, text in texts.items()
        }


@cache
def _media_fields(model: type[Input]) -> dict[str, MediaKind]:
    found = {name: _extra(info, "x-media") for name, info in model.model_fields.items()}
    return {name: MediaKind(kind) for name, kind in found.items() if kind}


@cache
def _min_sides(model: type[Input]) -> dict[str, int]:
    found = {name: _extra(info, "x-min-side") for name, info in model.model_fields.items()}
    return {name: side for name, side in found.items() if side}


@cache
def _field_schemas(model: type[Input]) -> dict[str, Any]:
    """Built once: it takes milliseconds."""
    schemas: dict[str, Any] = model.model_json_schema()["properties"]
    return schemas


def _is_text(schema: Mapping[str, Any], text: str) -> bool:
    return any(_accepts_text(option, text) for option in schema.get("anyOf", [schema]))


def _accepts_text(option: Mapping[str, Any], text: str) -> bool:
    """Whether a schema accepts the text as it is: one of its choices, else any string."""
    choices = option.get("enum", [option["const"]] if "const" in option else None)
    return option.get("type") == "string" if choices is None else text in choices


def _json_or_text(name: str, text: str, check: Callable[[str, str], object] | None) -> Any:
    if check is not None:
        check(name, text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _extra(info: Any, keyword: str) -> Any:
    """What a field, or an option of it, adds to its schema under this keyword."""
    schema = info.json_schema_extra
    if isinstance(schema, dict) and keyword in schema:
        return schema[keyword]
    for option in getattr(info.annotation, "__args__", ()):
        for meta in getattr(option, "__metadata__", ()):
            nested = getattr(meta, "json_schema_extra", None)
            if isinstance(nested, dict) and keyword in nested:
                return nested[keyword]
    return None


@dataclass(frozen=True)
class License:
    """License of a model's weights.

    Unless `commercial` is `yes`, jobs are refused until the operator accepts the license.
    """

    name: str
    commercial: CommercialUse
    url: str | None = None
    restrictions: str | None = None
    """What a conditional license forbids, in sentences for users."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "commercial", commercial_use(self.commercial))

    @property
    def must_accept(self) -> bool:
        """Whether the operator has to accept it before the model runs."""
        return self.commercial != "yes"

    @property
    def terms(self) -> str:
        """The name of the license and what it means for commercial use, within a sentence."""
        use = {
            "yes": "for commercial use, too",
            "conditional": "for commercial use within restrictions",
            "no": "for non-commercial use",
        }
        return f"{self.name}, {use[self.commercial]}"


@dataclass(frozen=True)
class Card:
    """The description of a model, from which come its API schema, its CLI and its docs.

    Importing it loads neither torch nor a media library.
    """

    name: str
    """The name in the API, e.g. `wav2lip`."""
    task: str
    """`lip-sync`, `image-to-video` or `background-removal`."""
    summary: str
    """What it does, in one sentence for users."""
    license: License
    input: type[Input]
    runner: str
    """Dotted path `module:Class` of the runner; only a worker imports it."""
    queue: str
    """Name of the broker queue that its workers consume."""
    hardware: str
    """The hardware it needs, in words, e.g. `CPU` or `GPU 6 GB`."""
    time_limit: timedelta
    """The worker's parent process kills an attempt that runs longer than this."""
    stall_limit: timedelta = timedelta(minutes=5)
    """An attempt without progress for this long is ended."""
    weights: Path | None = None
    """Path of its `weights.toml`; None for a model without weights."""
    memory_bytes: int = 0
    """Size of the loaded model, in GPU memory if it runs on a GPU, else in host memory."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A valid input, shown in the docs and in the OpenAPI document."""
    error_codes: tuple[ModelErrorCode, ...] = ()
    """The codes of `InputRejected` that its runs raise, beyond `SHARED_ERROR_CODES`."""
    digital_source_type: DigitalSourceType = DigitalSourceType.TRAINED
    """How its results are made; each result file is marked with it."""
    shares_gpus: bool = False
    """Whether its runner uses all GPUs of a worker that has several for one job."""
    converter: str | None = None
    """Dotted path `module:function` of what writes its published checkpoint as safetensors.

    For `kinomill models convert`. Called with a source, a target and `dtype` (`fp32` or `fp16`).
    """


@dataclass(frozen=True)
class RunResult:
    """A finished file on local disk, with its properties as the caller sees them.

    A video has `fps`, `frames`, `duration_seconds` and `has_audio`; a picture leaves them None.
    """

    path: Path
    """Its name ends with the extension of `file_type`."""
    width: int
    height: int
    encoder: str
    """Names, versions and settings of what encoded the file, for its provenance."""
    file_type: FileType = MP4
    fps: Fraction | None = None
    frames: int | None = None
    duration_seconds: float | None = None
    has_audio: bool | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Properties that only this model reports, e.g. `{"frames_without_face": 3}`."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Other files of this run by the name that the caller sees, e.g. `voice.wav`."""


class Part(NamedTuple):
    """A clip, segment or chunk of a run that a model computes in several."""

    number: int
    """From 1."""
    total: int
    """Parts of the run, as far as it is known."""


class Report(Protocol):
    """The progress callback of a runner. It is cheap: call it after every step.

    It stores the progress, and raises when the lease is lost or the job is canceled. A runner must
    not catch that exception: it is how a job stops between two steps.
    """

    def __call__(
        self,
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
        part: Part | None = None,
    ) -> None:
        """Report that `done` of `total` steps of this stage are complete.

        `preview` returns a small JPEG of the intermediate result. It is called during this call or
        not at all, at most every few seconds. `notes` are decisions of the run (the output size,
        the offload plan); the caller sees them at once, merged into those reported before.
        `part` is what the model computes now of a run that it computes in parts; it holds until
        the next one or the end of the stage.
        """
        ...


class Runner(Protocol):
    """A model in memory: created once, run many times, always by one thread.

    The constructor takes the folder of the weights, or nothing if the model has none.
    """

    def warm_up(self) -> None:
        """Run once with the smallest input, so that the first job is not slower than the rest."""
        ...

    def generate(
        self, params: Any, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Generate one file.

        `params` is an instance of the card's `input`; `inputs` maps each media field that was
        given to a local file; `out` is the path of the MP4 to write. A runner that makes another
        `FileType` writes `out.with_suffix(file_type.suffix)` and says so in its result. The folder
        belongs to this run. Raises `models.errors.ModelError`.
        """
        ...


def load_runner(card: Card, weights: Path | None = None) -> Runner:
    """Import and create the runner of a card; a model takes no memory before this call.

    `weights` is the folder of its files: complete, with the paths of its `weights.toml`.
    """
    module, _, name = card.runner.partition(":")
    create = getattr(importlib.import_module(module), name)
    runner: Runner = create() if weights is None else create(weights)
    return runner
