"""One measurement of our runner, in a process of its own: cold, warm, then each stage alone.

Arguments: the folder of weights, the clip, the voice, the region as JSON, and `tiny` or `full`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import peak_mb

if TYPE_CHECKING:
    from collections.abc import Iterable

FACES = 128
"""Number of faces for timing the network alone."""
FRAMES = 48
"""Number of frames that are encoded repeatedly for timing the encoder alone."""


def main() -> None:
    weights, clip, voice, region, kind = sys.argv[1:]
    arguments = Path(weights), Path(clip), Path(voice), json.loads(region)
    measure = measure_memory if kind == "tiny" else measure_speed
    print(json.dumps(measure(*arguments)))


def measure_speed(weights: Path, clip: Path, voice: Path, region: dict[str, int]) -> dict[str, Any]:
    from models.wav2lip.card import Input
    from models.wav2lip.runner import Runner

    imported_at = time.time()
    runner = Runner(weights)
    loaded_at = time.time()
    params = Input.model_validate({"video": "file_1", "audio": "file_2", "region": region})
    inputs = {"video": clip, "audio": voice}
    with tempfile.TemporaryDirectory() as folder:
        cold = runner.generate(params, inputs, Path(folder) / "cold.mp4", _ignore)
        cold_at, peak = time.time(), peak_mb()
        begin = time.perf_counter()
        warm = runner.generate(params, inputs, Path(folder) / "warm.mp4", _ignore)
        seconds = time.perf_counter() - begin
        return {
            "frames": warm.frames,
            "runs_on": cold.notes["runs_on"],
            "loaded_at": loaded_at,
            "load_after_imports": round(loaded_at - imported_at, 3),
            "cold_at": cold_at,
            "peak_mb": peak,
            "warm_seconds": round(seconds, 3),
            "warm_fps": round(warm.frames / seconds, 2),
            "alone_fps": stages(weights, clip, Path(folder) / "alone.mp4", cold.notes["runs_on"]),
            "gflops": gemm(cold.notes["runs_on"]),
        }


def stages(weights: Path, clip: Path, out: Path, runs_on: str) -> dict[str, float]:
    """Frames per second of the network, the decoder and the encoder, each with all cores."""
    import numpy as np
    import torch

    from models.lipsync.device import CPU_BATCH, GPU_BATCH, Device
    from models.video import frames
    from models.wav2lip import checkpoint

    images = list(_first(frames.frames(clip), FRAMES))
    kind, dtype = runs_on.split()
    size = GPU_BATCH if kind == "cuda" else CPU_BATCH
    batch = np.zeros((size, 1, 80, 16), np.float32), np.zeros((size, 6, 96, 96), np.float32)
    device = Device(torch.device(kind), getattr(torch, dtype), size)
    network = device.prepare(checkpoint.load(next(weights.glob("wav2lip*"))))
    device.run(network, *batch)
    return {
        "network": rate(len(device.run(network, *batch)) for _ in range(FACES // size)),
        "decode": rate(1 for _ in frames.frames(clip)),
        "encode": rate(_encode(images, out)),
    }


def _encode(images: list[Any], out: Path) -> Iterable[int]:
    from fractions import Fraction

    from models.video.writer import Writer

    height, width = images[0].shape[:2]
    with Writer(out, width=width, height=height, fps=Fraction(25)) as writer:
        for _ in range(4):
            for image in images:
                writer.write(image)
                yield 1


def rate(steps: Iterable[int]) -> float:
    begin = time.perf_counter()
    done = sum(steps)
    return round(done / (time.perf_counter() - begin), 2)


def gemm(runs_on: str) -> float:
    """GFLOP/s of a matrix product in the network's own type: the speed of the machine right now."""
    import torch

    side, times = 2048, 4
    matrix = torch.ones(side, side, dtype=getattr(torch, runs_on.split()[1]))
    matrix @ matrix
    begin = time.perf_counter()
    for _ in range(times):
        matrix @ matrix
    return round(times * 2 * side**3 / (time.perf_counter() - begin) / 1e9, 1)


def measure_memory(_: Path, clip: Path, voice: Path, region: dict[str, int]) -> dict[str, Any]:
    """The same run with a network that does nothing, for clips of many minutes."""
    import torch
    from torch import nn

    from models.faces.detection.haar import HaarDetector
    from models.lipsync.device import Device
    from models.lipsync.input import Input
    from models.lipsync.run import LipSyncRun
    from models.wav2lip.lip_sync import Wav2LipSync

    class Small(nn.Module):
        def forward(self, mel: Any, face: Any) -> Any:
            return face[:, 3:]

    begin = time.perf_counter()
    network = Wav2LipSync(Small(), Device(torch.device("cpu"), torch.float32, 16))  # type: ignore[arg-type]
    params = Input.model_validate({"video": "file_1", "audio": "file_2", "region": region})
    inputs = {"video": clip, "audio": voice}
    with tempfile.TemporaryDirectory() as folder:
        run = LipSyncRun(params, inputs, network, HaarDetector(), metadata={}, notes={})
        result = run.run(Path(folder) / "out.mp4", _ignore)
    seconds = time.perf_counter() - begin
    return {"frames": result.frames, "fps": round(result.frames / seconds, 1), "peak_mb": peak_mb()}


def _first(items: Iterable[Any], count: int) -> Iterable[Any]:
    return (item for _, item in zip(range(count), items, strict=False))


def _ignore(*_: Any, **__: Any) -> None:
    """Ignore a progress report."""


if __name__ == "__main__":
    main()
