"""`python -m models.wan.parallel.follower`: the process of one further GPU of a job."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NoReturn

import structlog
import torch

from models.offloading.gpu_memory import usable_bytes
from models.wan.loading.pipeline import load_experts
from models.wan.lora import adapters as lora
from models.wan.memory.placement import ExpertPlacement
from models.wan.parallel.messages import Call, Failed, Prepare, Ready
from models.wan.parallel.process_group import ProcessGroup
from models.wan.sampling import acceleration
from models.wan.settings import WanSettings
from models.wan.variants import VARIANTS
from runtime.logs.program import start_logging
from runtime.settings import LogSettings

if TYPE_CHECKING:
    from models.wan.variants import Variant

log = structlog.get_logger()


def main() -> None:
    """Load the experts, then run each call of the leader until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a worker that drains finishes its job first
    start_logging(LogSettings())
    channel, rank, size, kind, meeting, weights, variant = sys.argv[1:]
    connection = Connection(int(channel))
    inbox = Inbox(connection)
    device = torch.device(kind, int(rank)) if kind == "cuda" else torch.device(kind)
    try:
        gpu_bytes = usable_bytes(device)
        follower = Follower(Path(weights), VARIANTS[variant], device)
        connection.send(Ready(gpu_bytes))
        first = inbox.next()  # the leader connects for its first job, which may be much later
        group = ProcessGroup.join(Path(meeting), rank=int(rank), size=int(size), device=device)
        serve(follower, group, inbox, connection, first)
    except Exception as error:
        log.exception("process of another GPU failed")
        with suppress(OSError):
            full = isinstance(error, torch.OutOfMemoryError)
            connection.send(Failed(type(error).__name__, full))
        os._exit(1)  # at a normal end NCCL would wait for the others


class Inbox:
    """Receives the messages of the leader; when that is gone, ends this process, busy or not."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[Prepare | Call] = SimpleQueue()
        threading.Thread(target=self._receive, name="inbox", daemon=True).start()

    def next(self) -> Prepare | Call:
        """Wait for the next message."""
        return self._messages.get()

    def _receive(self) -> NoReturn:
        while True:
            try:
                self._messages.put(self._connection.recv())
            except (EOFError, OSError):
                os._exit(0)


class Follower:
    """The experts of one model, on one GPU."""

    def __init__(self, weights: Path, variant: Variant, device: torch.device) -> None:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        self._device = device
        self._loaded = load_experts(weights, variant)
        self._placement = ExpertPlacement(self._loaded, device)
        settings = WanSettings().without_shortcuts()
        acceleration.configure(self._loaded.experts.values(), settings, device, parallel=True)

    def prepare(self, message: Prepare, group: ProcessGroup) -> None:
        """Place the experts, with exactly these LoRAs."""
        self._placement.remove_hooks()
        lora.apply(self._loaded, message.loras)
        self._placement.apply(message.strategy)
        for expert in self._loaded.experts.values():
            group.shard(expert)

    @torch.no_grad()
    def call(self, message: Call, group: ProcessGroup) -> None:
        """Run an expert together with the leader, which has the result."""
        arguments = {}
        for name, shape, dtype in message.tensors:
            arguments[name] = torch.empty(shape, dtype=dtype, device=self._device)
            group.broadcast(arguments[name])
        expert = self._loaded.experts[message.expert]
        group.fit(expert, arguments["hidden_states"])
        expert(**arguments, return_dict=False)


def serve(
    follower: Follower,
    group: ProcessGroup,
    inbox: Inbox,
    connection: Connection,
    message: Prepare | Call,
) -> NoReturn:
    """Do what the leader says, this message first, without end."""
    while True:
        if isinstance(message, Call):
            follower.call(message, group)
        else:
            follower.prepare(message, group)
            connection.send(Ready(None))
        message = inbox.next()


if __name__ == "__main__":
    main()
