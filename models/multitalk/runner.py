"""The runner of the talking pictures: loads one model, then lets the people in pictures speak."""

from __future__ import annotations

import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch

from models.errors import attribute_to_field
from models.faces.detection import best_detector
from models.kokoro.tts import SpeechSynthesis
from models.multitalk.loading.talking import load
from models.multitalk.request import regions
from models.multitalk.request.input import Input
from models.multitalk.request.resolve import ClipPlan, ResolvedRequest, resolve
from models.multitalk.sampling.denoise import ClipDenoiser
from models.multitalk.sampling.evaluations import Prompts
from models.multitalk.sampling.region_masks import masks
from models.multitalk.sampling.run import TalkingRun
from models.multitalk.sampling.step_cache import computed_steps, modulations
from models.multitalk.schedule import timesteps
from models.multitalk.variants import FPS, INFINITETALK, MULTITALK
from models.multitalk.voice.feature_file import FeatureFile
from models.multitalk.voice.voices import read
from models.output_checks import FrameWatch
from models.resuming.parts import Parts
from models.spec import Stage
from models.video import frames, still
from models.video.guarded.photo import Photo
from models.video.writer import Writer
from models.wan.loading.loaded import LoraSpec
from models.wan.lora import adapters as lora
from models.wan.memory.offload import OffloadManager
from models.wan.request.framing import frame_image
from models.wan.request.image_fit import draw
from models.wan.sampling import acceleration
from models.wan.sampling.latent_preview import LatentPreview
from models.wan.sampling.prompts import PromptEncoder
from models.wan.settings import WanSettings
from runtime.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from models.multitalk.loading.talking import LoadedTalking
    from models.multitalk.request.regions import People
    from models.multitalk.variants import TalkingVariant
    from models.multitalk.voice.voices import Voices
    from models.spec import Report, RunResult

    Frame = NDArray[np.uint8]

_ENCODED_BEHIND: Final = 81
"""Frames that wait for the encoder at most: a clip is encoded while the next one is denoised."""


