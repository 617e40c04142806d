"""The standard variables of OpenTelemetry that say whether spans are sent. The SDK reads others.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runtime.extras import install_command

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_RATIOS: Final = frozenset({"traceidratio", "parentbased_traceidratio"})
_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"


class TracesUnavailable(Exception):
    """Spans shall be sent, and cannot be: a wrong variable, or the extra `otel` is missing."""


def endpoint(variables: Mapping[str, str] = os.environ) -> str | None:
    """The address of the collector, to which spans are sent. None: tracing is off."""
    if _value(variables, "OTEL_SDK_DISABLED").lower() == "true":
        return None
    if _value(variables, "OTEL_TRACES_EXPORTER").lower() == "none":
        return None
    return next(filter(None, (_value(variables, name) for name in ENDPOINTS)), None)


def check(variables: Mapping[str, str] = os.environ) -> None:
    """Raise `TracesUnavailable`, in one sentence, if spans shall be sent and cannot be."""
    address = endpoint(variables)
    if address is None:
        return
    exporter = _value(variables, "OTEL_TRACES_EXPORTER") or "otlp"
    if exporter.lower() != "otlp":
        raise TracesUnavailable(f"OTEL_TRACES_EXPORTER={exporter} is not offered: use otlp or none")
    protocol = next(filter(None, (_value(variables, name) for name in _PROTOCOLS)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise TracesUnavailable(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not offered: use {_PROTOCOL}, which "
            "collectors take on port 4318"
        )
    if not _is_http(address):
        raise TracesUnavailable(
            f"OTEL_EXPORTER_OTLP_ENDPOINT={address} is not the address of a collector: write it "
            "as http://collector.example.com:4318"
        )
    if not installed():
        raise TracesUnavailable(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, which needs the extra otel: "
            f"{install_command('otel')}"
        )


def installed() -> bool:
    """Whether the extra `otel` is there; the SDK itself is not imported."""
    try:
        return importlib.util.find_spec(_EXPORTER) is not None
    except ModuleNotFoundError:
        return False


def ratio(variables: Mapping[str, str] = os.environ) -> float | None:
    """The share of new traces that are sampled. None: another sampler decides."""
    if _value(variables, "OTEL_TRACES_SAMPLER").lower() not in _RATIOS:
        return None
    try:
        rate = float(_value(variables, "OTEL_TRACES_SAMPLER_ARG"))
    except ValueError:
        return None
    return rate if 0 <= rate <= 1 else None


def _value(variables: Mapping[str, str], name: str) -> str:
    return variables.get(name, "").strip()


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
