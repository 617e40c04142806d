"""Reads the body of a video request: a form with bracket keys, or JSON."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from api.bodies.incoming_file import IncomingFile
from api.bodies.json_body import read_json
from api.bodies.json_limits import MAX_DEPTH
from api.context.deps import context_of
from api.errors.validation import invalid_field, json_pointer
from api.jobs import strict_json
from api.jobs.request_body import (
    ParsedSubmission,
    is_json,
    parse_envelope,
    read_form_body,
    unsupported,
)
from api.videos.fields import LACKING, not_supported, translate
from jobs.errors import ErrorCode, FieldError, RequestError

if TYPE_CHECKING:
    from fastapi import Request

    from api.bodies.form_body import Form
    from api.bodies.staging import Staging
    from api.context.model_registry import ModelRegistry

_BRACKET: Final = re.compile(r"\[([^\[\]]*)\]")
_KEY: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_OBJECTS: Final = frozenset(
    {"extra_body", "extra_params", "lora", "input_reference"}
    | {f"{kind}_{form}" for kind in ("image", "video", "audio") for form in ("url", "reference")}
)
"""Fields whose text in a form may be JSON."""
_ENVELOPE: Final = ("labels", "priority", "ttl_seconds", "webhook")
_MERGED: Final = ("extra_body", "extra_params")
_INTEGER: Final = re.compile("[0-9]{1,12}")
_DECIMAL: Final = re.compile(r"[0-9]{1,12}\.[0-9]{1,12}")


async def read_video_request(
    request: Request, staging: Staging
) -> tuple[ParsedSubmission, list[str]]:
    """The submission that a request describes, and notes on what was ignored or rounded.

    Raises `RequestError`.
    """
    context = context_of(request)
    form = await read_form_body(request, staging)
    if form is not None:
        fields, texts = await context.parsing.run(_of_form, form), True
    elif is_json(request):
        body = await read_json(request, staging, context.settings.max_json_bytes)
        fields, texts = await context.parsing.run(_of_json, body), False
    else:
        raise unsupported("Send application/json or multipart/form-data.")
    return _submission(fields, context.models, staging, texts=texts)


def _of_json(body: bytes) -> dict[str, Any]:
    value = strict_json.parse(body)
    if not isinstance(value, dict):
        raise RequestError(ErrorCode.INVALID_INPUT, "The body must be a JSON object.")
    return value


def _of_form(form: Form) -> dict[str, Any]:
    """The fields of a form; `a[b]`, `a[]` and JSON in a text become objects and lists."""
    fields: dict[str, Any] = {}
    for name, part in form:
        if not strict_json.is_storable(name):
            detail = "The name of a field contains a NUL or a lone surrogate: remove it."
            raise RequestError(ErrorCode.INVALID_INPUT, detail)
        if isinstance(part, IncomingFile):
            if "[" in name:
                raise invalid_field(FieldError(json_pointer(name), "takes no file"))
            if not (part.filename or part.size_bytes or part.rejected):
                continue  # a browser's empty part
            value: Any = part
        else:
            strict_json.check_text(part, name)
            value = part
        _put(fields, name, value)
    return {name: _decoded(name, value) for name, value in fields.items()}


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    key = _KEY.fullmatch(name)
    if key is None:
        raise invalid_field(FieldError(json_pointer(name), "is not a name of a field"))
    path = [key[1], *_BRACKET.findall(key[2])]
    if len(path) > MAX_DEPTH:
        raise invalid_field(FieldError(json_pointer(key[1]), f"has more than {MAX_DEPTH} brackets"))
    target: Any = fields
    for part, following in pairwise(path):
        target = _child(target, part, [] if following == "" else {})
        if not isinstance(target, (dict if following else list)):
            raise _twice(name)
    if isinstance(target, list):
        target.append(value)
    elif path[-1] in target:
        raise _twice(name)
    else:
        target[path[-1]] = value


def _child(target: dict[str, Any] | list[Any], part: str, empty: Any) -> Any:
    """What a bracket leads to: a member of an object, or a new item of a list."""
    if isinstance(target, dict):
        return target.setdefault(part, empty)
    target.append(empty)
    return empty


def _decoded(name: str, value: Any) -> Any:
    """The value of a text that another API reads as JSON; the model's own fields are read later."""
    if not isinstance(value, str):
        return value
    if name in _OBJECTS and value[:1] in {"{", "["}:
        return strict_json.parse_field(value, name)
    if name in ("labels", "webhook"):
        return strict_json.parse_field(value, name)
    if _INTEGER.fullmatch(value) and (name in LACKING or name == "ttl_seconds"):
        return int(value)
    if name in LACKING and _DECIMAL.fullmatch(value):
        return float(value)
    return {"true": True, "false": False}.get(value, value) if name in LACKING else value


def _submission(
    fields: dict[str, Any], models: ModelRegistry, staging: Staging, *, texts: bool
) -> tuple[ParsedSubmission, list[str]]:
    fields = _merged(fields)
    envelope = {name: fields.pop(name) for name in _ENVELOPE if name in fields}
    model = fields.pop("model", None) or _only_model(models)
    if not isinstance(model, str):
        raise invalid_field(FieldError("/model", "must be the name of a model"))
    if "dry_run" in fields:
        raise not_supported("/dry_run", "submit dry runs to /v1/jobs")
    found = translate(models.require_submittable(model), fields, staging.data_uris)
    strings = {name: text for name, text in found.values.items() if texts and isinstance(text, str)}
    others = {name: value for name, value in found.values.items() if name not in strings}
    parsed = ParsedSubmission(
        parse_envelope(envelope | {"model": model, "input": others}),
        strings,
        found.files,
        large=True,
    )
    return parsed, found.notes


def _merged(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with those of `extra_body` and `extra_params` beside them."""
    merged = dict(fields)
    for name in _MERGED:
        more = merged.pop(name, None) or {}
        if not isinstance(more, dict):
            raise invalid_field(FieldError(f"/{name}", "must be a JSON object"))
        for key, value in more.items():
            if key in merged:
                raise _twice(key)
            merged[key] = value
    return merged


def _only_model(models: ModelRegistry) -> str:
    names = list(models.cards)
    if len(names) != 1:
        error = FieldError("/model", f"is required: this server has {', '.join(names)}")
        raise invalid_field(error, ErrorCode.MODEL_REQUIRED)
    return names[0]


def _twice(name: str) -> RequestError:
    return invalid_field(FieldError(json_pointer(name), "is given twice"))
