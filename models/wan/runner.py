"""The Wan models: loaded once, then pictures move. One runner, the differences in `VARIANTS`."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast

import numpy as np

from models.errors import InputRejected, attribute_to_field
from models.spec import Stage
from models.video import still
from models.video.writer import Writer
from models.wan.loading import lora
from models.wan.loading.pipeline import load
from models.wan.memory.offload import Residence
from models.wan.request.image_fit import fitted
from models.wan.request.input import FirstLastInput, TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.run import Job
from models.wan.sampling import acceleration
from models.wan.sampling.denoise import EXPERTS, Denoiser, Words
from models.wan.sampling.latent_preview import Glimpse
from models.wan.sampling.prompts import Prompts
from models.wan.sampling.schedule import expert_steps, scheduler_for
from models.wan.settings import WanSettings
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from models.spec import Report, RunResult
    from models.wan.loading.lora import Use
    from models.wan.loading.pipeline import Loaded
    from models.wan.request.input import Input
    from models.wan.request.resolve import Resolved
    from models.wan.variants import Variant

    Frame = NDArray[np.uint8]

_SMALLEST: Final = {"width": 64, "height": 64, "frames": 5, "steps": 1, "seed": 0}


class Runner:
    """One Wan model in memory. One job at a time: a pipeline keeps state while it runs.

    `device` None: the GPU if there is one. Not yet run on a GPU.
    """

    def __init__(
        self,
        weights: Path,
        variant: Variant,
        *,
        settings: WanSettings | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._hold(load(weights, variant), settings or WanSettings(), device)

    @classmethod
    def holding(cls, loaded: Loaded, settings: WanSettings, device: torch.device | None) -> Self:
        """A runner of a model that is in memory already, e.g. one of random weights for a bench."""
        runner = cls.__new__(cls)
        runner._hold(loaded, settings, device)
        return runner

    def _hold(self, loaded: Loaded, settings: WanSettings, device: torch.device | None) -> None:
        self._variant = loaded.variant
        self._loaded = loaded
        self._pipe = cast("Any", loaded.pipe)
        self._pipe.set_progress_bar_config(disable=True)
        self._residence = Residence(loaded, settings, device)
        self._prompts = Prompts(loaded.pipe)
        experts = loaded.experts.values()
        self._speed = acceleration.set_up(experts, settings, self._residence.device)

    def warm_up(self) -> None:
        """One step of the smallest clip, placed as one of the usual size; chooses kernels."""
        kind = TwoExpertInput if self._variant.experts > 1 else FirstLastInput
        grey = np.full((64, 64, 3), 128, np.uint8)
        usual = kind(image="", prompt="warm")
        small = kind.model_validate({"image": "", "prompt": "warm", **_SMALLEST})
        self._residence.settle(resolve(usual, self._variant, (832, 480)))
        resolved = resolve(small, self._variant, (64, 64))
        for _ in self._job(resolved, (grey, None), _silent).frames():
            pass

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Make one video."""
        report(Stage.PREPROCESSING)
        first = _picture(inputs, "image")
        last = _picture(inputs, "last_image") if "last_image" in inputs else None
        height, width = first.shape[:2]
        resolved = resolve(params, self._variant, (width, height))
        self._check_prompts(resolved)
        uses = self._uses(params)
        self._dress(uses)
        plan = self._residence.settle(resolved)
        told = resolved.notes() | self._speed | plan.notes | {"weights": self._loaded.facts}
        told |= {"loras": [_in_words(use) for use in uses]} if uses else {}
        report(Stage.PREPROCESSING, notes=told)
        job = self._job(resolved, (first, last), report)
        shares = _shares(job.denoiser)
        report(Stage.PREPROCESSING, notes=shares or None)
        return self._write(job, out).result(told | shares | job.notes)

    def _job(self, resolved: Resolved, pictures: tuple[Frame, Frame | None], report: Report) -> Job:
        first = fitted(pictures[0], resolved)
        last = None if pictures[1] is None else fitted(pictures[1], resolved)
        self._pipe.scheduler = scheduler_for(self._pipe, resolved)
        experts = expert_steps(self._pipe.scheduler, resolved.steps, self._variant.boundary_ratio)
        denoiser = Denoiser(
            pipe=self._pipe,
            resolved=resolved,
            experts=experts,
            words=self._words(resolved),
            glimpse=Glimpse(self._pipe, first),
            report=report,
        )
        return Job(resolved, self._residence, denoiser, first, last, report)

    def _write(self, job: Job, out: Path) -> Writer:
        made = job.resolved
        what = f"Made by Kinomill with {self._variant.name}: generated by a neural network."
        fps = Fraction(made.fps)
        with (
            closing(job.frames()) as frames,
            Writer(
                out, width=made.width, height=made.height, fps=fps, metadata={"comment": what}
            ) as writer,
        ):
            for frame in frames:
                writer.write(frame)
        return writer

    def _check_prompts(self, resolved: Resolved) -> None:
        self._prompts.check(resolved.prompt, "prompt")
        if resolved.negative_prompt is not None:
            self._prompts.check(resolved.negative_prompt, "negative_prompt")

    def _words(self, resolved: Resolved) -> Words:
        device, negative = self._residence.device, resolved.negative_prompt
        return Words(
            prompt=self._prompts.encoded(resolved.prompt).to(device),
            negative=None if negative is None else self._prompts.encoded(negative).to(device),
        )

    def _uses(self, params: Input) -> list[Use]:
        """The LoRAs of a job: the distilled one for `fast`, and those that the caller names."""
        asked = [
            lora.Use(one.id, one.strength, getattr(one, "strength_2", None)) for one in params.loras
        ]
        if params.quality != "fast":
            return asked
        if lora.DISTILLED not in lora.available(self._loaded.folder):
            raise InputRejected(
                "unknown_lora",
                "The 4-step LoRA is not among this worker's weights: ask for `best`.",
                field="quality",
            )
        return [lora.Use(lora.DISTILLED), *asked]

    def _dress(self, uses: list[Use]) -> None:
        """Let exactly these LoRAs work; no hook may lie on the experts while they change."""
        if tuple(uses) != self._loaded.worn:
            self._residence.lift()
            lora.apply(self._loaded, uses)


def _picture(inputs: Mapping[str, Path], field: str) -> Frame:
    with attribute_to_field(field):
        return still.read_still(inputs[field])


def _shares(denoiser: Denoiser) -> dict[str, Any]:
    """How many steps each expert had, where there are two."""
    if denoiser.pipe.config.boundary_ratio is None:
        return {}
    steps = list(denoiser.experts)
    return {"expert_steps": {name: steps.count(index) for index, name in enumerate(EXPERTS)}}


def _in_words(use: Use) -> str:
    second = "" if use.strength_2 is None else f" and {use.strength_2:g}"
    return f"{use.id} at {use.strength:g}{second}"


def _silent(*_: object, **__: object) -> None:
    """A report that nobody reads."""


wan2_1_i2v = partial(Runner, variant=WAN2_1_I2V)
wan2_2_i2v = partial(Runner, variant=WAN2_2_I2V)
wan2_2_ti2v_5b = partial(Runner, variant=WAN2_2_TI2V_5B)
