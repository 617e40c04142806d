"""The runner of the Wan models: loads one variant, then generates videos from images."""

from __future__ import annotations

from contextlib import closing, nullcontext
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast

import numpy as np

from models.errors import InputRejected, attribute_to_field
from models.offloading.gpu_memory import best_device
from models.output_checks import FrameWatch
from models.settings import GpuSettings
from models.spec import Stage
from models.video import still
from models.video.writer import Writer
from models.wan.loading.loaded import LoraSpec
from models.wan.loading.pipeline import load
from models.wan.lora import adapters as lora
from models.wan.memory.offload import OffloadManager
from models.wan.parallel.leader import Leader
from models.wan.request.image_fit import fit_image
from models.wan.request.input import FirstLastInput, TwoExpertInput
from models.wan.request.resolve import resolve
from models.wan.run import I2VRun
from models.wan.sampling import acceleration
from models.wan.sampling.denoise import EXPERT_NAMES, Denoiser, PromptEmbeds
from models.wan.sampling.latent_preview import LatentPreview
from models.wan.sampling.prompts import PromptEncoder
from models.wan.sampling.schedule import create_scheduler, expert_steps
from models.wan.settings import WanSettings
from models.wan.variants import WAN2_1_I2V, WAN2_2_I2V, WAN2_2_TI2V_5B

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from models.spec import Report, RunResult
    from models.wan.loading.loaded import LoadedPipeline
    from models.wan.request.input import Input
    from models.wan.request.resolve import ResolvedRequest
    from models.wan.variants import Variant

    Frame = NDArray[np.uint8]

_WARM_UP: Final = {"width": 64, "height": 64, "frames": 5, "seed": 0}
"""The smallest clip; each expert gets a step."""


