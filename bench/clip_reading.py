"""Speed of reading and writing clips of each kind: SDR, HDR, interlaced, with alpha.

Prints frames per second of CPU time as JSON on stdout, the best of some rounds: other load hardly
changes it. `--tree` reads with the code of another checkout too, in turn, for a ratio; kinds that
it cannot read are meant to differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.filter import Graph

from bench.machine import machine
from models.video.encoding.clip_writer import ClipFormat, clip_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

KINDS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "sdr": ("mp4", "libx264", "yuv420p", {"preset": "veryfast"}),
    "pq": ("mp4", "libx265", "yuv420p10le", {"preset": "ultrafast", "x265-params": "log-level=0"}),
    "interlaced": ("mp4", "libx264", "yuv420p", {"preset": "veryfast", "flags": "+ilme+ildct"}),
    "vp9 alpha": ("webm", "libvpx-vp9", "yuva420p", {"cpu-used": "8", "auto-alt-ref": "0"}),
    "prores 4444": ("mov", "prores_ks", "yuva444p10le", {"profile": "4444"}),
}
"""Container, encoder, pixel format and options of what is read."""

READ = """
import sys, time
from pathlib import Path
from models.video.frames import frames
begin = time.process_time()
count = sum(1 for _ in frames(Path(sys.argv[1])))
print(count / (time.process_time() - begin))
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.clip_reading", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind (default 5)")
    parser.add_argument("--frames", type=int, default=60, help="frames of a clip (default 60)")
    parser.add_argument("--height", type=int, default=720, help="lines of a frame (default 720)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--tree", type=Path, help="another checkout to compare with")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = {
            "bench": "clip_reading",
            "machine": machine(),
            "size": [arguments.height * 16 // 9, arguments.height],
            "read": read_all(Path(folder), arguments),
            "written": write_all(Path(folder), arguments),
        }
    print(json.dumps(report, indent=2))


def pictures(arguments: argparse.Namespace) -> Iterator[NDArray[np.uint8]]:
    """RGBA: a texture that moves, and a disc with a soft edge."""
    height, width = arguments.height, arguments.height * 16 // 9
    texture = np.random.default_rng(1).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    large = texture.repeat(24, axis=0).repeat(24, axis=1)[:height, :width]
    y, x = np.mgrid[0:height, 0:width]
    for number in range(arguments.frames):
        edge = height // 3 - np.hypot(x - width // 3 - 4 * number, y - height // 2)
        opacity = np.clip(edge * 16, 0, 255).astype(np.uint8)
        yield np.dstack([np.roll(large, 5 * number, axis=1), opacity])


def read_all(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Frames per CPU second of each kind, for each checkout."""
    trees = {"this": Path.cwd()} | ({"other": arguments.tree} if arguments.tree else {})
    found: dict[str, dict[str, float]] = {}
    for kind in arguments.kinds:
        path = encoded(folder, kind, arguments)
        rates: dict[str, list[float]] = {name: [] for name in trees}
        for _ in range(arguments.rounds):
            for name, tree in trees.items():
                rates[name].append(read_in_process(path, tree))
        found[kind] = {name: round(max(values), 1) for name, values in rates.items()}
        print(kind, found[kind], file=sys.stderr)
    return found


def read_in_process(path: Path, tree: Path) -> float:
    """Frames per CPU second of one process with the code of a checkout."""
    command = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(command, cwd=tree, capture_output=True, check=True, text=True)
    return float(done.stdout)


def encoded(folder: Path, kind: str, arguments: argparse.Namespace) -> Path:
    """A clip of this kind."""
    container_format, codec, pixels, options = KINDS[kind]
    path = folder / f"{kind}.{container_format}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = arguments.height, arguments.height * 16 // 9
        stream.pix_fmt = pixels
        if kind == "pq":
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9
        flagged = field_order(stream) if kind == "interlaced" else None
        for number, picture in enumerate(pictures(arguments)):
            frame = av.VideoFrame.from_ndarray(picture, "rgba").reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(flagged(frame) if flagged else frame))
        container.mux(stream.encode(None))
    return path


def field_order(stream: Any) -> Any:
    """Flags frames as interlaced, which PyAV itself cannot."""
    graph = Graph()
    source = graph.add_buffer(
        width=stream.width, height=stream.height, format=stream.format, time_base=Fraction(1, 25)
    )
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()

    def flagged(frame: av.VideoFrame) -> Any:
        graph.push(frame)
        return graph.pull()

    return flagged


def write_all(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Frames per CPU second and kB a frame of each format with alpha."""
    frames = list(pictures(arguments))
    height, width = frames[0].shape[:2]
    found = {}
    for format in ClipFormat:
        path = folder / f"out{format.suffix}"
        begin = time.process_time()
        with clip_writer(format, path, width=width, height=height) as writer:
            for number, frame in enumerate(frames):
                writer.write(frame, Fraction(number, 25), Fraction(1, 25))
        rate = len(frames) / (time.process_time() - begin)
        kilobytes = path.stat().st_size / len(frames) / 1000
        found[str(format)] = {"frames_per_cpu_second": round(rate, 1), "kb": round(kilobytes, 1)}
        print(format, found[str(format)], file=sys.stderr)
    return found


if __name__ == "__main__":
    main()
