"""Selection of the number format of a network on a CPU: float32, or bfloat16 where it is faster.

The instructions of the CPU decide first. A CPU that has some for bfloat16 is timed as well, because
a setting can turn them off. Both formats are timed alternately, so that other load slows both,
and the median of the ratios decides. The choice is remembered for the machine and the model.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final

import structlog
import torch
from torch.nn import functional

from models.number_format_memory import NumberFormatMemory
from models.settings import NumberFormatSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

log = structlog.get_logger()

_INSTRUCTIONS: Final = ("amx_bf16", "avx512_bf16", "bf16")
"""Names that PyTorch gives to instructions for bfloat16 on x86 and ARM. Without them a convolution
in bfloat16 takes a hundred times as long as in float32 (AMD EPYC with AVX2)."""
_TRIALS: Final = 9
_FAR_SLOWER: Final = 30.0
"""After two trials in which bfloat16 took this many times as long, there are no more. It is far
above what other load does, so that load cannot end the trials early."""
_MAX_TIME_RATIO: Final = 0.9
"""bfloat16, which is less precise, must not take more than this share of the time of float32.
Usual are 0.2 with AMX and 0.5 with AVX-512."""
_LAYERS: Final = ((64, 48), (256, 12))
"""Channels and size of the convolutions that are timed, 0.17 GMAC together."""


def select_cpu_dtype(model: str) -> torch.dtype:
    """The faster number format of a model on this CPU; remembered if a trial was necessary."""
    if not has_bfloat16_instructions(torch.cpu.get_capabilities()):
        return torch.float32
    folder = NumberFormatSettings().number_format_cache
    return choose(model, NumberFormatMemory(folder) if folder else None, trials())


def has_bfloat16_instructions(capabilities: Mapping[str, object]) -> bool:
    """Whether a CPU with these capabilities can compute in bfloat16."""
    return any(capabilities.get(name) is True for name in _INSTRUCTIONS)


def choose(
    model: str, memory: NumberFormatMemory | None, timings: Iterable[tuple[float, float]]
) -> torch.dtype:
    """The remembered format; else the faster one by `timings`, which is then remembered.

    `timings` are seconds in float32 and in bfloat16, read only if nothing is remembered.
    """
    remembered = memory.read(model) if memory else None
    if remembered is not None:
        return remembered
    ratio = _ratio(timings)
    dtype = torch.bfloat16 if ratio <= _MAX_TIME_RATIO else torch.float32
    log.info("number format chosen", model=model, dtype=str(dtype), time_ratio=round(ratio, 2))
    if memory:
        memory.write(model, dtype)
    return dtype


def trials() -> Iterator[tuple[float, float]]:
    """Time both formats alternately, each first in every second trial."""
    float32, bfloat16 = _convolutions(torch.float32), _convolutions(torch.bfloat16)
    float32()
    for number in range(_TRIALS):
        if number % 2:
            second, first = _seconds(bfloat16), _seconds(float32)
        else:
            first, second = _seconds(float32), _seconds(bfloat16)
        yield first, second


def _ratio(timings: Iterable[tuple[float, float]]) -> float:
    """Median of the time in bfloat16, as a share of that in float32."""
    ratios: list[float] = []
    for float32, bfloat16 in timings:
        ratios.append(bfloat16 / float32)
        if len(ratios) == 2 and min(ratios) > _FAR_SLOWER:
            break
    return median(ratios)


def _convolutions(dtype: torch.dtype) -> Callable[[], None]:
    layers = [
        (
            torch.ones(1, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last),
            torch.ones(channels, channels, 3, 3, dtype=dtype).to(memory_format=torch.channels_last),
        )
        for channels, side in _LAYERS
    ]

    def run() -> None:
        with torch.inference_mode():
            for x, weight in layers:
                functional.conv2d(x, weight, padding=1)

    return run


def _seconds(run: Callable[[], None]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started
