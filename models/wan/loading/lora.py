"""LoRAs of the operator's catalog, which is the folder `lora/` of a model's weights.

`<id>.safetensors` goes into every expert; `<id>_high.safetensors` and `<id>_low.safetensors` are
a pair of which each goes into one. They stay beside the matrices unless `fuse` is asked for. In
bfloat16 a fused LoRA and its removal by subtraction leave the tiny twin's output 0.4 % off for
ever, so that the same seed would give another video after a job with a LoRA: what was fused is
therefore read anew from the files, not subtracted. GGUF cannot be fused into.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from models.errors import InputRejected, WeightsInvalid
from models.wan.loading import tensors, transformer
from models.wan.loading.pipeline import PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.wan.loading.pipeline import Loaded

DISTILLED: Final = "4step"
"""The id of the LoRA that `quality: fast` is made with."""
_SUFFIX: Final = ".safetensors"
_OF_EXPERT: Final = {PLACES[0]: "_high", PLACES[1]: "_low"}
_REFUSED = (ValueError, RuntimeError, LookupError, TypeError, OSError)
"""What diffusers and peft were seen to raise on a LoRA that is made for another model."""
_FP8: Final = (torch.float8_e4m3fn, torch.float8_e5m2)


@dataclass(frozen=True)
class Use:
    """One LoRA of a job. Strength 1 is as published; 0 is off."""

    id: str
    strength: float = 1.0
    """In the only expert, or in that of high noise."""
    strength_2: float | None = None
    """In the expert of low noise; None: as in the other."""


def available(folder: Path) -> tuple[str, ...]:
    """The ids of a view's catalog; a pair has one."""
    stems = (path.stem for path in (folder / "lora").glob(f"*{_SUFFIX}"))
    return tuple(sorted({re.sub("_(high|low)$", "", stem) for stem in stems}))


def apply(loaded: Loaded, uses: Sequence[Use], *, fuse: bool = False) -> None:
    """Let exactly these LoRAs work, each in every expert. Reads a file once, when first wanted.

    No offload hook may lie on the experts meanwhile; where they lie does not matter. `fuse` merges
    the LoRAs into experts that are neither GGUF nor stored in fp8, for a worker that does nothing
    else: a later other wish reads the experts' files anew. Raises `InputRejected` on an unknown
    id, `WeightsInvalid` on a file that does not go into an expert; then none is at work.
    """
    wish, fuse = tuple(uses), fuse and bool(uses) and not loaded.quantized
    _check_known(loaded.folder, wish)
    if (wish, fuse) == (loaded.worn, loaded.fused):
        return
    if loaded.fused:
        unload(loaded)
    try:
        for place in loaded.experts:
            _wear(loaded, place, wish)
    except WeightsInvalid:
        unload(loaded)
        raise
    loaded.worn = wish
    if fuse:
        _pipe(loaded).fuse_lora(components=list(loaded.experts))
        loaded.fused = True


def unload(loaded: Loaded) -> None:
    """Take every LoRA out of memory; the experts are then bit by bit as they were loaded."""
    layers = {place: _layers(model) for place, model in loaded.experts.items()}
    _pipe(loaded).unload_lora_weights()
    if loaded.fused:
        for place, model in loaded.experts.items():
            transformer.refill(model, loaded.folder / place, layers[place])
    loaded.worn, loaded.fused = (), False


def _check_known(folder: Path, wish: tuple[Use, ...]) -> None:
    known = available(folder)
    for use in wish:
        if use.id not in known:
            listed = f"there are: {', '.join(known)}" if known else "there are none"
            raise InputRejected(
                "unknown_lora",
                f"The LoRA `{use.id}` is not in the catalog; {listed}.",
                field="loras",
            )


def _wear(loaded: Loaded, place: str, wish: tuple[Use, ...]) -> None:
    """Load what is missing into one expert, then set which of its adapters work how much."""
    model = loaded.experts[place]
    for use in wish:
        if _adapter(use.id, place) not in _carried(model):
            _load(loaded, place, use.id)
    if wish:
        second = place != PLACES[0]
        strengths = [
            use.strength_2 if second and use.strength_2 is not None else use.strength
            for use in wish
        ]
        model.enable_lora()
        model.set_adapters([_adapter(use.id, place) for use in wish], strengths)
    elif _carried(model):
        model.disable_lora()


def _load(loaded: Loaded, place: str, id_: str) -> None:
    """Read a file into one expert, and make sure that it is there.

    peft warns of a second LoRA in a network, and of its own cleaning up after a failure.
    """
    path, name = _file(loaded, place, id_), _adapter(id_, place)
    tensors.of_safetensors(path)
    _keep_precise(loaded.experts[place])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            _read(loaded, place, path, name)
    except _REFUSED as error:
        reason = str(error.__context__ or error).strip().splitlines()[0]
        raise WeightsInvalid(f"{path} does not go into {place}: {reason}") from error
    if name not in _pipe(loaded).get_list_adapters().get(place, []):
        raise WeightsInvalid(
            f"{path} changes nothing in {place}: it has no matrix that {loaded.variant.name} knows"
        )


def _read(loaded: Loaded, place: str, path: Path, name: str) -> None:
    _pipe(loaded).load_lora_weights(
        str(path.parent),
        weight_name=path.name,
        adapter_name=name,
        load_into_transformer_2=place != PLACES[0],
        local_files_only=True,
        use_safetensors=True,
    )


def _keep_precise(model: Any) -> None:
    """Have peft make a LoRA in the type that a layer computes in, where it is stored in fp8.

    It takes the type of the stored matrix else, and fails: nothing multiplies in fp8.
    """
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.dtype in _FP8:
            layer.compute_dtype = model.dtype


def _file(loaded: Loaded, place: str, id_: str) -> Path:
    """The file of a LoRA for one expert: its half of the pair, or the file for all."""
    folder = loaded.folder / "lora"
    half, whole = folder / f"{id_}{_OF_EXPERT[place]}{_SUFFIX}", folder / f"{id_}{_SUFFIX}"
    if len(loaded.experts) > 1 and half.exists():
        return half
    if whole.exists():
        return whole
    other = "two experts, and this model has one" if len(loaded.experts) == 1 else "a pair"
    raise WeightsInvalid(
        f"{half if other == 'a pair' else whole} is missing: `{id_}` is for {other}"
    )


def _adapter(id_: str, place: str) -> str:
    """The name inside the network, where a dot would part the path of a module."""
    return re.sub(r"\W", "_", id_) + ("" if place == PLACES[0] else "_low")


def _carried(model: Any) -> list[str]:
    return list(getattr(model, "peft_config", {}))


def _layers(model: Any) -> list[str]:
    """The names of the layers that a LoRA has been laid around."""
    return [name for name, layer in model.named_modules() if hasattr(layer, "base_layer")]


def _pipe(loaded: Loaded) -> Any:
    return loaded.pipe
