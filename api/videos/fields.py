"""From the field names of OpenAI, SGLang and vLLM-Omni to the inputs of a model.

Sources: openai 3.57.0 (`client.videos.create`), sglang 0.5.23 (`openai/protocol.py`), vllm-omni
0.32.0rc1 (`protocol/videos.py`). Any other field is an input of the model itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from api.bodies.incoming_file import IncomingFile
from api.errors.problems import Problem
from api.errors.validation import invalid_field, json_pointer
from jobs.errors import ErrorCode, FieldError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobs.errors import RequestError
    from models.spec import Card

RENAMED: Final[Mapping[str, str]] = {
    "num_frames": "frames",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "guidance_scale_2": "guidance_2",
    "flow_shift": "shift",
    "reference_url": "image",
    "image_url": "image",
    "image_reference": "image",
    "video_url": "video",
    "video_reference": "video",
    "audio_url": "audio",
    "audio_reference": "audio",
}
"""Inputs of ours by the names of others."""
NO_EFFECT: Final = frozenset({None, False, "", "{}", "[]", "auto", "none"})
"""Values of a field that we lack with which it asks for nothing."""
_SETTINGS: Final = frozenset(
    {
        "width",
        "height",
        "frames",
        "fps",
        "steps",
        "guidance",
        "guidance_2",
        "shift",
        "negative_prompt",
    }
)
"""Inputs with which others adjust any model: those that a model does not have are ignored."""
LACKING: Final[Mapping[str, frozenset[Any]]] = {
    name: NO_EFFECT | allowed
    for name, allowed in {
        "n": frozenset({1}),
        "num_outputs_per_prompt": frozenset({1}),
        "user": frozenset(),
        "quality": frozenset(),
        "task_type": frozenset(),
        "aspect_ratio": frozenset(),
        "short_edge": frozenset(),
        "enhance_prompt": frozenset(),
        "generator_device": frozenset({"cuda", "cpu"}),
        "true_cfg_scale": frozenset({1}),
        "max_sequence_length": frozenset({512}),
        "boundary_ratio": frozenset({0.875, 0.9}),  # those that Wan 2.2 was published with
        "sample_solver": frozenset({"unipc", "euler"}),
        "enable_teacache": frozenset(),
        "enable_frame_interpolation": frozenset(),
        "frame_interpolation_exp": frozenset({1}),
        "frame_interpolation_scale": frozenset({1}),
        "frame_interpolation_model_path": frozenset(),
        "enable_upscaling": frozenset(),
        "upscaling_model_path": frozenset(),
        "upscaling_scale": frozenset({4}),
        "output_quality": frozenset({"default"}),
        "output_compression": frozenset(),
        "x264_preset": frozenset(),
        "output_path": frozenset(),
        "output_file_name": frozenset(),
        "save_output": frozenset({True}),
        "preencode_mp4": frozenset(),
        "preencode_batch_frames": frozenset(),
        "video_codec_options": frozenset(),
        "video_path": frozenset(),
        "diffusers_kwargs": frozenset(),
        "perf_dump_path": frozenset(),
        "profile": frozenset(),
        "generate_sound": frozenset(),
        "sound_duration": frozenset(),
        "return_stage_metrics": frozenset(),
        "control_reference": frozenset(),
        "control_type": frozenset(),
        "source_video": frozenset(),
        "source_audio": frozenset(),
        "video_noise_mask": frozenset(),
        "audio_noise_mask": frozenset(),
        "video_params": frozenset(),
    }.items()
}
"""Fields of others that we lack, with the values that change nothing."""
HARMLESS: Final = frozenset({"user", "preencode_mp4", "preencode_batch_frames"})
"""Of these, fields that never change the video: who asks, and when it is encoded."""
_SIZE: Final = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_RATE: Final = re.compile(r"([1-9][0-9]{0,2})(?:\.0)?")
_COUNT: Final = re.compile("[1-9][0-9]{0,3}")
_SECONDS: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?")
_URL_KEYS: Final = ("image_url", "video_url", "audio_url", "url", "file_id")


@dataclass
class Translation:
    """The inputs of a model, as far as they were translated."""

    card: Card
    data_uris: Mapping[str, IncomingFile] = field(default_factory=dict)
    """Files that were long data URIs, by the text that stands for each."""
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, IncomingFile] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What was ignored or rounded, for the caller."""
    _given_as: dict[str, str] = field(default_factory=dict)

    def takes(self, name: str) -> bool:
        """Whether the model has this input."""
        return name in self.card.input.model_fields

    def set(self, name: str, value: Any, *, source: str) -> None:
        """Set an input. Raises `RequestError` if another field has set it."""
        if name in self._given_as:
            first = self._given_as[name]
            raise invalid_field(FieldError(json_pointer(source), f"says the same as {first!r}"))
        self._given_as[name] = source
        if isinstance(value, IncomingFile):
            self.files[name] = value
        else:
            self.values[name] = value

    def note_ignored(self, name: str, why: str) -> None:
        """Tell the caller that a field changed nothing."""
        self.notes.append(f"{name}: ignored, because {why}")


