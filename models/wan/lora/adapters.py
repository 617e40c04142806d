"""LoRAs of the operator's catalog, which is the folder `lora/` of a model's weights.

`<id>.safetensors` is loaded into every expert; `<id>_high.safetensors` and `<id>_low.safetensors`
are a pair, one file for each expert. They are applied beside the matrices unless `fuse` is set.
Fusing a LoRA and subtracting it again would, in bfloat16, permanently change the output of the
tiny test model by 0.4 %, and the same seed would give another video after a job with a LoRA.
Fused layers are therefore read from their files again. GGUF weights cannot be fused.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, Final

import torch

from models.errors import InputRejected, WeightsInvalid
from models.wan.loading import tensors, transformer
from models.wan.loading.loaded import TRANSFORMERS, LoraSpec
from models.wan.lora import lora_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.wan.loading.loaded import LoadedPipeline

DISTILLED: Final = "4step"
"""Id of the distilled LoRA that `quality: fast` uses."""
_SUFFIX: Final = ".safetensors"
_PAIR_SUFFIXES: Final = {TRANSFORMERS[0]: "_high", TRANSFORMERS[1]: "_low"}
_LOAD_ERRORS = (ValueError, RuntimeError, LookupError, TypeError, OSError)
"""Errors that diffusers and peft were seen to raise on a LoRA for another model."""
_FP8: Final = (torch.float8_e4m3fn, torch.float8_e5m2)


def available(folder: Path) -> tuple[str, ...]:
    """Ids of the LoRAs in a folder of weights; a pair has one id."""
    stems = (path.stem for path in (folder / "lora").glob(f"*{_SUFFIX}"))
    return tuple(sorted({re.sub("_(high|low)$", "", stem) for stem in stems}))


def apply(loaded: LoadedPipeline, loras: Sequence[LoraSpec], *, fuse: bool = False) -> None:
    """Make exactly these LoRAs active, each in every expert. Each file is read only once.

    No offload hook may be set on the experts; their device does not matter. `fuse` merges the
    LoRAs into experts that are neither GGUF nor stored in fp8, for a worker that always uses the
    same ones: with other LoRAs later, the experts' files are read again. Raises `InputRejected`
    for an unknown id, `WeightsInvalid` for a file that does not fit an expert; then no LoRA is
    active.
    """
    specs, fuse = tuple(loras), fuse and bool(loras) and not loaded.quantized
    _check_known(loaded.folder, specs)
    if (specs, fuse) == (loaded.active_loras, loaded.fused):
        return
    if loaded.fused:
        unload(loaded)
    try:
        for component in loaded.experts:
            _activate(loaded, component, specs)
    except WeightsInvalid:
        unload(loaded)
        raise
    loaded.active_loras = specs
    if fuse:
        _pipe(loaded).fuse_lora(components=list(loaded.experts))
        loaded.fused = True


def unload(loaded: LoadedPipeline) -> None:
    """Remove every LoRA from memory; the experts are then bit-identical to the loaded ones."""
    layers = {name: _lora_layers(model) for name, model in loaded.experts.items()}
    _pipe(loaded).unload_lora_weights()
    if loaded.fused:
        for name, model in loaded.experts.items():
            transformer.reload_layers(model, loaded.folder / name, layers[name])
    for name, model in loaded.experts.items():
        loaded.diffs[name].restore(model)
    loaded.active_loras, loaded.fused = (), False


def _check_known(folder: Path, specs: tuple[LoraSpec, ...]) -> None:
    known = available(folder)
    for spec in specs:
        if spec.id not in known:
            listed = f"available: {', '.join(known)}" if known else "the catalog is empty"
            raise InputRejected(
                "unknown_lora",
                f"The LoRA `{spec.id}` is not in the catalog; {listed}.",
                field="loras",
            )


def _activate(loaded: LoadedPipeline, component: str, specs: tuple[LoraSpec, ...]) -> None:
    """Load missing LoRAs into one expert, then set its active adapters and their strengths."""
    model = loaded.experts[component]
    for spec in specs:
        if _adapter(spec.id, component) not in _loaded_adapters(model):
            _load(loaded, component, spec.id)
    if specs:
        second = component != TRANSFORMERS[0]
        strengths = [
            spec.strength_2 if second and spec.strength_2 is not None else spec.strength
            for spec in specs
        ]
        adapters = [_adapter(spec.id, component) for spec in specs]
        model.enable_lora()
        model.set_adapters(adapters, strengths)
        loaded.diffs[component].activate(model, dict(zip(adapters, strengths, strict=True)))
    elif _loaded_adapters(model):
        model.disable_lora()
        loaded.diffs[component].restore(model)


def _load(loaded: LoadedPipeline, component: str, id_: str) -> None:
    """Load a file into one expert, and check that the expert has the adapter then.

    Warnings are ignored: peft warns of a second LoRA in a network and of its own cleanup after a
    failure.
    """
    path, name = _file(loaded, component, id_), _adapter(id_, component)
    model = loaded.experts[component]
    fitted = lora_file.read(path, model, component)
    _set_compute_dtype(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.load_lora_adapter(fitted.matrices, prefix=None, adapter_name=name)
    except _LOAD_ERRORS as error:
        reason = str(error.__context__ or error).strip().splitlines()[0][:200]
        raise WeightsInvalid(f"{tensors.short(path)} does not fit {component}: {reason}") from error
    loaded.diffs[component].add(name, fitted.diffs)


def _set_compute_dtype(model: Any) -> None:
    """Make peft create a LoRA in a layer's compute type where the layer is stored in fp8.

    By default peft takes the type of the stored matrix and fails: fp8 cannot be multiplied.
    """
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.dtype in _FP8:
            layer.compute_dtype = model.dtype


def _file(loaded: LoadedPipeline, component: str, id_: str) -> Path:
    """The file of a LoRA for one expert: its file of the pair, or the common file."""
    folder = loaded.folder / "lora"
    own = folder / f"{id_}{_PAIR_SUFFIXES[component]}{_SUFFIX}"
    common = folder / f"{id_}{_SUFFIX}"
    if len(loaded.experts) > 1 and own.exists():
        return own
    if common.exists():
        return common
    if len(loaded.experts) == 1:
        raise WeightsInvalid(
            f"{tensors.short(common)} is missing: `{id_}` is for two experts; this model has one"
        )
    raise WeightsInvalid(f"{tensors.short(own)} is missing: `{id_}` is a pair of files")


def _adapter(id_: str, component: str) -> str:
    """The adapter's name in the network, where a dot would separate module names."""
    return re.sub(r"\W", "_", id_) + ("" if component == TRANSFORMERS[0] else "_low")


def _loaded_adapters(model: Any) -> list[str]:
    return list(getattr(model, "peft_config", {}))


def _lora_layers(model: Any) -> list[str]:
    """Names of the layers that a LoRA wraps."""
    return [name for name, layer in model.named_modules() if hasattr(layer, "base_layer")]


def _pipe(loaded: LoadedPipeline) -> Any:
    return loaded.pipe
