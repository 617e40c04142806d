"""Input schemas of the talking-picture models. Free of any media library: the API imports them.

A field that is None stands for the model's default; the job shows the value that was used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from models import spec
from models.lipsync.input import Region
from models.marking.input_field import AiLabel
from models.multitalk.variants import INFINITETALK, MULTITALK, Resolution, TalkingVariant
from models.spec import AudioUri, ImageUri, VideoUri
from models.wan.request import validation
from models.wan.request.input import SEEDS, Lora, random_seed
from models.wan.variants import Quality

Voice = Annotated[str, Field(pattern="^[a-z][fm]_[a-z0-9]{1,40}$")]
_SPEECH = ("audio", "audio_2", "text", "voice", "text_2", "voice_2", "people", "audio_mode")
_SCENE = ("prompt", "negative_prompt", "quality", "resolution", "seed", "loras", "max_seconds")
PROMPT = "A person talks to the camera with natural expressions and small movements of the head."


class Input(spec.Input):
    """A picture, and one or two voices with which the people in it speak."""

    variant: ClassVar[TalkingVariant] = MULTITALK
    form_order: ClassVar[tuple[str, ...]] = ("image", *_SPEECH, *_SCENE)

    image: ImageUri = Field(
        description="The picture with one or two people. EXIF orientation is applied; it is "
        "cropped around its center to the nearest of the model's sizes."
    )
    audio: AudioUri | None = Field(
        default=None, description="The voice of the first person. Set this or `text`."
    )
    audio_2: AudioUri | None = Field(
        default=None, description="The voice of a second person. Set this or `text_2`, or neither."
    )
    text: str | None = Field(
        default=None,
        max_length=5000,
        description="What the first person says: a voice is synthesized. Only on workers with "
        "speech synthesis. Set this or `audio`.",
    )
    text_2: str | None = Field(
        default=None, max_length=5000, description="What the second person says."
    )
    voice: Voice | None = Field(
        default=None,
        description="The voice for `text`, by its name in Kokoro-82M. The first letter is the "
        "language: a US and b British English, e Spanish, f French, h Hindi, i Italian, p "
        "Brazilian Portuguese. Default: af_heart.",
    )
    voice_2: Voice | None = Field(
        default=None, description="The voice for `text_2`. Default: af_heart."
    )
    audio_mode: Literal["together", "one_after_another"] = Field(
        default="together",
        description="Two voices start together, or the second one starts where the first ends. "
        "Who does not speak is silent.",
    )
    people: Literal["auto", "halves", "faces"] | Sequence[Region] = Field(
        default="auto",
        description="Where the people are: rectangles in pixels of the upright picture, in the "
        "order of the voices, with right and bottom exclusive. `faces`: the two largest faces, "
        "the left one first. `halves`: the left and the right half of the picture. `auto`: faces "
        "if there are exactly two, else halves. One rectangle with one voice: only that person "
        "speaks. With one voice and `auto` the whole picture listens.",
    )
    prompt: str = Field(
        default=PROMPT,
        min_length=1,
        max_length=2000,
        description="What is seen, and how the people act. At most 512 tokens.",
    )
    negative_prompt: str | None = Field(
        default=None,
        max_length=2000,
        description="What should not appear. Default: the model authors' list. No effect where "
        "`guidance` is 1, as with `fast`.",
    )
    resolution: Resolution = Field(
        default="480p",
        description="Pixels per frame: about 627 x 627 or 960 x 960, in the aspect ratio of the "
        "picture. Both sides are multiples of 64.",
    )
    quality: Quality = Field(
        default="best",
        description="`best`: 40 steps. `fast`: a distilled LoRA of the worker, 8 or 4 steps, and "
        "no guidance by text: about ten times less work.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Denoising steps of each clip. Default: 40; with `fast` those of the LoRA. At "
        "most 12 with `fast`.",
    )
    guidance: float | None = Field(
        default=None,
        ge=1,
        le=20,
        description="How strictly the video follows the prompt; 1 turns it off, and saves one of "
        "three evaluations a step. Default: 5; only 1 with `fast`.",
    )
    audio_guidance: float | None = Field(
        default=None,
        ge=0,
        le=20,
        description="How strictly the people follow the voice: 3 to 5 is best for the lips. 0 "
        "turns the voice off. Default: 4, with `fast` 2.",
    )
    adaptive_guidance: bool = Field(
        default=False,
        description="Adaptive projected guidance: colors drift less over a long video.",
    )
    step_cache: float | None = Field(
        default=None,
        ge=0.05,
        le=0.5,
        description="TeaCache: steps in which little changes are not computed, until the changes "
        "add up to this threshold: 0.2 is careful, 0.5 is fast. The first five steps always are; "
        "the job shows how many were. Default: off.",
    )
    shift: float | None = Field(
        default=None,
        ge=0.1,
        le=20,
        description="Flow shift: a higher value spends more steps on large shapes and motion. "
        "Default: 7 at 480p, 11 at 720p, 2 with `fast`.",
    )
    seed: int = Field(
        default_factory=random_seed,
        ge=0,
        lt=SEEDS,
        description="The same seed gives the same video. Default: a random one, which the job "
        "shows.",
    )
    color_correction: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How far the colors of each frame are matched to those of the picture.",
    )
    max_seconds: float = Field(
        default=40.0,
        ge=0.1,
        le=600,
        json_schema_extra={"x-unit": "s"},
        description="Length at which the video ends if the voice is longer; the job shows it.",
    )
    loras: Sequence[Lora] = Field(default=(), max_length=4, description="LoRAs to add, each once.")
    ai_label: AiLabel = False

    def work(self, voice_seconds: float | None) -> float | None:
        """Steps x seconds x pixels of a job with one voice."""
        if voice_seconds is None or self.voices > 1:
            return None
        variant = self.variant
        steps = self.steps or variant.default_steps(self.quality)
        seconds = min(voice_seconds, self.max_seconds)
        return steps * seconds * variant.areas[self.resolution] * self._evaluations

    @property
    def _evaluations(self) -> int:
        """Evaluations of the network for each step."""
        if self.quality == "fast":
            return 2
        return 3 if (self.guidance or self.variant.guidance) > 1 else 2

    @field_validator("prompt")
    @classmethod
    def _check_prompt(cls, prompt: str) -> str:
        return validation.check_prompt(prompt)

    @model_validator(mode="after")
    def _check_voices(self) -> Self:
        _check_voice(self.audio, self.text, "audio", "text", required=True)
        _check_voice(self.audio_2, self.text_2, "audio_2", "text_2", required=False)
        if self.voices == 1 and self.audio_mode != "together":
            raise ValueError("`audio_mode` is for two voices: set `audio_2` or `text_2`, too")
        for text, voice in (("text", "voice"), ("text_2", "voice_2")):
            if getattr(self, text) is None and getattr(self, voice) is not None:
                raise ValueError(f"`{voice}` is for `{text}`: set it, or omit `{voice}`")
        return self

    @model_validator(mode="after")
    def _check_people(self) -> Self:
        if isinstance(self.people, str):
            if self.voices == 1 and self.people != "auto":
                raise ValueError(f"`people: {self.people}` is for two voices: set `audio_2`, too")
        elif len(self.people) != self.voices:
            count = f"{self.voices}, not {len(self.people)}"
            raise ValueError(f"`people` must have a rectangle for each voice: {count}")
        return self

    @model_validator(mode="after")
    def _check_fast(self) -> Self:
        if self.quality == "fast":
            if self.guidance not in {None, 1}:
                raise ValueError("`guidance` is baked into the LoRA of `fast`: omit it")
            limit = max(one.max_steps for one in self.variant.fast.values())
            if self.steps is not None and self.steps > limit:
                raise ValueError(f"quality `fast` allows at most {limit} steps; use `best`")
        validation.check_unique([lora.id for lora in self.loras])
        return self

    @property
    def voices(self) -> int:
        """The number of voices."""
        return 1 if self.audio_2 is None and self.text_2 is None else 2


def _check_voice(
    audio: str | None, text: str | None, audio_field: str, text_field: str, *, required: bool
) -> None:
    if audio is not None and text is not None:
        raise ValueError(f"set either `{audio_field}` or `{text_field}`")
    if required and audio is None and text is None:
        raise ValueError(f"set `{audio_field}` or `{text_field}`")
    if text is not None and not text.strip():
        raise ValueError(f"`{text_field}` must not be empty")


class VideoInput(Input):
    """A picture or a clip, and one or two voices with which the people in it speak."""

    variant: ClassVar[TalkingVariant] = INFINITETALK
    form_order: ClassVar[tuple[str, ...]] = ("image", "video", *_SPEECH, *_SCENE)

    image: ImageUri | None = Field(  # type: ignore[assignment]  # `video` can replace it
        default=None,
        description="The picture with one or two people. EXIF orientation is applied; it is "
        "cropped around its center to the nearest of the model's sizes. Set this or `video`.",
    )
    video: VideoUri | None = Field(
        default=None,
        description="A clip to dub: each part of the result follows the frame of the clip at its "
        "start. A clip shorter than the voice runs backwards and forwards again. Set this or "
        "`image`.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.image is None) == (self.video is None):
            raise ValueError("set exactly one of `image` and `video`")
        return self