def translate(
    card: Card, fields: Mapping[str, Any], data_uris: Mapping[str, IncomingFile]
) -> Translation:
    """Translate all fields. Raises `RequestError`: invalid_input, not_supported."""
    found = Translation(card, data_uris)
    for name, value in fields.items():
        if value is None:
            continue
        lacking = name in LACKING and not found.takes(name)
        if isinstance(value, IncomingFile) and not lacking:
            _require_media_field(card, name)
        if (own := _OWN_RULES.get(name)) is not None:
            own(found, name, value)
        elif lacking:
            _refuse_unless_without_effect(found, name, value)
        else:
            _take(found, name, value)
    _fit_size(found)
    _take_length(found, fields.get("seconds"))
    _drop_second_guidance(found)
    return found


def _require_media_field(card: Card, name: str) -> None:
    kinds = card.input.media_fields()
    if name != "input_reference" and RENAMED.get(name, name) not in kinds:
        message = f"takes no file; those of {card.name} are {', '.join(kinds) or 'none'}"
        raise invalid_field(FieldError(json_pointer(name), message))


def _take(found: Translation, name: str, value: Any) -> None:
    ours = RENAMED.get(name, name)
    if ours in _SETTINGS and not found.takes(ours):
        found.note_ignored(name, f"{found.card.name} has no such option")
        return
    if ours in found.card.input.media_fields():
        value = one_url(name, value)
    found.set(ours, value, source=name)


def _refuse_unless_without_effect(found: Translation, name: str, value: Any) -> None:
    structured = isinstance(value, (dict, list, IncomingFile))
    changes = value not in ({}, []) if structured else value not in LACKING[name]
    if changes and name not in HARMLESS:
        raise not_supported(f"/{name}", f"{found.card.name} has no such option. Leave it out")
    found.note_ignored(name, "this server has no such option")


def _take_prompt(found: Translation, name: str, value: Any) -> None:
    if found.takes("prompt"):
        found.set("prompt", value, source=name)
    elif value:
        found.note_ignored(name, f"{found.card.name} takes no prompt")


def _take_reference(found: Translation, name: str, value: Any) -> None:
    """A picture or a clip: of a file its bytes decide, a URL is a picture."""
    kinds = found.card.input.media_fields()
    kind = "image"
    if not isinstance(value, IncomingFile):
        value = one_url(name, value)
        kind = "video" if str(value)[:11] == "data:video/" else kind
    file = found.data_uris.get(value) if isinstance(value, str) else value
    if isinstance(file, IncomingFile) and file.format and file.format.kind in kinds:
        kind = file.format.kind
    if kind not in kinds:
        taken = ", ".join(kinds) or "no file"
        raise invalid_field(FieldError(f"/{name}", f"{found.card.name} takes {taken}"))
    found.set(kind, value, source=name)


def _take_size(found: Translation, name: str, value: Any) -> None:
    if value == "auto":
        return
    size = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if size is None:
        raise invalid_field(FieldError(f"/{name}", "must be WIDTHxHEIGHT, such as 832x480"))
    if not (found.takes("width") and found.takes("height")):
        found.note_ignored(name, f"{found.card.name} keeps the size of what it is given")
        return
    found.set("width", int(size[1]), source=name)
    found.set("height", int(size[2]), source=name)


def _fit_size(found: Translation) -> None:
    """The nearest size that the model makes, if both sides are given."""
    texts = [_as_text(found.values.get(name, "")) for name in ("width", "height")]
    if not all(_COUNT.fullmatch(text) for text in texts):
        return
    width, height = (int(text) for text in texts)
    nearest = found.card.input.sides_for(width, height)
    if nearest != (width, height):
        found.values["width"], found.values["height"] = nearest
        found.notes.append(
            f"size: {nearest[0]}x{nearest[1]}, the nearest size that the model makes"
        )


def _take_rate(found: Translation, name: str, value: Any) -> None:
    whole = isinstance(value, float) and value.is_integer()
    _take(found, name, int(value) if whole else value)


