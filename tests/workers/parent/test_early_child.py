"""The child that is started before its parent's imports: used once, or ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.waiting import until
from tests.workers.process import alive
from workers.parent.early_child import EarlyChild
from workers.shared import handover
from workers.shared.handover import Handover

TAKES_OVER = """
import os, sys
from workers.shared import handover
channel = handover.reserve_descriptors(int(sys.argv[1]))
received = handover.receive(channel)
os.write(received.descriptors[0], f"{received.arguments} {received.environment}".encode())
"""


@pytest.fixture
def early():
    child = EarlyChild.start()
    yield child
    child.discard()
    if alive(child.pid):
        os.kill(child.pid, signal.SIGKILL)


def test_a_descriptor_has_the_same_number_in_the_process_that_takes_over(tmp_path):
    ours, theirs = socket.socketpair()
    with (tmp_path / "written").open("w") as file, theirs:
        number = theirs.fileno()
        command = [sys.executable, "-c", TAKES_OVER, str(number)]
        process = subprocess.Popen(command, pass_fds=[number])
        handover.send(ours, Handover(["-c"], {"A": "b"}, [file.fileno()]))
        assert process.wait(30) == 0

    assert (tmp_path / "written").read_text() == "['-c'] {'A': 'b'}"


def test_a_child_that_ended_early_is_not_used(early):
    os.kill(early.pid, signal.SIGKILL)
    until(lambda: not alive(early.pid), what="the end of the early child")

    assert not early.hand_over(Handover([], {}, [0]))


def test_a_child_without_room_for_a_descriptor_is_ended(early):
    assert not early.hand_over(Handover([], {}, [handover.FIRST_OWN_DESCRIPTOR]))

    assert not alive(early.pid)


def test_a_child_that_is_not_used_is_ended(early):
    early.discard()

    assert not alive(early.pid)
    assert not early.hand_over(Handover([], {}, [0]))


def test_a_child_ends_without_a_word_when_a_setting_is_invalid():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        number = theirs.fileno()
        done = subprocess.run(
            [sys.executable, "-m", "workers.child.early_start", str(number)],
            env={"PATH": os.environ["PATH"]},
            pass_fds=[number],
            capture_output=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
