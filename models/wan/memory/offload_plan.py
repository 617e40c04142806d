"""How a Wan model lies in a GPU's memory: five ways, from the fastest to the smallest.

Free of torch: sizes in, a plan out. The sizes of weights are exact, those of activations are
estimates (see `needs.py`), and so an out-of-memory half-way takes a job one rung down.
Not yet run on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Rung(StrEnum):
    """A way to lie in memory; each needs less of the GPU's than the one above it."""

    CPU = "cpu"  #: no GPU: everything in main memory
    ALL_RESIDENT = "all_resident"  #: everything on the GPU
    TEXT_ENCODER_AWAY = "text_encoder_away"  #: the text encoder streams through, layer by layer
    ONE_EXPERT = "one_expert"  #: and only the expert that works is on the GPU
    GROUP_OFFLOAD = "group_offload"  #: the denoisers, too, stream through, block by block
    FP8_OFFLOAD = "fp8_offload"  #: and are kept in fp8: half the main memory, half the transfer


LADDER: Final = (
    Rung.ALL_RESIDENT,
    Rung.TEXT_ENCODER_AWAY,
    Rung.ONE_EXPERT,
    Rung.GROUP_OFFLOAD,
    Rung.FP8_OFFLOAD,
)
RESERVE: Final = 1_000_000_000
"""Bytes left alone: the CUDA context, workspaces of its libraries, fragments."""
_STREAMED_BLOCKS: Final = 3
"""The block that works, the next that comes, and the last that is not yet given back."""

_WORDS: Final = {
    Rung.CPU: "There is no GPU: the model runs on the CPU",
    Rung.ALL_RESIDENT: "The whole model lies on the GPU",
    Rung.TEXT_ENCODER_AWAY: "The text encoder streams through the GPU",
    Rung.ONE_EXPERT: "Only the expert that works lies on the GPU",
    Rung.GROUP_OFFLOAD: "The denoiser streams through the GPU block by block",
    Rung.FP8_OFFLOAD: "The denoiser, kept in fp8, streams through the GPU block by block",
}


@dataclass(frozen=True)
class Needs:
    """What a loaded model and one job of a size take, in bytes."""

    experts: tuple[int, ...]
    """The weights of each denoiser."""
    largest_block: int
    """The weights of a denoiser's largest block."""
    text_encoder: int
    others: int
    """The weights of VAE and image encoder."""
    activations: int
    """Of a denoiser at this job's size."""
    decoding: int
    """Of the VAE at this job's size, in one piece."""
    tiled_decoding: int
    """Of the VAE in tiles of 256 pixels."""
    quantized: bool = False
    """GGUF: its weights cannot become fp8."""

    def resident(self, rung: Rung) -> int:
        """The weights that lie on the GPU all the time."""
        match rung:
            case Rung.ALL_RESIDENT:
                return sum(self.experts) + self.text_encoder + self.others
            case Rung.TEXT_ENCODER_AWAY:
                return sum(self.experts) + self.others
            case Rung.ONE_EXPERT:
                return max(self.experts) + self.others
            case Rung.GROUP_OFFLOAD:
                return _STREAMED_BLOCKS * self.largest_block + self.others
        return _STREAMED_BLOCKS * self.largest_block // 2 + self.others

    def possible(self, rung: Rung) -> bool:
        """Whether this model can lie so at all."""
        if rung is Rung.ONE_EXPERT:
            return len(self.experts) > 1
        return rung is not Rung.FP8_OFFLOAD or not self.quantized


@dataclass(frozen=True)
class Plan:
    """A way to lie in memory, and the sentence that says why."""

    rung: Rung
    why: str
    tiled: bool = False
    """The VAE works in tiles: less memory, and slightly other pixels where they meet."""

    @property
    def notes(self) -> dict[str, str | bool]:
        """What a job shows of it."""
        return {"memory_plan": self.rung.value, "memory_why": self.why, "vae_tiled": self.tiled}


def choose(
    gpu_bytes: int | None, needs: Needs, *, first: Rung = Rung.ALL_RESIDENT, because: str = ""
) -> Plan:
    """The highest rung from `first` down that fits; the lowest possible one if none does.

    `gpu_bytes` is what this process may use, None without a GPU; `because` says why a rung that
    is not the highest comes first. A rung whose VAE fits only in tiles is taken with tiles.
    """
    if gpu_bytes is None:
        return Plan(Rung.CPU, f"{_WORDS[Rung.CPU]}.")
    room = gpu_bytes - RESERVE
    rungs = [rung for rung in LADDER[LADDER.index(first) :] if needs.possible(rung)]
    for rung in rungs or [Rung.GROUP_OFFLOAD]:
        resident = needs.resident(rung)
        if resident + max(needs.activations, needs.tiled_decoding) <= room:
            break
    tiled = resident + needs.decoding > room
    return Plan(rung, _why(rung, resident, gpu_bytes, needs) + because, tiled)


def forced(rung: Rung, gpu_bytes: int | None, needs: Needs) -> Plan:
    """A rung that the operator names, whether it fits or not; the nearest below that is possible.

    Without a GPU it is carried out all the same, as a trial: everything is in main memory anyway.
    """
    rungs = [one for one in LADDER[LADDER.index(rung) :] if needs.possible(one)]
    rung = rungs[0] if rungs else Rung.GROUP_OFFLOAD
    room = None if gpu_bytes is None else gpu_bytes - RESERVE
    tiled = room is not None and needs.resident(rung) + needs.decoding > room
    return Plan(rung, f"{_WORDS[rung]}: the operator asked for it.", tiled)


def below(plan: Plan, needs: Needs) -> Plan | None:
    """One rung further down, with tiles, after memory ran out; None: there is none."""
    if plan.rung is Rung.CPU:
        return None
    for rung in LADDER[LADDER.index(plan.rung) + 1 :]:
        if needs.possible(rung):
            why = f"{_WORDS[rung]}: memory ran out under {plan.rung.value}."
            return Plan(rung, why, tiled=True)
    return None


def _why(rung: Rung, resident: int, gpu_bytes: int, needs: Needs) -> str:
    work = max(needs.activations, min(needs.decoding, needs.tiled_decoding))
    whole = needs.resident(Rung.ALL_RESIDENT)
    return (
        f"{_WORDS[rung]}: {_gb(resident)} of {_gb(whole)} of weights and about {_gb(work)} of "
        f"work in {_gb(gpu_bytes)}."
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