def _take_frames(found: Translation, name: str, value: Any) -> None:
    """A number of frames, or the nearest that the model makes."""
    count = int(value) if _COUNT.fullmatch(_as_text(value)) else None
    nearest = None if count is None else found.card.input.frames_for(float(count), 1)
    if nearest is None or nearest == count:
        _take(found, name, value)
        return
    found.set("frames", nearest, source=name)
    found.notes.append(f"{name}: {nearest} frames, the nearest length that the model makes")


def _drop_second_guidance(found: Translation) -> None:
    """With guidance turned off, the second one says the same: our models want it left out."""
    if all(_number(found.values.get(name)) == 1 for name in ("guidance", "guidance_2")):
        del found.values["guidance_2"]
        found.note_ignored("guidance_scale_2", "guidance is off")


def _take_lora(found: Translation, name: str, value: Any) -> None:
    entries = value if isinstance(value, list) else [value]
    found.set("loras", [_lora(name, entry) for entry in entries if entry], source=name)


def _lora(name: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        return {"id": entry}
    known = ("name", "lora_name", "adapter")
    names = [entry[key] for key in known if key in entry]
    if any(key in entry for key in ("path", "lora_path", "local_path")) or len(names) != 1:
        message = "must name a LoRA of the operator's catalog by `name`; paths are not taken"
        raise invalid_field(FieldError(f"/{name}", message))
    scale = entry.get("scale", entry.get("lora_scale"))
    return {"id": names[0]} | ({} if scale is None else {"strength": _number(scale)})


def _number(value: Any) -> Any:
    """A number that a form sent as text; the model's schema refuses anything else."""
    return float(value) if isinstance(value, str) and _SECONDS.fullmatch(value) else value


def _take_seed(found: Translation, name: str, value: Any) -> None:
    if isinstance(value, list):
        if len(value) != 1:
            raise not_supported(f"/{name}", "a request makes one video: send one seed")
        [value] = value
    if found.takes("seed"):
        found.set("seed", value, source=name)
    else:
        found.note_ignored(name, f"{found.card.name} uses no chance")


def _take_length(found: Translation, seconds: Any) -> None:
    """The length in seconds, once the rate is known."""
    if seconds is None:
        return
    length = float(seconds) if _SECONDS.fullmatch(_as_text(seconds)) else 0.0
    if not 0 < length <= 3600:
        raise invalid_field(FieldError("/seconds", "must be a number of seconds, such as 5"))
    if "frames" in found.values:
        found.note_ignored("seconds", "the number of frames is given")
        return
    rate = _RATE.fullmatch(_as_text(found.values.get("fps", "")))
    frames = found.card.input.frames_for(length, int(rate[1]) if rate else None)
    if frames is None:
        found.note_ignored("seconds", f"the inputs of {found.card.name} decide the length")
        return
    found.set("frames", frames, source="seconds")
    found.notes.append(f"seconds: {frames} frames, the nearest length that the model makes")


_OWN_RULES: Final[Mapping[str, Callable[[Translation, str, Any], None]]] = {
    "prompt": _take_prompt,
    "input_reference": _take_reference,
    "size": _take_size,
    "fps": _take_rate,
    "num_frames": _take_frames,
    "lora": _take_lora,
    "seed": _take_seed,
    "seconds": lambda *_: None,
}


def _as_text(value: Any) -> str:
    """A number or a text as text; nothing else is a number."""
    if isinstance(value, str):
        return value
    is_number = type(value) in (int, float) and -1e9 < value < 1e9
    return str(value) if is_number else ""


def one_url(name: str, value: Any) -> Any:
    """The file or URL in what stands for one: a text, `{"image_url": …}`, or a list of one."""
    if isinstance(value, list):
        if len(value) != 1:
            raise not_supported(f"/{name}", "one file is taken: send one")
        [value] = value
    if isinstance(value, dict):
        urls = [value[key] for key in _URL_KEYS if key in value]
        if len(value) != 1 or len(urls) != 1:
            keys = ", ".join(_URL_KEYS[:3])
            raise invalid_field(FieldError(f"/{name}", f"must be a URL, or an object with {keys}"))
        [value] = urls
    return value


def not_supported(pointer: str, message: str) -> RequestError:
    """An error for what others offer and this API does not. Clients must not retry it."""
    return Problem(
        ErrorCode.NOT_SUPPORTED,
        f"{pointer.strip('/')}: {message}.".removeprefix(": "),
        status=HTTPStatus.BAD_REQUEST,
        errors=(FieldError(pointer, message),) if pointer else (),
        headers={"x-should-retry": "false"},
    )
