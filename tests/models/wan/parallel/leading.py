"""`python -m tests.models.wan.parallel.leading WEIGHTS FOLDER idle|busy`: a leader to be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.models.wan.reports import ReportRecorder
from tests.models.wan.running import inputs, request_for, runner_of


def main():
    """Run a job; then wait for ever, `busy` in a call that the follower has begun."""
    weights, folder, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    runner = runner_of(weights, "wan2.2", gpus=2)
    if moment == "busy":
        runner._pipe.transformer.blocks[1].register_forward_pre_hook(lambda *_: stay(moment))
    runner.generate(request_for(), inputs(folder), folder / "out.mp4", ReportRecorder())
    stay(moment)


def stay(moment):
    sys.stdout.write(f"{moment}\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main()
