"""`weights.toml`: the files a model needs, with their sources, sizes and digests."""

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
    PrivateAttr,
    ValidationError,
    model_validator,
)

from runtime.commercial_use import CommercialUse, read_bool
from weights.errors import ManifestIncomplete, ManifestInvalid
from weights.manifest.names import ProfileName, RelativePath, SubFolder
from weights.manifest.source_uri import SourceUri
from weights.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from weights.manifest.remote import RemoteMetadata

UNKNOWN = "unknown"
"""Placeholder for a value that is not published: `kinomill models lock` fills it in."""


def _none_if_unknown(value: object) -> object:
    return None if value == UNKNOWN else value


_CommercialUse = Annotated[CommercialUse, BeforeValidator(read_bool)]
_Size = Annotated[int, Field(gt=0, strict=True)]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]


def _inside(source: SourceUri) -> SourceUri:
    if not source.stays_inside:
        raise ValueError(f"must not contain `..`, a backslash or a control character: {source}")
    return source


Source = Annotated[SourceUri, AfterValidator(_inside)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_STRICT = ConfigDict(extra="forbid", frozen=True)


class WeightFile(BaseModel):
    """One file: its path in the model's folder, its sources, size, digest and license."""

    model_config = _STRICT

    path: RelativePath
    """Path in the model's folder, where the runner opens it."""
    role: str
    """Purpose in a word or two, e.g. `text encoder`."""
    source: Source
    """`hf://owner/name@commit/path`, `gs://bucket/key`, `https://…` or `file:///…`."""
    mirrors: tuple[Source, ...] = ()
    """Alternative sources, tried in this order when `source` fails."""
    size_bytes: Annotated[_Size | None, BeforeValidator(_none_if_unknown), Field(alias="bytes")]
    sha256: Annotated[_Digest | None, BeforeValidator(_none_if_unknown)]
    license: str
    """SPDX identifier if there is one, else the owner's wording; `unknown` if not stated."""
    commercial: _CommercialUse = "yes"
    """Whether the license allows commercial use; older manifests say `true` or `false`."""
    profiles: tuple[ProfileName, ...] = ("default",)
    """Profiles that include the file."""
    note: str = ""

    _recorded_trust: Trust | None = PrivateAttr(default=None)
    _recorded_from: SourceUri | None = PrivateAttr(default=None)

    @property
    def trust(self) -> Trust:
        """Where the digest comes from, or would come from at the first pull."""
        if self._recorded_trust:
            return self._recorded_trust
        if self.sha256:
            return Trust.PINNED
        return Trust.HUB if self.source.at_commit else Trust.UNVERIFIED

    @property
    def recorded_from(self) -> SourceUri | None:
        """The source of the manifest that the overlay of a volume has the digest of, if any."""
        return self._recorded_from

    @property
    def digest_owner(self) -> str:
        """Who states size and digest, for sentences."""
        return "the record on the volume" if self._recorded_from else "the manifest"

    def recorded(self, source: SourceUri, remote: RemoteMetadata) -> WeightFile:
        """Return the file with the values that a volume recorded; the manifest's stay."""
        values = {
            "source": remote.uri,
            "size_bytes": self.size_bytes or remote.size_bytes,
            "sha256": self.sha256 or remote.sha256,
        }
        file = self.model_copy(update=values)
        if not self.sha256:
            file._recorded_trust, file._recorded_from = remote.trust, source
        return file

    @property
    def id(self) -> str:
        """Name of the blob on a volume: the sha256, or a digest of the source while unknown."""
        return self.sha256 or self.source.placeholder_id

    @property
    def unknown_fields(self) -> list[str]:
        """Names of the fields that `kinomill models lock` must fill in."""
        values = {
            "bytes": self.size_bytes,
            "sha256": self.sha256,
            "revision": self.source.pinned,
        }
        return [name for name, value in values.items() if not value]


class Pattern(BaseModel):
    """Files of a repository given by a glob; `kinomill models lock` replaces it by their names."""

    model_config = _STRICT

    source: Source
    """`hf://owner/name@revision/glob`, e.g. `…/transformer/*.safetensors`."""
    role: str
    license: str
    commercial: _CommercialUse = "yes"
    """Whether the license allows commercial use; older manifests say `true` or `false`."""
    profiles: tuple[ProfileName, ...] = ("default",)
    into: SubFolder = ""
    """Subfolder of the model's folder, prepended to the path in the repository."""
    note: str = ""


class Manifest(BaseModel):
    """All files of a model in all profiles."""

    model_config = _STRICT

    schema_: Literal[1] = Field(alias="schema")
    model: ModelName
    """Name of the model, or of a component that several models share."""
    default_profile: ProfileName = "default"
    files: tuple[WeightFile, ...] = ()
    patterns: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default_profile not in self.profiles:
            raise ValueError(f"no file belongs to the default profile {self.default_profile!r}")
        for profile in self.profiles:
            paths = [file.path for file in self.files if profile in file.profiles]
            twice = sorted({path for path in paths if paths.count(path) > 1})
            if twice:
                raise ValueError(f"profile {profile!r} lists {twice[0]!r} twice")
            _reject_files_as_folders(profile, set(paths))
        return self

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of all profiles, in order of appearance."""
        entries: tuple[WeightFile | Pattern, ...] = (*self.files, *self.patterns)
        return tuple(dict.fromkeys(name for entry in entries for name in entry.profiles))

    def select(self, profile: str | None = None) -> Selection:
        """Return the files of one profile as the manifest lists them; `require` checks them.

        Raises `ManifestInvalid` for an unknown profile.
        """
        profile = profile or self.default_profile
        if profile not in self.profiles:
            known = ", ".join(self.profiles)
            raise ManifestInvalid(f"{self.model} has no profile {profile!r}; profiles: {known}")
        return Selection(
            model=self.model,
            profile=profile,
            files=tuple(file for file in self.files if profile in file.profiles),
            patterns=tuple(entry for entry in self.patterns if profile in entry.profiles),
        )


class Selection(BaseModel):
    """The files of one model in one profile."""

    model_config = _STRICT

    model: ModelName
    profile: ProfileName
    files: tuple[WeightFile, ...]
    patterns: tuple[Pattern, ...] = ()
    """Files whose names are unknown: nothing can be pulled while there are any."""

    @property
    def trust(self) -> Trust:
        """The lowest trust of any file."""
        if self.patterns:
            return Trust.UNVERIFIED
        return min((file.trust for file in self.files), key=list(Trust).index)

    def require(self, level: Trust) -> None:
        """Raise `ManifestIncomplete`, with what to do, unless every file has this trust."""
        reasons = [*_unnamed(self), *_untrusted(self, level)]
        if reasons:
            raise ManifestIncomplete(" ".join(reasons))

    @property
    def size_bytes(self) -> int:
        """Total bytes of the files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.files)

    @property
    def revision(self) -> str:
        """Short digest over all files: changes whenever a file does."""
        text = "\n".join(f"{file.path} {file.id}" for file in self.files)
        return sha256(text.encode()).hexdigest()[:12]