class Runner:
    """One Wan model in memory. It runs one job at a time: a pipeline keeps state while it runs.

    `device` None: the GPU if there is one; `gpus` None: as the settings say. Not yet run on a GPU.
    """

    def __init__(
        self,
        weights: Path,
        variant: Variant,
        *,
        settings: WanSettings | None = None,
        device: torch.device | None = None,
        gpus: int | None = None,
    ) -> None:
        device = device or best_device()
        gpus = gpus or GpuSettings().gpus_per_worker
        leader = Leader(weights, variant, gpus, device) if gpus > 1 else None
        self._set_up(load(weights, variant), settings or WanSettings(), device, leader)

    @classmethod
    def from_loaded(
        cls, loaded: LoadedPipeline, settings: WanSettings, device: torch.device | None
    ) -> Self:
        """Create a runner of a loaded model, e.g. one of random weights for a benchmark."""
        runner = cls.__new__(cls)
        runner._set_up(loaded, settings, device)
        return runner

    def _set_up(
        self,
        loaded: LoadedPipeline,
        settings: WanSettings,
        device: torch.device | None,
        leader: Leader | None = None,
    ) -> None:
        self._variant = loaded.variant
        self._loaded = loaded
        self._pipe = cast("Any", loaded.pipe)
        self._pipe.set_progress_bar_config(disable=True)
        self._prompts = PromptEncoder(loaded.pipe)
        self._leader = leader
        experts, strategy = loaded.experts.values(), settings.forced_strategy
        if leader is None:
            self._offload = OffloadManager(loaded, strategy, device)
            self._acceleration = acceleration.configure(experts, settings, self._offload.device)
            return
        gpus, least_bytes = leader.size, leader.await_followers()
        self._offload = OffloadManager(loaded, strategy, device, gpus=gpus, least_bytes=least_bytes)
        leader.attach(loaded, self._offload)
        notes = acceleration.configure(
            experts, settings.without_shortcuts(), self._offload.device, parallel=True
        )
        self._acceleration = notes | {"gpus": gpus}

    def warm_up(self) -> None:
        """Run each expert for a step of the smallest clip, under the plan of a default one.

        Raises `OutputInvalid`.
        """
        kind = TwoExpertInput if self._variant.experts > 1 else FirstLastInput
        gray = np.full((64, 64, 3), 128, np.uint8)
        default = kind(image="", prompt="warm")
        small = kind.model_validate(
            {"image": "", "prompt": "warm", "steps": self._variant.experts, **_WARM_UP}
        )
        self._offload.prepare(resolve(default, self._variant, (832, 480)))
        resolved = resolve(small, self._variant, (64, 64))
        frames = self._run(resolved, (gray, None), _ignore).frames()
        for _ in FrameWatch(tolerance=0).watch(frames):
            pass

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Generate one video.

        Raises `InputRejected`: `aspect_extreme`, `prompt_too_long`, `unknown_lora`, and the codes
        of an unreadable image; `WeightsInvalid` for a LoRA that does not fit the model;
        `OutputInvalid` for a video that is black or frozen.
        """
        report(Stage.PREPROCESSING)
        first = _read_image(inputs, "image")
        last = _read_image(inputs, "last_image") if "last_image" in inputs else None
        height, width = first.shape[:2]
        resolved = resolve(params, self._variant, (width, height))
        self._check_prompts(resolved)
        loras = self._loras(params)
        self._apply_loras(loras)
        plan = self._offload.prepare(resolved)
        notes = resolved.notes() | self._acceleration | plan.notes
        notes |= {"weights": self._loaded.formats}
        notes |= {"loras": [_describe(spec) for spec in loras]} if loras else {}
        report(Stage.PREPROCESSING, notes=notes)
        run = self._run(resolved, (first, last), report)
        steps = _steps_of_experts(run.denoiser)
        report(Stage.PREPROCESSING, notes=steps or None)
        return self._write(run, out).result(notes | steps | run.notes)

    def _run(
        self, resolved: ResolvedRequest, images: tuple[Frame, Frame | None], report: Report
    ) -> I2VRun:
        first = fit_image(images[0], resolved)
        last = None if images[1] is None else fit_image(images[1], resolved)
        self._pipe.scheduler = create_scheduler(self._pipe, resolved)
        experts = expert_steps(self._pipe.scheduler, resolved.steps, self._variant.boundary_ratio)
        denoiser = Denoiser(
            pipe=self._pipe,
            resolved=resolved,
            experts=experts,
            prompt_embeds=self._encode_prompts(resolved),
            preview=LatentPreview(self._pipe, first),
            report=report,
            session=nullcontext if self._leader is None else self._leader.session,
        )
        return I2VRun(resolved, self._offload, denoiser, first, last, report)

    def _write(self, run: I2VRun, out: Path) -> Writer:
        resolved = run.resolved
        comment = f"Made by Kinomill with {self._variant.name}: generated by a neural network."
        with (
            closing(run.frames()) as frames,
            Writer(
                out,
                width=resolved.width,
                height=resolved.height,
                fps=Fraction(resolved.fps),
                metadata={"comment": comment},
                ai_label=resolved.ai_label,
            ) as writer,
        ):
            for frame in FrameWatch().watch(frames):
                writer.write(frame)
        return writer

    def _check_prompts(self, resolved: ResolvedRequest) -> None:
        self._prompts.check_length(resolved.prompt, "prompt")
        if resolved.negative_prompt is not None:
            self._prompts.check_length(resolved.negative_prompt, "negative_prompt")

    def _encode_prompts(self, resolved: ResolvedRequest) -> PromptEmbeds:
        device, negative = self._offload.device, resolved.negative_prompt
        return PromptEmbeds(
            prompt=self._prompts.encode(resolved.prompt).to(device),
            negative=None if negative is None else self._prompts.encode(negative).to(device),
        )

    def _loras(self, params: Input) -> list[LoraSpec]:
        """The LoRAs of a job: the distilled one for `fast`, then those of the request."""
        requested = [
            LoraSpec(one.id, one.strength, getattr(one, "strength_2", None)) for one in params.loras
        ]
        if params.quality != "fast":
            return requested
        if lora.DISTILLED not in lora.available(self._loaded.folder):
            raise InputRejected(
                "unknown_lora",
                "This worker does not have the 4-step LoRA: use quality `best`.",
                field="quality",
            )
        return [LoraSpec(lora.DISTILLED), *requested]

    def _apply_loras(self, loras: list[LoraSpec]) -> None:
        """Make exactly these LoRAs active; offload hooks must not be set while they change."""
        if tuple(loras) != self._loaded.active_loras:
            self._offload.remove_hooks()
            lora.apply(self._loaded, loras)


def _read_image(inputs: Mapping[str, Path], field: str) -> Frame:
    with attribute_to_field(field):
        return still.read_still(inputs[field])


def _steps_of_experts(denoiser: Denoiser) -> dict[str, Any]:
    """A note with the number of steps of each expert, for a model with two."""
    if denoiser.pipe.config.boundary_ratio is None:
        return {}
    steps = list(denoiser.experts)
    return {"expert_steps": {name: steps.count(index) for index, name in enumerate(EXPERT_NAMES)}}


def _describe(spec: LoraSpec) -> str:
    second = "" if spec.strength_2 is None else f" and {spec.strength_2:g}"
    return f"{spec.id} at {spec.strength:g}{second}"


def _ignore(*_: object, **__: object) -> None:
    """Ignore a progress report."""


wan2_1_i2v = partial(Runner, variant=WAN2_1_I2V)
wan2_2_i2v = partial(Runner, variant=WAN2_2_I2V)
wan2_2_ti2v_5b = partial(Runner, variant=WAN2_2_TI2V_5B)
