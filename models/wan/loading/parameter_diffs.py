"""Adds what a LoRA changes beside matrices to the parameters of an expert, and takes it away again.

These are norms, modulations and the patch embedding: small, so a copy of each original is kept and
put back bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


@dataclass(eq=False)
class ParameterDiffs:
    """The changes of each adapter of one expert, and the original parameters."""

    _diffs: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    _originals: dict[str, Tensor] = field(default_factory=dict)

    def add(self, adapter: str, diffs: dict[str, Tensor]) -> None:
        """Keep a copy of the changes of an adapter, by the name of the parameter.

        The tensors of a file are memory-mapped: they would be lost with the file.
        """
        self._diffs[adapter] = {name: diff.clone() for name, diff in diffs.items()}

    def activate(self, model: Any, strengths: Mapping[str, float]) -> None:
        """Set each parameter to its original plus the changes of these adapters."""
        self.restore(model)
        for adapter, strength in strengths.items():
            for name, diff in self._diffs.get(adapter, {}).items():
                parameter = model.get_parameter(name).data
                self._originals.setdefault(name, parameter.cpu().clone())
                change = diff.to(parameter.device, torch.float32) * strength
                parameter.copy_(parameter.float() + change)

    def restore(self, model: Any) -> None:
        """Put every original back."""
        for name, original in self._originals.items():
            model.get_parameter(name).data.copy_(original)
        self._originals.clear()
