"""The URI of a file at a download source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic_core import core_schema

from weights.manifest.names import stays_inside

_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[^/]+)/(?P<path>.+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SCHEMES = ("hf", "gs", "https", "http", "file", "package")


@dataclass(frozen=True)
class SourceUri:
    """URI of one file, or of a pattern of files on the Hub."""

    text: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Parse a URI. Raises `ValueError` that lists the accepted forms."""
        parts = urlsplit(uri)
        if parts.scheme == "hf" and not _HUB.fullmatch(uri):
            raise ValueError(f"a Hub URI must be hf://owner/name@revision/path, not {uri!r}")
        rooted = parts.scheme == "file" and not parts.netloc
        if parts.scheme not in _SCHEMES or not (parts.netloc or rooted) or len(parts.path) < 2:
            raise ValueError(
                "a source must be hf://owner/name@revision/path, gs://bucket/key, https://…, "
                f"file:///… or package://name/path, not {uri!r}"
            )
        return cls(uri)

    @property
    def scheme(self) -> str:
        """`hf`, `gs`, `https`, `http`, `file` or `package`."""
        return urlsplit(self.text).scheme

    @property
    def repo(self) -> str:
        """Repository on the Hub."""
        return self._hub("repo")

    @property
    def revision(self) -> str:
        """Commit, branch or tag on the Hub."""
        return unquote(self._hub("revision"))

    @property
    def path(self) -> str:
        """Path inside a repository of the Hub; may be a glob."""
        return self._hub("path")

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit. True for URIs that have no revision."""
        return self.scheme != "hf" or _COMMIT.fullmatch(self.revision) is not None

    @property
    def at_commit(self) -> bool:
        """Whether it is a file on the Hub at a commit."""
        return self.scheme == "hf" and self.pinned

    def at(self, revision: str, path: str | None = None) -> SourceUri:
        """Return the URI of the same file, or of `path`, at another revision of the repository."""
        return SourceUri(f"hf://{self.repo}@{quote(revision, safe='')}/{path or self.path}")

    @property
    def stays_inside(self) -> bool:
        """Whether its parts can be looked for below a local folder, as is done before a download.

        They are decoded first, as they are when they become a path.
        """
        hub = _HUB.fullmatch(self.text)
        parts = hub.groups() if hub else (urlsplit(self.text).path.lstrip("/"),)
        return self.text.isprintable() and all(stays_inside(unquote(part)) for part in parts)

    @property
    def placeholder_id(self) -> str:
        """Id on a volume of a file whose content digest is unknown."""
        return "o-" + sha256(self.text.encode()).hexdigest()

    def __str__(self) -> str:
        return self.text

    def _hub(self, part: str) -> str:
        found = _HUB.fullmatch(self.text)
        if found is None:
            raise ValueError(f"{self.text} is not a Hub URI")
        return found[part]

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value),
            core_schema.union_schema(
                [core_schema.is_instance_schema(cls), core_schema.str_schema()]
            ),
            serialization=core_schema.to_string_ser_schema(),
        )
