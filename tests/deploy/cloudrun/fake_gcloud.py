"""A `gcloud` that remembers in a folder what was created: `describe` fails for anything else.

Its folder has `calls` (one JSON list of arguments a line), `resources` (name to content) and,
if a test wrote it, `fail`: a command that contains this text ends with exit code 7.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

MAKE = frozenset({"create", "replace", "deploy", "submit", "connect"})
PARENTS = ("--instance=", "--parameter=")
VALUES = {
    "value(ipAddresses[0].ipAddress)": "10.1.2.3",
    "value(host)": "10.1.2.4",
    "value(projectNumber)": "123456789",
}


class FakeGcloud:
    """What exists, and what was called."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.file = folder / "resources"
        self.resources = json.loads(self.file.read_text()) if self.file.exists() else {}

    def run(self, arguments: list[str]) -> int:
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{json.dumps(arguments)}\n")
        fail = self.folder / "fail"
        if fail.exists() and fail.read_text() in " ".join(arguments):
            sys.stderr.write("ERROR: (gcloud) PERMISSION_DENIED\n")
            return 7
        words = [word for word in arguments if not word.startswith("-")]
        if words[0] == "beta":
            words = words[1:]
        code = self.act(words, [word for word in arguments if word.startswith("-")])
        self.file.write_text(json.dumps(self.resources, indent=1))
        return code

    def act(self, words: list[str], flags: list[str]) -> int:
        verb = next(
            (word for word in words if word in MAKE | {"describe", "delete", "list", "access"}), ""
        )
        if words[:2] == ["storage", "rm"]:
            return self.delete(f"storage buckets {words[2]}")
        if "get-auth-string" in words:
            say("auth")
        elif verb in MAKE:
            self.make(verb, words, flags)
        elif verb == "access":
            secret = next(flag.partition("=")[2] for flag in flags if flag.startswith("--secret="))
            say(self.resources[f"secrets {secret}"])
        elif verb == "list":
            self.list(words, flags)
        elif verb == "describe":
            return self.describe(key(verb, words, flags), flags)
        elif verb == "delete":
            return self.delete(key(verb, words, flags))
        return 0

    def make(self, verb: str, words: list[str], flags: list[str]) -> None:
        if verb == "replace":
            text = Path(words[-1]).read_text()
            name = re.search(r"^  name: (.+)$", text, re.MULTILINE)[1]
            self.resources[f"run {words[1]} {name}"] = text
        elif words[:2] == ["run", "deploy"]:
            self.resources[f"run services {words[2]}"] = ""
        elif verb == "submit":
            image = re.search(r"_IMAGE=([^,;]+)", " ".join(flags))[1]
            self.resources[f"artifacts docker images {image}"] = ""
        elif verb == "connect":
            self.resources["peering"] = ""
        else:
            content = sys.stdin.read().strip() if "--data-file=-" in flags else ""
            self.resources[key(verb, words, flags)] = content

    def describe(self, name: str, flags: list[str]) -> int:
        form = next((flag.partition("=")[2] for flag in flags if flag.startswith("--format=")), "")
        if name not in self.resources and not name.startswith("projects "):
            sys.stderr.write(f"ERROR: (gcloud) NOT_FOUND: {name}\n")
            return 1
        if "manualInstanceCount" in form:
            say(re.search(r"manualInstanceCount: '(\d*)'", self.resources[name])[1])
        elif form:
            say(VALUES[form])
        return 0

    def list(self, words: list[str], flags: list[str]) -> None:
        if "vpc-peerings" in words:
            say("servicenetworking" if "peering" in self.resources else "")
        else:
            parent = next(flag for flag in flags if flag.startswith(PARENTS))
            group = f"{' '.join(words[:3])} {parent} "
            say(
                " ".join(
                    name.removeprefix(group) for name in self.resources if name.startswith(group)
                )
            )

    def delete(self, name: str) -> int:
        """Delete a resource, with what is inside a database server."""
        del self.resources[name]
        inside = f" --instance={name.rpartition(' ')[2]} "
        if name.startswith("sql instances "):
            self.resources = {key: at for key, at in self.resources.items() if inside not in key}
        return 0


def say(text: str) -> None:
    """Write a line, nothing for nothing."""
    sys.stdout.write(f"{text}\n" if text else "")


def key(verb: str, words: list[str], flags: list[str]) -> str:
    """A resource: its group, its parent, its name; an account by the part before its @."""
    group = words[: words.index(verb)]
    parent = [flag for flag in flags if flag.startswith(PARENTS)]
    return " ".join([*group, *parent, words[-1].partition("@")[0]])


if __name__ == "__main__":
    sys.exit(FakeGcloud(Path(sys.argv[1])).run(sys.argv[2:]))
