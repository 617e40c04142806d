"""The input of the lip-sync models. Imports no media library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from models import spec
from models.marking.input_field import AiLabel
from models.spec import AudioUri, ImageUri, VideoUri

if TYPE_CHECKING:
    from pydantic.config import JsonDict

Index = Annotated[int, Field(ge=0, le=31)]

_SET_BY_UPSTREAM: Final = ("blend", "sharpen", "rest_in_silence", "audio_offset_ms")
"""Fields that `upstream` sets."""

SOURCE: Final = ("image", "video", "audio", "text", "voice")
"""What a form asks for first."""
RESULT: Final = ("fps", "max_side", "loop", "ai_label")
PIXELS: Final[JsonDict] = {"x-unit": "px"}
FRAMES: Final[JsonDict] = {"x-unit": "frames"}


class Region(spec.Input):
    """A rectangle in pixels of the upright source; right and bottom are exclusive."""

    form_widget: ClassVar[str | None] = "box"

    top: int = Field(ge=0, json_schema_extra=PIXELS)
    bottom: int = Field(gt=0, json_schema_extra=PIXELS)
    left: int = Field(ge=0, json_schema_extra=PIXELS)
    right: int = Field(gt=0, json_schema_extra=PIXELS)

    @model_validator(mode="after")
    def _is_large_enough(self) -> Self:
        if self.bottom - self.top < 16 or self.right - self.left < 16:
            raise ValueError(
                "a region must be at least 16 x 16 pixels, with bottom > top and right > left"
            )
        return self


class FaceAndVoice(spec.Input):
    """Fields of every lip-sync model."""

    form_order: ClassVar[tuple[str, ...]] = ("image", "video", "audio")

    image: ImageUri | None = Field(
        default=None, description="A photo of a face from the front. Set this or `video`."
    )
    video: VideoUri | None = Field(
        default=None,
        description="A video of a face from the front; its own sound is dropped. Set this or "
        "`image`.",
    )
    audio: AudioUri = Field(
        description="The voice, up to 10 minutes. It sets the length of the result."
    )
    fps: int | None = Field(
        default=None,
        ge=1,
        le=60,
        json_schema_extra={"x-unit": "fps"},
        description="Frames per second of the result. By default 25 for a photo; a video keeps its "
        "own exact rate, and the frames of a slow one, such as a slide show, are repeated at a "
        "multiple of it, so that the lips move 24 times a second or more.",
    )
    loop: Literal["ping_pong", "repeat", "hold"] = Field(
        default="ping_pong",
        description="How a video continues if the voice is longer: backwards and forwards "
        "again, from its start, or with its last frame. A longer video is cut.",
    )
    ai_label: AiLabel = False

    def work(self, voice_seconds: float | None) -> float | None:
        """Seconds of the voice, which are those of the result."""
        return voice_seconds

    @model_validator(mode="after")
    def _one_face(self) -> Self:
        if (self.image is None) == (self.video is None):
            raise ValueError("set exactly one of `image` and `video`")
        return self


class Input(FaceAndVoice):
    """A face, as a photo or a video, and the voice or text that it speaks."""

    form_order: ClassVar[tuple[str, ...]] = (*SOURCE, "face", "region", *RESULT)

    audio: AudioUri | None = Field(  # type: ignore[assignment]  # `text` can replace it
        default=None,
        description="The voice, up to 10 minutes. It sets the length of the result. Set this or "
        "`text`.",
    )
    text: str | None = Field(
        default=None,
        max_length=5000,
        description="The text to speak: a voice is synthesized, and returned as `voice.wav`. "
        "Only on workers with speech synthesis. Set this or `audio`.",
    )
    voice: str = Field(
        default="af_heart",
        pattern="^[a-z][fm]_[a-z0-9]{1,40}$",
        description="The voice for `text`, by its name in Kokoro-82M. The first letter is the "
        "language: a US and b British English, e Spanish, f French, h Hindi, i Italian, p "
        "Brazilian Portuguese.",
    )
    max_side: int = Field(
        default=1920,
        ge=128,
        le=3840,
        json_schema_extra=PIXELS,
        description="Longest side of the result in pixels. A larger source is scaled down.",
    )
    face: Literal["largest", "central"] | Index | Region = Field(
        default="largest",
        description="Which face speaks if there are several: the largest, the most central, the "
        "n-th from the left (0 is the first), or the one that overlaps a rectangle most. It is "
        "selected at the start of each scene and tracked from there.",
    )
    region: Region | None = Field(
        default=None,
        description="A fixed rectangle to use instead of face detection, exactly as given: from "
        "the forehead to just below the chin.",
    )
    search_every: int = Field(
        default=25,
        ge=1,
        le=250,
        json_schema_extra=FRAMES,
        description="Frames between two face detections in the whole frame; in between, only the "
        "area around the last position is searched. Lower values find faces that move fast, and "
        "are slower.",
    )
    smoothing: bool = Field(
        default=True,
        description="Smooth the face box over time. Fast motion is tracked either way.",
    )
    missing_faces: Literal["pass", "fail"] = Field(
        default="pass",
        description="Frames without a face: keep them unchanged, or fail the job with `no_face`. "
        "Gaps of up to half a second are interpolated in both cases.",
    )
    audio_offset_ms: int = Field(
        default=0,
        ge=-500,
        le=500,
        json_schema_extra={"x-unit": "ms"},
        description="Offset of the mouth against the sound, in milliseconds. With a positive "
        "value the mouth moves earlier.",
    )
    rest_in_silence: bool = Field(
        default=True,
        description="In pauses of 0.3 s or more, show the source's own mouth.",
    )
    blend: Literal["feather", "box"] = Field(
        default="feather",
        description="`feather`: only the lower face, with soft edges and matched colors. "
        "`box`: the whole face with hard edges.",
    )
    sharpen: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How much of the network's blur is removed. Only with `feather`.",
    )
    upstream: bool = Field(
        default=False,
        description="Composite the face and select the audio window of each frame as the "
        "authors' own script does, for comparison: the mouth also moves in silence, and the "
        "result may end some frames before the voice. It sets `blend`, `sharpen`, "
        "`rest_in_silence` and `audio_offset_ms`, so omit those.",
    )

    @model_validator(mode="after")
    def _one_voice(self) -> Self:
        if (self.audio is None) == (self.text is None):
            raise ValueError("set exactly one of `audio` and `text`")
        if self.text is not None and not self.text.strip():
            raise ValueError("`text` must not be empty")
        return self

    @model_validator(mode="after")
    def _upstream_fields_are_omitted(self) -> Self:
        fields = type(self).model_fields
        changed = [name for name in _SET_BY_UPSTREAM if getattr(self, name) != fields[name].default]
        if self.upstream and changed:
            raise ValueError(f"`upstream` sets `{changed[0]}`; omit it")
        return self