class Runner:
    """One talking-picture model in memory. It runs one job at a time.

    `device` None: the GPU if there is one; `loaded` None: what `weights` has. Not yet run on a GPU,
    nor with the published weights.
    """

    def __init__(
        self,
        weights: Path,
        variant: TalkingVariant,
        *,
        settings: WanSettings | None = None,
        device: torch.device | None = None,
        loaded: LoadedTalking | None = None,
    ) -> None:
        settings = settings or WanSettings()
        self._variant = variant
        self._loaded = loaded or load(weights, variant)
        self._base = self._loaded.base
        self._pipe = cast("Any", self._base.pipe)
        self._offload = OffloadManager(self._base, settings.forced_strategy, device)
        self._loaded.denoiser.audio_proj.to(self._offload.device)
        self._prompts = PromptEncoder(self._base.pipe)
        self._detector = best_detector.load_best(weights / "faces", torch.device("cpu"))
        self._speech = SpeechSynthesis(weights / "kokoro")
        self._acceleration = acceleration.configure(
            self._base.experts.values(), settings.without_shortcuts(), self._offload.device
        )

    def warm_up(self) -> None:
        """Run one step of the smallest clip, under the plan of a default one.

        Raises `OutputInvalid`.
        """
        self._speech.warm_up()
        params = Input(image="", audio="", seed=0)
        default = resolve(params, self._variant, image_size=(640, 640), frames=25, loras=())
        self._offload.prepare(default)
        small = replace(
            default,
            framing=frame_image((64, 64), (64, 64), "crop"),
            plan=ClipPlan(5, 5, 1),
            steps=1,
            color_correction=0.0,  # the picture is gray: all would become gray
        )
        noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
        gray = np.full((64, 64, 3), 128, np.uint8)
        with TemporaryFolder("kinomill-warm-up-") as folder:
            path = folder / "features.npy"
            features = FeatureFile.write(path, self._loaded.wav2vec, [noise])
            run = self._run(small, features, None, lambda _: gray, _ignore)
            for _ in FrameWatch(tolerance=0).watch(run.frames()):
                pass

    def generate(
        self, params: Input, inputs: Mapping[str, Path], out: Path, report: Report
    ) -> RunResult:
        """Generate one video, as long as its voices.

        Raises `InputRejected` with the card's codes, `WeightsInvalid` for a LoRA that does not fit
        the model, `OutputInvalid` for a video that is black or frozen.
        """
        report(Stage.PREPROCESSING)
        pictures = _Pictures(inputs)
        people = regions.locate(params, pictures.first, self._detector)
        with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
            voices = read(params, inputs, Path(scratch), speech=self._speech, report=report)
            features = FeatureFile.write(
                Path(scratch) / "features.npy", self._loaded.wav2vec, voices.tracks
            )
            resolved = self._resolve(params, pictures, features.frames)
            notes = {**self._prepare(params, resolved), **people.notes, **voices.notes}
            report(Stage.PREPROCESSING, notes=notes)
            run = self._placed_run(resolved, features, people, pictures, report)
            run.parts = Parts.of(out, params, inputs, *self._identity(resolved))
            with closing(pictures):
                writer = self._write(run, voices, out, report)
            files = {
                name: voice.path.rename(out.with_name(name))
                for name, voice in voices.synthesized.items()
            }
        return replace(writer.result(notes | run.notes | run.parts.notes), files=files)

    def _resolve(self, params: Input, pictures: _Pictures, frames: int) -> ResolvedRequest:
        height, width = pictures.first.image.shape[:2]
        resolved = resolve(
            params,
            self._variant,
            image_size=(width, height),
            frames=frames,
            loras=lora.available(self._base.folder),
        )
        self._prompts.check_length(resolved.prompt, "prompt")
        self._prompts.check_length(resolved.negative_prompt, "negative_prompt")
        return resolved

    def _prepare(self, params: Input, resolved: ResolvedRequest) -> dict[str, Any]:
        """Apply LoRAs and offload plan; returns the notes of both and of the request."""
        loras = [LoraSpec(resolved.lora)] if resolved.lora else []
        loras += [LoraSpec(one.id, one.strength) for one in params.loras]
        if tuple(loras) != self._base.active_loras:
            self._offload.remove_hooks()
            lora.apply(self._base, loras)
        plan = self._offload.prepare(resolved, resolved.kept_states)
        notes = resolved.notes() | self._acceleration | plan.notes
        notes |= {"weights": self._base.formats}
        names = [f"{one.id} at {one.strength:g}" for one in loras]
        return notes | ({"loras": names} if names else {})

    def _identity(self, resolved: ResolvedRequest) -> tuple[object, ...]:
        """What the latents depend on beside the request and its files."""
        base = self._base
        weights = base.folder.resolve(), base.formats, base.active_loras, resolved.lora
        return self._variant.name, *weights, self._offload.device, self._batched(resolved)

    def _batched(self, resolved: ResolvedRequest) -> bool:
        return resolved.evaluations > 1 and self._offload.has_room(resolved.evaluations)

    def _computed(self, resolved: ResolvedRequest) -> tuple[bool, ...]:
        """The steps that are computed, with a step cache; else none is named."""
        if resolved.step_cache is None:
            return ()
        times = timesteps(resolved.steps, resolved.shift)[:-1]
        modulation = modulations(self._loaded.denoiser.transformer, times)
        return computed_steps(modulation, resolved.step_polynomial, resolved.step_cache)

    def _placed_run(
        self,
        resolved: ResolvedRequest,
        features: FeatureFile,
        people: People,
        pictures: _Pictures,
        report: Report,
    ) -> TalkingRun:
        found = masks(people, resolved.framing)

        def reference(start: int) -> Frame:
            return draw(pictures.at(start), resolved.framing)

        return self._run(resolved, features, found, reference, report)

    def _run(
        self,
        resolved: ResolvedRequest,
        features: FeatureFile,
        where: torch.Tensor | None,
        reference: Callable[[int], Frame],
        report: Report,
    ) -> TalkingRun:
        device = self._offload.device
        negative = None
        if resolved.guidance > 1:
            negative = self._prompts.encode(resolved.negative_prompt).to(device)
        preview = LatentPreview(self._base.pipe, reference(0))
        return TalkingRun(
            variant=self._variant,
            resolved=resolved,
            pipe=self._pipe,
            denoiser=self._loaded.denoiser,
            offload=self._offload,
            features=features,
            reference=reference,
            masks=None if where is None else where.to(device),
            prompts=Prompts(self._prompts.encode(resolved.prompt).to(device), negative),
            clips=ClipDenoiser(
                resolved, preview, report, self._variant.given_motion, self._computed(resolved)
            ),
            batched=self._batched(resolved),
        )

    def _write(self, run: TalkingRun, voices: Voices, out: Path, report: Report) -> Writer:
        comment = (
            f"Made by Kinomill with {self._variant.name}: generated by a neural network. "
            "The speech was not filmed."
        )
        writer = Writer(
            out,
            width=run.resolved.width,
            height=run.resolved.height,
            fps=Fraction(FPS),
            sound=voices.sound,
            metadata=voices.add_to_metadata({"comment": comment}),
            ai_label=run.resolved.ai_label,
        )
        with writer, closing(run.frames()) as generated:
            _encode_behind(FrameWatch().watch(generated), writer)
            report(Stage.ENCODING, writer.frames, writer.frames)
        return writer


class _Pictures:
    """The picture, or the frames of a clip at 25 a second, as the parts of a video follow them."""

    def __init__(self, inputs: Mapping[str, Path]) -> None:
        self._clip: Iterator[Frame] | None = None
        self._number = 0
        if "image" in inputs:
            with attribute_to_field("image"):
                self.first = still.read_photo(inputs["image"])
        else:
            with attribute_to_field("video"):
                forever = 10**9
                self._clip = frames.looped(inputs["video"], forever, fps=Fraction(FPS))
                frame = next(self._clip)
                self.first = Photo(frame, width=frame.shape[1], height=frame.shape[0])
        self._current = self.first.image

    def at(self, number: int) -> Frame:
        """The upright picture `(h, w, 3)` for this frame; numbers never go back."""
        with attribute_to_field("video"):
            while self._clip is not None and self._number < number:
                self._current = next(self._clip)
                self._number += 1
        return self._current

    def close(self) -> None:
        """Close the clip: its generator ends with its last reference."""
        self._clip = None


def _encode_behind(generated: Iterator[Frame], writer: Writer) -> None:
    """Encode frames in another thread, in order, while the next ones are generated."""
    with ThreadPoolExecutor(max_workers=1) as encoder:
        pending: deque[Any] = deque()
        for frame in generated:
            pending.append(encoder.submit(writer.write, frame))
            if len(pending) > _ENCODED_BEHIND:
                pending.popleft().result()
        for future in pending:
            future.result()


def _ignore(*_: object, **__: object) -> None:
    """Ignore a progress report."""


multitalk = partial(Runner, variant=MULTITALK)
infinitetalk = partial(Runner, variant=INFINITETALK)
