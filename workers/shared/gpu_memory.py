"""The most GPU memory that an attempt needed. Not yet run on a GPU."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workers.shared.figures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.shared.child_status import ChildStatusFile


@contextmanager
def peak_recorded(model: str, status_file: ChildStatusFile) -> Iterator[None]:
    """Record the peak of the block, if torch uses a GPU, for the parent to show.

    torch is not imported for it: a model that uses it has done so.
    """
    before = _cuda()
    if before is not None:
        for device in range(before.device_count()):
            before.reset_peak_memory_stats(device)
    try:
        yield
    finally:
        after = _cuda()
        if after is not None and FIGURES.record_gpu_peak(model, _peak_bytes(after)):
            status_file.write()


def _cuda() -> Any:
    """`torch.cuda` of this process. None: no GPU has been used, or another thread imports it."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    is_initialized = getattr(cuda, "is_initialized", None)
    return cuda if is_initialized is not None and is_initialized() else None


def _peak_bytes(cuda: Any) -> int:
    """What torch reserved on the GPU that needed most."""
    return int(max(cuda.max_memory_reserved(device) for device in range(cuda.device_count())))
