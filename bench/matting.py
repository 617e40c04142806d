"""Background removal at full size with weights by formula: seconds, memory, time to ready.

Prints a report as JSON. Each mode runs in a process of its own, because peaks of memory never fall:
imports, loading from safetensors, the warm-up, then whole pictures (decoded from a JPEG, found,
composed, encoded as PNG) and the network alone in batches. On a GPU the peak of its memory, too;
not yet run on one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import machine, peak_mb

if TYPE_CHECKING:
    from models.inspyrenet.loading import Models

BASE_SIZES = {"base": (1024, 1024), "fast": (384, 384)}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.matting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--modes", nargs="+", choices=BASE_SIZES, default=list(BASE_SIZES))
    parser.add_argument("--pictures", type=int, default=1, help="pictures of each mode (default 1)")
    parser.add_argument("--size", default="1920x1080", help="of a picture (default 1920x1080)")
    parser.add_argument("--batches", nargs="*", type=int, default=[], help="such as 1 8")
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.weights:
        print(json.dumps(measure(options)))
        return
    runs = {mode: in_own_process(mode, sys.argv[1:]) for mode in options.modes}
    print(json.dumps({"bench": "matting", "machine": machine(), "modes": runs}, indent=2))


def in_own_process(mode: str, arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kinomill-matting-") as folder:
        subprocess.run([sys.executable, "-c", WRITE, mode, folder], check=True)
        done = subprocess.run(
            [sys.executable, "-m", "bench.matting", *arguments, "--weights", folder],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


WRITE = """
import sys
from pathlib import Path
from safetensors.torch import save_file
from bench.matting import BASE_SIZES
from tests.models.inspyrenet.formula import state

mode, folder = sys.argv[1:]
size = BASE_SIZES[mode]
save_file(
    state(size),
    Path(folder) / f"ckpt_{mode}.safetensors",
    metadata={"base_size": f"{size[0]}x{size[1]}"},
)
"""


def measure(options: argparse.Namespace) -> dict[str, Any]:
    began = time.perf_counter()
    from models.inspyrenet.runner import Runner

    imported = time.perf_counter()
    runner = Runner(options.weights)
    loaded = time.perf_counter()
    runner.warm_up()
    ready = time.perf_counter()
    width, height = map(int, options.size.split("x"))
    pictures = [seconds_of_picture(runner, (height, width)) for _ in range(options.pictures)]
    return {
        "imports_seconds": round(imported - began, 2),
        "load_seconds": round(loaded - imported, 2),
        "warm_up_seconds": round(ready - loaded, 2),
        "ready_seconds": round(ready - began, 2),
        "picture": options.size,
        "pictures": pictures,
        "peak_mb": peak_mb(),
        **network_alone(runner._models, options.batches),
    }


def seconds_of_picture(runner: Any, size: tuple[int, int]) -> dict[str, float]:
    from PIL import Image

    from models.cutout.input import PictureInput
    from tests.models.inspyrenet.formula import frame

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.jpg"
        Image.fromarray(frame(*size, 5005)).save(path)
        params = PictureInput(image="file_in")
        began, cpu = time.perf_counter(), time.process_time()
        runner.generate(params, {"image": path}, Path(folder) / "video.mp4", lambda *_, **__: None)
        return {
            "seconds": round(time.perf_counter() - began, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
        }


def network_alone(models: Models, batches: list[int]) -> dict[str, Any]:
    """Pictures a second for each size of a batch, best of three, and the peak of GPU memory."""
    import numpy as np
    import torch

    mode = models.select("auto", np.zeros((1024, 1024, 3), np.uint8))
    model = models[mode]
    rates = {}
    for batch in batches:
        pictures = [np.zeros((*model.base_size, 3), np.uint8)] * batch
        model._batches.batch_size = batch
        times = []
        for _ in range(3):
            began = time.perf_counter()
            model.logits(pictures, model.base_size)
            times.append(time.perf_counter() - began)
        rates[str(batch)] = round(batch / min(times), 3)
    gpu = {}
    if torch.cuda.is_available():
        gpu["peak_gpu_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return {"runs_on": str(model), "pictures_a_second": rates, **gpu}


if __name__ == "__main__":
    main()
