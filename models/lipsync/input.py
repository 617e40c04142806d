"""What every lip-sync model may be asked for; free of any media library."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from models import spec
from models.spec import AudioUri, ImageUri, VideoUri

Index = Annotated[int, Field(ge=0, le=31)]

_SETTLED: Final = ("blend", "sharpen", "rest_in_silence", "audio_offset_ms")
"""What `upstream` decides for itself."""


class Region(spec.Input):
    """A rectangle of the picture, in pixels of the upright source; right and bottom exclusive."""

    top: int = Field(ge=0)
    bottom: int = Field(gt=0)
    left: int = Field(ge=0)
    right: int = Field(gt=0)

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.bottom - self.top < 16 or self.right - self.left < 16:
            raise ValueError("a region is at least 16 x 16 pixels: bottom > top, right > left")
        return self


class FaceAndVoice(spec.Input):
    """What even the simplest lip-sync model takes."""

    image: ImageUri | None = Field(
        default=None, description="A photo with an upright face. Give this or `video`."
    )
    video: VideoUri | None = Field(
        default=None,
        description="A clip with an upright face; its own sound is dropped. Give this or `image`.",
    )
    audio: AudioUri = Field(
        description="The voice, up to 10 minutes. The result is as long as it is."
    )
    fps: int = Field(
        default=25,
        ge=1,
        le=60,
        description="Frames a second for a photo. A clip keeps its own exact rate.",
    )
    loop: Literal["ping_pong", "repeat", "hold"] = Field(
        default="ping_pong",
        description="How a clip goes on when the voice is longer: backwards and forwards again, "
        "from its start, or by its last frame. A clip longer than the voice is cut.",
    )

    @model_validator(mode="after")
    def _one_face(self) -> Self:
        if (self.image is None) == (self.video is None):
            raise ValueError("give exactly one of `image` and `video`")
        return self


class Input(FaceAndVoice):
    """A face, as a photo or a clip, and the voice or the text that it shall speak."""

    audio: AudioUri | None = Field(  # type: ignore[assignment]  # here a text may take its place
        default=None,
        description="The voice, up to 10 minutes. The result is as long as it is. Give this or "
        "`text`.",
    )
    text: str | None = Field(
        default=None,
        max_length=5000,
        description="What to say, where there is no voice: it is synthesized, and returned as "
        "`voice.wav`. Only on workers that have speech. Give this or `audio`.",
    )
    voice: str = Field(
        default="af_heart",
        pattern="^[a-z][fm]_[a-z0-9]{1,40}$",
        description="Who says `text`, by the names of Kokoro-82M. The first letter is the "
        "language: a US and b British English, e Spanish, f French, h Hindi, i Italian, p "
        "Brazilian Portuguese.",
    )
    max_side: int = Field(
        default=1920,
        ge=128,
        le=3840,
        description="Longest side of the result in pixels. A larger picture is scaled down.",
    )
    face: Literal["largest", "central"] | Index | Region = Field(
        default="largest",
        description="Who speaks, if there are several: the largest face, the most central one, "
        "the n-th from the left (0 is the first), or the one that overlaps a rectangle most, as "
        "each scene begins. It is followed from there.",
    )
    region: Region | None = Field(
        default=None,
        description="A fixed rectangle to work in, instead of looking for faces.",
    )
    search_every: int = Field(
        default=25,
        ge=1,
        le=250,
        description="Frames between two searches of the whole picture; between, a face is looked "
        "for where it was. Less finds faces that move fast, and takes longer.",
    )
    smoothing: bool = Field(
        default=True,
        description="Calm the face's box over time. Fast motion is followed either way.",
    )
    missing_faces: Literal["pass", "fail"] = Field(
        default="pass",
        description="Frames without a face: leave them as they are, or fail the job with "
        "`no_face`. Gaps of up to half a second are bridged in both cases.",
    )
    audio_offset_ms: int = Field(
        default=0,
        ge=-500,
        le=500,
        description="Move the mouth against the sound: positive lets it hear later sound, so "
        "that it moves earlier.",
    )
    rest_in_silence: bool = Field(
        default=True,
        description="Where nobody speaks for 0.3 s the source's own mouth is shown.",
    )
    blend: Literal["feather", "box"] = Field(
        default="feather",
        description="`feather`: only the lower face, with soft edges and matched colours. "
        "`box`: the whole face with hard edges.",
    )
    sharpen: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How much of the small network's blur is taken back. Only with `feather`.",
    )
    upstream: bool = Field(
        default=False,
        description="Lay the face over the frame and choose what each frame hears as the "
        "authors' own script does, to compare with it: the mouth moves in silence too, and the "
        "result may end some frames before the voice. It settles `blend`, `sharpen`, "
        "`rest_in_silence` and `audio_offset_ms`, so leave those out.",
    )

    @model_validator(mode="after")
    def _one_voice(self) -> Self:
        if (self.audio is None) == (self.text is None):
            raise ValueError("give exactly one of `audio` and `text`")
        if self.text is not None and not self.text.strip():
            raise ValueError("`text` is empty")
        return self

    @model_validator(mode="after")
    def _settled_once(self) -> Self:
        fields = type(self).model_fields
        changed = [name for name in _SETTLED if getattr(self, name) != fields[name].default]
        if self.upstream and changed:
            raise ValueError(f"`upstream` settles `{changed[0]}` itself: leave it out")
        return self
