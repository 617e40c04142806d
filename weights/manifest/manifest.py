"""`weights.toml`: which files a model needs, where they come from, and how to tell them."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from weights.errors import ManifestInvalid, ManifestOpen
from weights.manifest.source_uri import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

UNKNOWN = "unknown"
"""Stands for a fact that no public material gives: `kinomill models lock` fills it in."""


def _known(value: object) -> object:
    return None if value == UNKNOWN else value


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("is not a path below the model's folder")
    return str(PurePosixPath(path))


Inside = Annotated[str, AfterValidator(_inside)]
"""A relative path with forward slashes that stays inside its folder."""

_Size = Annotated[int, Field(gt=0, strict=True)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_STRICT = ConfigDict(extra="forbid", frozen=True)


class WeightFile(BaseModel):
    """One file: where it lies in the model's folder, where it comes from, how to tell it."""

    model_config = _STRICT

    path: Inside
    """Where the runner finds it, below the model's folder."""
    role: str
    """What it is for, in a word or two, e.g. `text encoder`."""
    source: Origin
    """`hf://owner/name@commit/path`, `gs://bucket/key`, `https://…` or `file:///…`."""
    mirrors: tuple[Origin, ...] = ()
    """Tried in this order when the source fails."""
    size_bytes: Annotated[_Size | None, BeforeValidator(_known), Field(alias="bytes")]
    sha256: Annotated[_Digest | None, BeforeValidator(_known)]
    license: str
    """SPDX name where there is one, else the words of its owner; `unknown` if nobody says."""
    commercial: bool = True
    """Whether these terms allow commercial use."""
    profiles: tuple[str, ...] = ("default",)
    """The selections that need it."""
    note: str = ""

    @property
    def id(self) -> str:
        """Its name on a volume: the digest of its content, or of its origin until that is known."""
        return self.sha256 or "o-" + sha256(str(self.source).encode()).hexdigest()

    @property
    def unknown(self) -> list[str]:
        """Facts that are still to be filled in."""
        pinned = {"revision": self.source.pinned}
        facts = {"bytes": self.size_bytes, "sha256": self.sha256} | pinned
        return [name for name, fact in facts.items() if not fact]


class Pattern(BaseModel):
    """Files of a repository whose names are not known yet: `lock` puts each in its place."""

    model_config = _STRICT

    source: Origin
    """`hf://owner/name@revision/glob`, e.g. `…/transformer/*.safetensors`."""
    role: str
    license: str
    commercial: bool = True
    """Whether these terms allow commercial use."""
    profiles: tuple[str, ...] = ("default",)
    into: str = ""
    """A folder below the model's, put before the path in the repository."""
    note: str = ""


class Manifest(BaseModel):
    """All files of a model, in all profiles."""

    model_config = _STRICT

    schema_: Literal[1] = Field(alias="schema")
    model: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """The name of the model, or of a part that several models share."""
    default_profile: str = "default"
    files: tuple[WeightFile, ...] = ()
    patterns: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default_profile not in self.profiles:
            raise ValueError(f"no file has the default profile {self.default_profile!r}")
        for profile in self.profiles:
            paths = [file.path for file in self.files if profile in file.profiles]
            twice = sorted({path for path in paths if paths.count(path) > 1})
            if twice:
                raise ValueError(f"profile {profile!r} has {twice[0]!r} twice")
        return self

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of all selections, in order of appearance."""
        entries: tuple[WeightFile | Pattern, ...] = (*self.files, *self.patterns)
        return tuple(dict.fromkeys(name for entry in entries for name in entry.profiles))

    def select(self, profile: str | None = None, *, strict: bool = True) -> Selection:
        """The files of one profile.

        Raises `ManifestInvalid` for an unknown profile; when strict, `ManifestOpen` while a fact
        of a file, or the names of a pattern, are unknown.
        """
        profile = profile or self.default_profile
        if profile not in self.profiles:
            known = ", ".join(self.profiles)
            raise ManifestInvalid(f"{self.model} has no profile {profile!r}; it has: {known}")
        if any(profile in pattern.profiles for pattern in self.patterns):
            raise ManifestOpen(
                f"{self.model} ({profile}) names files by pattern: "
                f"run `kinomill models lock {self.model}`"
            )
        files = tuple(file for file in self.files if profile in file.profiles)
        if strict:
            _refuse_unknown(self.model, files)
        return Selection(model=self.model, profile=profile, files=files)


class Selection(BaseModel):
    """The files of one model in one profile: what a volume holds, or lacks."""

    model_config = _STRICT

    model: str
    profile: str
    files: tuple[WeightFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.files)

    @property
    def revision(self) -> str:
        """A short digest of all contents: tells one state of the weights from another."""
        text = "\n".join(f"{file.path} {file.id}" for file in self.files)
        return sha256(text.encode()).hexdigest()[:12]


def load(path: Path) -> Manifest:
    """Read a manifest. Raises `ManifestInvalid` with the file and the field."""
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ManifestInvalid(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"{path}: {error}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "manifest"
        raise ManifestInvalid(f"{path}: {place}: {fault['msg']}") from error


def _refuse_unknown(model: str, files: Iterable[WeightFile]) -> None:
    still = [f"{file.path} ({', '.join(file.unknown)})" for file in files if file.unknown]
    if still:
        raise ManifestOpen(
            f"{model}: not known yet: {'; '.join(still)}. Run `kinomill models lock {model}`, "
            "or accept it with KINOMILL_WEIGHTS_STRICT=false."
        )
