"""A strict stand-in for the Hugging Face Hub on loopback, with its CDN on a second port.

    with fake_hub() as hub:
        hub.add("owner/name", {"model.safetensors": b"..."}, commit="a" * 40)
        hub.fail("model.safetensors", 503, cut(0.3), "flip")
        ... hub.url, hub.counts["model.safetensors"].bytes, hub.seen, hub.leaks

Content is bytes or the path of a file (for large ones, sent by `sendfile`). Counts and faults are
keyed by the path in the repository, or the URL path for what `page` serves. Large files (`lfs`, the
default) are redirected to the CDN with a signed URL, as on the Hub; small ones (`lfs=False`) are
served by the Hub itself. Unsupported requests get status 501.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from tests.weights.fake_hub_faults import Fault, Faults, cut, status
from tests.weights.fake_hub_handler import CdnHandler, HubHandler

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

__all__ = ["COMMIT", "FakeHub", "Fault", "cut", "fake_hub", "status"]

COMMIT = "c0ffee" + "0" * 34
TOKEN = "hf_token_of_the_tests"

_VERSIONS = count(1)


@dataclass
class File:
    """Content and how the server presents it."""

    content: bytes | Path
    lfs: bool = True
    ranges: bool = True
    etag: str | None = None
    content_type: str = "application/octet-stream"

    @property
    def size(self) -> int:
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        return len(self.content)

    @property
    def sha256(self) -> str:
        return self._digest("sha256")

    @property
    def git_id(self) -> str:
        """The git blob id: the ETag of small files. Not a SHA-256, as on the Hub."""
        return self._digest("sha1", b"blob %d\0" % self.size)

    def change(self) -> None:
        """Change to other bytes of the same length."""
        read = self.content.read_bytes() if isinstance(self.content, Path) else self.content
        self.content = bytes(byte ^ 0xFF for byte in read[:4096]) + read[4096:]
        self.etag = '"second"' if self.etag else None
        self.version = next(_VERSIONS)
        self._digests.clear()

    def _digest(self, name: str, head: bytes = b"") -> str:
        with self._lock:
            return self._digested(name, head)

    def _digested(self, name: str, head: bytes) -> str:
        if name not in self._digests:
            digest = hashlib.new(name, head)
            if isinstance(self.content, Path):
                with self.content.open("rb") as file:
                    while piece := file.read(1024 * 1024):
                        digest.update(piece)
            else:
                digest.update(self.content)
            self._digests[name] = digest.hexdigest()
        return self._digests[name]

    version: int = field(default_factory=lambda: next(_VERSIONS))
    _digests: dict[str, str] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)


@dataclass
class Repo:
    files: dict[str, File]
    commit: str
    refs: tuple[str, ...]
    gated: bool


@dataclass
class Count:
    """Requests and bytes of one path: `requests` are GETs, `bytes` were sent or are being sent."""

    requests: int = 0
    heads: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Seen:
    """One received request."""

    host: str
    """`hub` or `cdn`."""
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    port: int
    """The client's port: it identifies the connection."""


@dataclass
class FakeHub:
    """The state of both servers."""

    url: str = ""
    cdn_url: str = ""
    token: str = TOKEN
    """Opens gated repositories that are in `accepted`."""
    accepted: set[str] = field(default_factory=set)
    repos: dict[str, Repo] = field(default_factory=dict)
    pages: dict[str, File] = field(default_factory=dict)
    counts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    seen: list[Seen] = field(default_factory=list)
    leaks: list[Seen] = field(default_factory=list)
    """Requests that carried an Authorization header to the CDN."""
    bytes_per_second: float | None = None
    """Limit of each connection."""
    epoch: int = 0
    """Signed URLs of an earlier epoch are expired."""
    faults: Faults = field(default_factory=Faults)
    gates: dict[str, tuple[float, Event]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    closing: Event = field(default_factory=Event)

    def add(
        self,
        repo: str,
        files: Mapping[str, bytes | Path],
        *,
        commit: str = COMMIT,
        refs: tuple[str, ...] = ("main",),
        gated: bool = False,
        lfs: bool = True,
    ) -> None:
        """Publish files; a second call with the same commit adds to the repository."""
        held = self.repos.get(repo)
        known = held.files if held and held.commit == commit else {}
        added = {path: File(content, lfs=lfs) for path, content in files.items()}
        self.repos[repo] = Repo(known | added, commit, refs, gated)

    def page(self, path: str, content: bytes | Path, **traits) -> str:
        """Serve content at a path of its own, as any web server would; return the URL."""
        path = "/" + path.lstrip("/")
        traits.setdefault("etag", '"first"')
        self.pages[path] = File(content, lfs=False, **traits)
        return self.url + path

    def fail(self, path: str, *faults: Fault | int | str, **more) -> None:
        """Inject faults into the next responses for a path: a `Fault`, a status, or a kind.

        Keywords complete a status or a kind, e.g. `fail(path, 429, retry_after=1, on="*")`.
        """
        self.faults.add(path, faults, **more)

    def hold(self, path: str, after: float) -> Event:
        """Send only this fraction of a file, over all ranges, until the event is set."""
        gate = Event()
        self.gates[path] = (after, gate)
        return gate

    def expire(self) -> None:
        """Expire all signed URLs of the CDN."""
        self.epoch += 1

    @property
    def requests(self) -> int:
        """All requests, HEADs and metadata included."""
        return len(self.seen)

    @property
    def bytes(self) -> int:
        """All bytes of files that were sent."""
        return sum(count.bytes for count in list(self.counts.values()))

    def file_of(self, path: str) -> File:
        found = [repo.files[path] for repo in self.repos.values() if path in repo.files]
        return found[0] if found else self.pages[path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, *_):
        """Ignore clients that disconnect: these tests do it on purpose."""


@contextmanager
def fake_hub(tls: ssl.SSLContext | None = None) -> Iterator[FakeHub]:
    """Run both servers while the block runs."""
    hub = FakeHub()
    with _serving(HubHandler, hub, tls) as hub.url, _serving(CdnHandler, hub, tls) as hub.cdn_url:
        try:
            yield hub
        finally:
            hub.closing.set()
            for _, gate in hub.gates.values():
                gate.set()


@contextmanager
def _serving(handler: type, hub: FakeHub, tls: ssl.SSLContext | None) -> Iterator[str]:
    bound = type(handler.__name__, (handler,), {"hub": hub})
    with _Server(("127.0.0.1", 0), bound) as server:
        server.tls = tls
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            scheme, host = ("https", "localhost") if tls else ("http", "127.0.0.1")
            yield f"{scheme}://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
