"""Has the experts of a model run on several GPUs: each call is shared with the followers."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
import torch

from models.wan.parallel.followers import Followers
from models.wan.parallel.messages import Call, Prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from models.wan.loading.loaded import LoadedPipeline
    from models.wan.memory.offload import OffloadManager
    from models.wan.variants import Variant

log = structlog.get_logger()

_EXPLAIN_SECONDS: Final = 5.0
"""How long a follower may take to say why a call of it failed, once it has failed here."""


class Leader:
    """Runs the experts of one model together with a follower for each further GPU.

    Between two calls a follower keeps weights and LoRAs only, so a job may stop after any step.
    When a call fails, all followers end; the next job starts new ones.
    """

    def __init__(self, weights: Path, variant: Variant, size: int, device: torch.device) -> None:
        self.size = size
        """Number of GPUs."""
        self._followers = Followers(weights, variant, size, device)
        self._prepared: Prepare | None = None
        self._in_call = False
        weakref.finalize(self, self._followers.end)
        self._followers.start()

    def await_followers(self) -> int | None:
        """Wait until all have loaded; returns the memory of the smallest of their GPUs.

        Raises `ProcessLost`.
        """
        return self._followers.await_loaded()

    def attach(self, loaded: LoadedPipeline, offload: OffloadManager) -> None:
        """Set the experts of this process, and what places them."""
        self._loaded, self._offload = loaded, offload

    @contextmanager
    def session(self) -> Iterator[None]:
        """Share each call of an expert in this block.

        Raises `ProcessLost`, or `OutOfMemoryError` if the memory of any GPU is full.
        """
        self._in_call = False
        self._prepare()
        experts = self._loaded.experts.items()
        hooks = [hook for name, expert in experts for hook in self._hooks(name, expert)]
        try:
            yield
        except Exception as error:
            loss = self._loss(error)
            if loss is not None or self._in_call:
                self._end_followers()
            if loss is None:
                raise
            raise loss from error
        finally:
            for hook in hooks:
                hook.remove()

    def _loss(self, error: Exception) -> Exception | None:
        """The end of a follower, if it may be the cause of this error."""
        if not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError):
            return None
        return self._followers.loss(_EXPLAIN_SECONDS if self._in_call else 0)

    def _end_followers(self) -> None:
        self._followers.end()
        self._prepared = None
        log.warning("processes of the other GPUs ended")

    def _prepare(self) -> None:
        """Bring the followers to the plan and the LoRAs of this job."""
        try:
            if not self._followers.usable:
                self._end_followers()
                self._followers.start()
                self._followers.await_loaded()
            self._place()
        except Exception as error:
            loss = self._loss(error)
            self._end_followers()
            if loss is None:
                raise
            raise loss from error

    def _place(self) -> None:
        plan = self._offload.plan
        if plan is None:
            raise RuntimeError("the plan of the job is missing")
        wanted = Prepare(plan.strategy, self._loaded.active_loras)
        if wanted == self._prepared:
            return
        self._followers.send(wanted)  # they connect when they have it
        group = self._followers.group()
        for expert in self._loaded.experts.values():
            group.shard(expert)
        self._followers.await_ready()
        self._prepared = wanted

    def _hooks(self, name: str, expert: Any) -> Iterator[Any]:
        def announce(_: object, __: object, arguments: Mapping[str, Any]) -> None:
            self._in_call = True
            self._announce(name, arguments)
            self._followers.group().fit(expert, arguments["hidden_states"])

        def finish(*_: object) -> None:
            self._in_call = False

        yield expert.register_forward_pre_hook(announce, with_kwargs=True)
        yield expert.register_forward_hook(finish, prepend=True)

    def _announce(self, name: str, arguments: Mapping[str, Any]) -> None:
        tensors = {key: one for key, one in arguments.items() if isinstance(one, torch.Tensor)}
        infos = tuple((key, tuple(one.shape), one.dtype) for key, one in tensors.items())
        self._followers.send(Call(name, infos))
        group = self._followers.group()
        for tensor in tensors.values():
            group.broadcast(tensor.contiguous())
