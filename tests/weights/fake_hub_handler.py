"""Request handlers of the fake Hub and its CDN."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from urllib.parse import parse_qsl, unquote

from tests.weights.fake_hub_sending import Handler, Refused


class CdnHandler(Handler):
    """Serves bytes at signed URLs; rejects an Authorization header, as S3 does."""

    host = "cdn"

    def route(self, path, seen):
        if "authorization" in seen.headers:
            self.hub.leaks.append(seen)
            raise Refused(400, "Only one auth mechanism allowed")
        if self.query.get("Signature") != str(self.hub.epoch):
            raise Refused(403, "Request has expired")
        path = unquote(path)
        if path in self.hub.pages:
            self._send_file(path, self.hub.pages[path], {"ETag": self.hub.pages[path].etag})
            return
        repo, _, name = path.strip("/").partition("/-/")
        file = self.hub.repos[repo].files[name] if repo in self.hub.repos else None
        if file is None:
            raise Refused(501, f"unsupported request: {self.command} {path}")
        self._send_file(name, file, {"ETag": self._etag(file)})

    def _etag(self, file):
        return file.etag or f'"v{file.version}-{file.size}"'


class HubHandler(Handler):
    """Resolves files and serves their metadata, small files and pages."""

    host = "hub"

    def route(self, path, seen):
        page = self.hub.pages.get(unquote(path))
        if page:
            self._send_file(unquote(path), page, {"ETag": page.etag})
            return
        for method, pattern, handler in self.ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method.split("|"):
                # unquoted only now: a revision may contain an escaped slash
                getattr(self, handler)(*(unquote(group or "") for group in match.groups()))
                return
        raise Refused(501, f"unsupported request: {self.command} {path}")

    def _authorized_repo(self, name, revision):
        """Return the repository if the caller may access it and it has this revision."""
        repo = self.hub.repos.get(name)
        sent = self.headers.get("Authorization")
        if sent not in {None, f"Bearer {self.hub.token}"}:
            raise Refused(401, "Invalid username or password.")
        if repo is None:
            raise Refused(404 if sent else 401, "Repository not found", "RepoNotFound")
        if revision not in {repo.commit, *repo.refs}:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repo

    def _resolve(self, name, revision, path):
        repo = self._authorized_repo(name, revision)
        self._check_gate(name, repo)
        file = repo.files.get(path)
        if file is None:
            raise Refused(404, "Entry not found", "EntryNotFound", X_Repo_Commit=repo.commit)
        common = {"X-Repo-Commit": repo.commit}
        if not file.lfs:
            self._send_file(path, file, common | {"ETag": self._etag(file)})
            return
        fault = self.hub.faults.take(path, {"resolve", self.command + " resolve"}, (0, 0, 1))
        if self.command == "HEAD":
            fault = fault or self.hub.faults.take(path, {"HEAD"}, (0, 0, 1))
            self.hub.counts[path].heads += 1
        self._refuse(fault)
        kind = fault.kind if fault else None
        if kind == "html":
            self._head(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html></html>")
            return
        if kind == "change":
            file.change()
        size = file.size + {"short": -1, "long": 1}.get(kind, 0)
        linked = {
            "X-Linked-Size": str(size),
            "X-Linked-ETag": f'"{file.sha256}"',
            "ETag": f'"{file.sha256}"',
            "Accept-Ranges": "bytes",
            "Location": f"{self.hub.cdn_url}{self._signed(f'/{name}/-/{path}')}",
        }
        if kind == "redirect":
            linked["Location"] = fault.to or self.hub.url + self.path
        self._head(302, common | linked, b"")

    def _check_gate(self, name, repo):
        if not repo.gated:
            return
        if not self.headers.get("Authorization"):
            raise Refused(401, f"Access to model {name} is restricted.", "GatedRepo")
        if name not in self.hub.accepted:
            raise Refused(403, f"Access to model {name} is restricted.", "GatedRepo")

    def _etag(self, file):
        return file.etag or f'"{file.git_id}"'

    # metadata

    def _revision(self, name, revision):
        repo = self._authorized_repo(name, revision)
        siblings = [{"rfilename": path} for path in sorted(repo.files)]
        if self.query.get("blobs") == "true":
            siblings = [
                {"rfilename": path, **self._metadata(repo.files[path])}
                for path in sorted(repo.files)
            ]
        self._json(
            {
                "_id": "1",
                "id": name,
                "modelId": name,
                "sha": repo.commit,
                "private": False,
                "gated": "auto" if repo.gated else False,
                "tags": [],
                "siblings": siblings,
            }
        )

    def _tree(self, name, revision, folder):
        repo = self._authorized_repo(name, revision)
        self._check_gate(name, repo)
        if self.query.get("recursive", "").lower() != "true":
            raise Refused(501, "only recursive trees")
        below = f"{folder}/" if folder else ""
        self._json([self._entry(p, f) for p, f in repo.files.items() if fnmatch(p, f"{below}*")])

    def _paths_info(self, name, revision):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        if "json" in self.headers.get("Content-Type", ""):
            wanted = json.loads(body)["paths"]
        else:
            wanted = [value for key, value in parse_qsl(body) if key == "paths"]
        repo = self._authorized_repo(name, revision)
        self._check_gate(name, repo)
        self._json([self._entry(path, repo.files[path]) for path in wanted if path in repo.files])

    def _entry(self, path, file):
        metadata = self._metadata(file)
        return {"type": "file", "path": path, "oid": metadata.pop("blobId"), **metadata}

    def _metadata(self, file):
        metadata = {"blobId": file.git_id, "size": file.size}
        if file.lfs:
            metadata["lfs"] = {
                "oid": file.sha256,
                "sha256": file.sha256,
                "size": file.size,
                "pointerSize": 134,
            }
        return metadata

    ROUTES = (
        ("GET|HEAD", r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", "_resolve"),
        ("GET", r"/api/models/([\w.-]+/[\w.-]+)/revision/([^/]+)", "_revision"),
        ("GET", r"/api/models/([\w.-]+/[\w.-]+)/tree/([^/]+)(?:/(.+))?", "_tree"),
        ("POST", r"/api/models/([\w.-]+/[\w.-]+)/paths-info/([^/]+)", "_paths_info"),
    )