def _reject_files_as_folders(profile: str, paths: set[str]) -> None:
    """On a volume a file is a link: a path below it would lead to where the link leads."""
    for path in sorted(paths):
        for parent in PurePosixPath(path).parents:
            if str(parent) in paths:
                raise ValueError(f"profile {profile!r} lists {str(parent)!r} and a file below it")


def load(path: Path) -> Manifest:
    """Read a manifest. Raises `ManifestInvalid`, which names the file and the field."""
    try:
        return Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ManifestInvalid(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "manifest"
        raise ManifestInvalid(f"{path}: {field}: {first['msg']}") from error


def _unnamed(selection: Selection) -> Iterator[str]:
    if selection.patterns:
        globs = ", ".join(str(pattern.source) for pattern in selection.patterns)
        yield (
            f"The names of the files {globs} are unknown: run `kinomill models lock "
            f"{selection.model}`, which records them on the volume."
        )


def _untrusted(selection: Selection, level: Trust) -> Iterator[str]:
    """Yield a sentence for each remedy, with the files that need it."""
    low = [file for file in selection.files if not file.trust.satisfies(level)]
    if level is Trust.PINNED and low:
        yield (
            f"The manifest has no sha256 of {_listed(low, 3)}, and KINOMILL_WEIGHTS_TRUST is "
            "pinned: use a pinned profile (`kinomill models list` shows them), or allow the Hub's "
            "digests by KINOMILL_WEIGHTS_TRUST=hub."
        )
        return
    moving = [file for file in low if file.source.scheme == "hf" and not file.sha256]
    if moving:
        yield (
            f"A branch, not a commit, is the source of {_listed(moving)}: run `kinomill models "
            f"lock {selection.model}`, which records its commit and digests on the volume."
        )
    others = [file for file in low if file not in moving]
    if others:
        yield (
            f"Nothing vouches for the bytes of {_listed(others)}: write the sha256 into the "
            "manifest, or accept them by KINOMILL_WEIGHTS_TRUST=unverified."
        )


def _listed(files: list[WeightFile], most: int | None = None) -> str:
    more = 0 if most is None else max(0, len(files) - most)
    names = ", ".join(file.path for file in files[:most])
    return f"{names} and {more} more" if more else names
