"""Runs lines of curl from the documentation of other servers against ours."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_suffix(".toml")
_MEDIA = re.compile(r"=@([^\s\";]+)")
_ID = re.compile(r"\$\{video_id\}|<VIDEO_ID>")


@dataclass(frozen=True)
class Line:
    """A line, and where it stands."""

    source: str
    base: str
    text: str
    model: str | None = None
    """What is added to a submission; the other lines are about a video that there is."""
    refused: str | None = None
    waits: bool = False
    makes: tuple[int, ...] = ()
    """Width, height and frames of the video, where a line waits for it."""

    def __str__(self) -> str:
        words = re.sub(r"\\\n|\s+", " ", self.text).split()
        verb = words[words.index("-X") + 1] if "-X" in words else ""
        path = next(word for word in words if "/v1/" in word).strip('"').partition("/v1/")[2]
        return f"{self.source} {verb} /v1/{path} {self.model or ''}"

    def run(self, url, folder, media, video_id=""):
        """Run it in this folder: what curl wrote to its output.

        `media` are the files that stand for those of the line, by the end of the name.
        """
        line = _ID.sub(video_id, self.text.strip()).replace(self.base, url)
        line = _MEDIA.sub(lambda found: f"=@{_stand_in(media, found[1])}", line)
        if self.model and "-d '{" in line:
            line = line.replace("-d '{", f'-d \'{{"model": "{self.model}",')
        elif self.model:
            line += f" -F model={self.model}"
        command = ["bash", "-c", f"{line} --noproxy '*' --max-time 120"]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


def _stand_in(media, path):
    """The file for that of a line; a placeholder such as <YOUR-IMAGE-PATH> is a picture."""
    return media.get(Path(path).suffix, media[".png"])


LINES = [
    Line(source["name"], source["base"], **line)
    for source in tomllib.loads(_FILE.read_text())["source"]
    for line in source["line"]
]
