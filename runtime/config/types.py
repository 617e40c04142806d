"""Types of settings: durations, URLs, folders and hosts, each with what is allowed."""

from __future__ import annotations

import os
import re
import ssl
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from runtime.host_names import origin_of

_NUMBER = re.compile(r"\d+(\.\d+)?")
_ISO_8601 = re.compile(r"P(?=[\dT])(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.I)
_STORE = re.compile(r"(gs|s3)://[^/\s]+(/.*)?|file:///.+|(?!.*://).+")
_MIRROR = re.compile(r"gs://[^/\s]+(/.*)?|file:///.+")
_NO_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|\$\{?\w")
"""The beginning of a URL, or of a variable that only a shell would replace."""
_BUCKET = re.compile(r"(gs|s3)://[A-Za-z0-9][A-Za-z0-9._-]+(/[^\s,]*)?")
_HOST = re.compile(r"\w(?:[\w.-]*\w)?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", re.ASCII)
_GPUS = re.compile(r"all|[1-9]\d{0,2}|[\w/-]+(,[\w/-]+)+|[\w/-]+,", re.ASCII)
_POD_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_REDIS_OPTIONS = frozenset(
    {"socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval"}
    | {"retry_on_timeout", "max_connections", "protocol", "client_name", "db"}
)
_SECRET_CHARACTERS = 32
_PASSWORD_CHARACTERS = 8
_LONGEST_NAME = 255
"""Bytes of the name of a file or folder."""
_LONGEST = timedelta(days=36_500)


def _duration(value: Any) -> Any:
    """Seconds or ISO 8601 as pydantic reads them; the message of anything else is ours."""
    if not isinstance(value, str):
        return value
    number = _NUMBER.fullmatch(value)
    if number is None and _ISO_8601.fullmatch(value) is None:
        raise ValueError("should be a number of seconds above 0, or ISO 8601 such as PT2M")
    if number and not float(value):
        raise ValueError("should be a number of seconds above 0")
    if number and float(value) > _LONGEST.total_seconds():
        raise ValueError("should be at most 100 years")
    return float(value) if number else value.upper()


Duration = Annotated[
    timedelta, BeforeValidator(_duration), Field(gt=timedelta(0), le=timedelta(days=36_500))
]
"""A duration: seconds, or ISO 8601 such as `PT2M`."""


def _parts(url: str, schemes: tuple[str, ...], what: str) -> SplitResult:
    """The parts of a URL of one of these schemes."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(
            f"should be {what} with a numeric port; write special characters of a password as "
            "percent codes, such as %23 for #"
        ) from error
    if parts.scheme not in schemes or any(character.isspace() for character in url):
        raise ValueError(f"should be {what}, which begins with {schemes[0]}://")
    return parts


def _database_url(url: SecretStr) -> SecretStr:
    schemes = ("postgresql", "postgres", "postgresql+psycopg")
    parts = _parts(url.get_secret_value(), schemes, "the URL of a PostgreSQL database")
    if not parts.hostname and "host=" not in parts.query:
        raise ValueError("should name a host: postgresql://user@host/database")
    if parts.query:
        _check_database_options(url.get_secret_value())
    return url


def _check_database_options(url: str) -> None:
    """PostgreSQL would refuse an unknown option only when a program connects."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    except ProgrammingError as error:
        raise ValueError(f"should only have options of PostgreSQL: {str(error).strip()}") from error


def _redis_url(url: SecretStr) -> SecretStr:
    parts = _parts(
        url.get_secret_value(), ("redis", "rediss"), "the URL of a Redis or Valkey server"
    )
    if not parts.hostname:
        raise ValueError("should name a host: redis://host:6379/0")
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise ValueError("should end in the number of a database, such as /0")
    unknown = [
        name for name in parse_qs(parts.query, keep_blank_values=True) if not _is_redis(name)
    ]
    if unknown:
        raise ValueError(f"should only have options of redis-py: it has none called {unknown[0]!r}")
    return url


def _is_redis(option: str) -> bool:
    return option in _REDIS_OPTIONS or option.startswith("ssl_")


def _http_url(url: str) -> str:
    parts = _parts(url, ("https", "http"), "an address")
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("should be a scheme, a host and at most a path, such as https://host/path")
    return url.rstrip("/")


def _store(uri: str) -> str:
    if not _STORE.fullmatch(uri):
        raise ValueError(
            "should be /folder, file:///folder, gs://bucket/prefix or s3://bucket/prefix"
        )
    if "://" not in uri:
        _folder(Path(uri).expanduser())
    return uri


def _mirror(uri: str) -> str:
    if not _MIRROR.fullmatch(uri):
        raise ValueError("should be gs://bucket/prefix or file:///folder")
    return uri


def _bucket(uri: str) -> str:
    if not _BUCKET.fullmatch(uri):
        raise ValueError("should be buckets such as s3://bucket or gs://bucket/prefix")
    return uri.rstrip("/")


def _is_too_long(path: Path) -> bool:
    """Whether no file system of this machine has a file of this name."""
    return any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts)


def _folder(path: Path) -> Path:
    """A folder that exists or can be created: no part of its path is a file."""
    if _is_too_long(path):
        raise ValueError("should have a shorter name")
    if _NO_PATH.match(str(path)):
        raise ValueError("should be the path of a folder, without a scheme or a variable")
    for part in (path, *path.parents):
        if os.path.lexists(part) and not os.path.isdir(part):  # noqa: PTH112 - no PermissionError
            raise ValueError(f"should be a folder, but {part} is a file")
    return path


def _file(path: Path) -> Path:
    if _is_too_long(path):
        raise ValueError("should have a shorter name")
    if path.is_dir():
        raise ValueError("should be a file, but is a folder")
    _folder(path.parent)
    return path


def _host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError("should be an IP address or a host name, without a port")
    return host


def _secret_key(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SECRET_CHARACTERS:
        raise ValueError(f"should have at least {_SECRET_CHARACTERS} characters")
    return secret


def _network(text: Any) -> Any:
    """A network, with a message that says which bits are wrong."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"should be networks such as 10.0.0.0/8: {error}") from error


def _pod_name(name: str) -> str:
    if not _POD_NAME.fullmatch(name):
        raise ValueError("should be the name of a pod: small letters, digits, dots and hyphens")
    return name


def _host_name(name: str) -> str:
    if name != "*" and not _HOST.fullmatch(name):
        raise ValueError("should be names of hosts without port, such as mill.lan, or *")
    return name.lower()


def _origin(origin: str) -> str:
    if origin == "*":
        return origin
    if urlsplit(_http_url(origin)).path:
        raise ValueError("should be origins such as http://localhost:3000, without a path")
    return origin_of(origin)


def _proxy_url(url: SecretStr) -> SecretStr:
    parts = _parts(url.get_secret_value(), ("http",), "the URL of an HTTP proxy")
    if not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("should name a host and a port: http://host:3128")
    return url


def _ca_bundle(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ValueError("should be a file of CA certificates in PEM format") from error
    return path


def _password(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    plain = text.isascii() and text.isprintable() and "," not in text
    if len(text) < _PASSWORD_CHARACTERS or not plain:
        raise ValueError(
            f"should have at least {_PASSWORD_CHARACTERS} characters, printable ASCII without comma"
        )
    return secret


def _header_text(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("should be printable ASCII text without spaces")
    return secret


def _gpus(text: str) -> str:
    text = re.sub(r"\s*,\s*", ",", text)
    if text.lower() == "all":
        return "all"
    if not _GPUS.fullmatch(text):
        raise ValueError("should be all, a number of GPUs above 0, or a list such as 0,1")
    return text


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
MirrorUri = Annotated[str, AfterValidator(_mirror)]
BucketUri = Annotated[str, AfterValidator(_bucket)]
StoreUri = Annotated[str, AfterValidator(_store)]
Folder = Annotated[Path, AfterValidator(_folder)]
File = Annotated[Path, AfterValidator(_file)]
Gpus = Annotated[str, AfterValidator(_gpus)]
"""GPUs of a host: `all`, how many, or a list of numbers or UUIDs."""
Host = Annotated[str, AfterValidator(_host)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
PodName = Annotated[str, AfterValidator(_pod_name)]
HostName = Annotated[str, AfterValidator(_host_name)]
Origin = Annotated[str, AfterValidator(_origin)]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy_url)]
CaBundle = Annotated[Path, AfterValidator(_ca_bundle)]
SecretKey = Annotated[SecretStr, AfterValidator(_secret_key)]
Password = Annotated[SecretStr, AfterValidator(_password)]
"""A password for a web page. Flower refuses other characters with an internal error."""
Token = Annotated[SecretStr, AfterValidator(_header_text)]
"""A secret that is sent in an HTTP header."""
