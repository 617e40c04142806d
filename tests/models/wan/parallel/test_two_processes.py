"""Two processes give the frames of one, and survive what can happen to one of them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pipe

import numpy as np
import pytest
import torch

from models.errors import InputRejected, ProcessLost, WeightsInvalid
from models.wan.memory.offload_plan import OffloadStrategy
from models.wan.parallel.follower_process import FollowerProcess
from models.wan.parallel.followers import PREFIX
from models.wan.parallel.messages import Call, Failed
from models.wan.settings import WanSettings
from runtime.temporary_folder import MIN_AGE_SECONDS
from tests.models.wan.parallel.processes import await_end, followers
from tests.models.wan.reports import ReportRecorder, StopRun
from tests.models.wan.running import frames_of, inputs, request_for, runner_of
from tests.models.wan.tiny import tiny_weights
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:.*all_gather_tensor:FutureWarning")  # of diffusers


@pytest.fixture(scope="module", autouse=True)
def one_thread_each():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"), "wan2.2")


@pytest.fixture(scope="module")
def single(folder):
    return runner_of(folder, "wan2.2", gpus=1)


@pytest.fixture(scope="module")
def double(folder):
    return runner_of(folder, "wan2.2", gpus=2)


def run(runner, folder, recorder=None, kind="wan2.2", **values):
    folder.mkdir(exist_ok=True)
    params = request_for(kind, **values)
    recorder = recorder or ReportRecorder()
    return runner.generate(params, inputs(folder), folder / "out.mp4", recorder)


def assert_close(one, other):
    """The videos are equal within a level of gray; their encoding may add another."""
    difference = np.abs(frames_of(one.path).astype(int) - frames_of(other.path).astype(int))

    assert difference.max() <= 1


def test_the_frames_are_those_of_one_process(single, double, tmp_path):
    size = {"width": 96, "height": 80, "frames": 9, "segments": 2}
    one, two = (run(one, tmp_path / f"{n}", **size) for n, one in enumerate((single, double)))

    assert_close(one, two)
    assert two.notes["gpus"] == 2
    assert len(followers()) == 1


@pytest.mark.parametrize(
    ("kind", "form"), [("wan2.1", "bf16"), ("wan2.2", "gguf-q5_0"), ("ti2v", "bf16")]
)
def test_every_variant_and_format_can_be_shared(kind, form, tmp_path):
    weights = tiny_weights(tmp_path / "weights", kind, form)
    runners = [runner_of(weights, kind, gpus=gpus) for gpus in (1, 2)]

    runners[1].warm_up()
    one, two = (run(runner, tmp_path / str(n), kind=kind) for n, runner in enumerate(runners))

    assert_close(one, two)


def test_loras_change_from_job_to_job_in_all_processes(single, double, tmp_path):
    for number, quality in enumerate(["best", "fast", "best"]):
        one, two = (
            run(runner, tmp_path / f"{number}-{gpus}", quality=quality)
            for gpus, runner in enumerate((single, double))
        )
        assert_close(one, two)


@pytest.mark.parametrize("strategy", [OffloadStrategy.EXPERT_SWAP, OffloadStrategy.GROUP_OFFLOAD])
def test_the_followers_use_the_strategy_of_the_leader(folder, single, strategy, tmp_path):
    settings = WanSettings(offload=strategy)
    runner = runner_of(folder, "wan2.2", settings=settings, gpus=2)

    assert_close(run(single, tmp_path / "1"), run(runner, tmp_path / "2"))


def test_a_job_that_stops_between_two_steps_leaves_the_followers_running(single, double, tmp_path):
    run(double, tmp_path / "0")
    before = followers()
    with pytest.raises(StopRun):
        run(double, tmp_path / "1", ReportRecorder(stop_at=("generating", 1)))

    assert_close(run(single, tmp_path / "2"), run(double, tmp_path / "3"))
    assert followers() == before


def test_an_input_that_is_rejected_concerns_no_follower(double, tmp_path):
    with pytest.raises(InputRejected, match="not in the catalog"):
        run(double, tmp_path, loras=[{"id": "nobody"}])

    assert run(double, tmp_path).frames == 5


def kill_a_follower(*_):
    for pid in followers():
        os.kill(pid, signal.SIGKILL)


def test_a_follower_that_dies_in_a_call_fails_the_run_and_the_next_one_has_another(
    single, double, tmp_path
):
    run(double, tmp_path / "0")
    before = followers()
    block = double._pipe.transformer.blocks[1]
    hook = block.register_forward_pre_hook(kill_a_follower)
    with pytest.raises(ProcessLost, match="GPU 1 of this worker ended with status -9"):
        run(double, tmp_path / "1")
    hook.remove()

    assert_close(run(single, tmp_path / "2"), run(double, tmp_path / "3"))
    assert set(followers()).isdisjoint(before)


def test_one_that_died_between_two_jobs_is_replaced(double, tmp_path):
    run(double, tmp_path / "0")
    before = followers()
    kill_a_follower()
    await_end(before)  # of the first threads; the last one may take a moment longer
    until(lambda: not double._leader._followers.usable, what="the end of all threads")

    assert run(double, tmp_path / "1").frames == 5
    assert len(followers()) == 1


def test_out_of_memory_in_a_call_degrades_the_plan_of_all(folder, single, tmp_path):
    settings = WanSettings(offload=OffloadStrategy.ALL_RESIDENT)
    runner = runner_of(folder, "wan2.2", settings=settings, gpus=2)
    left = [True]

    def fail(*_):
        if left:
            left.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")

    runner._pipe.transformer.blocks[1].register_forward_pre_hook(fail)
    two = run(runner, tmp_path / "2")

    assert two.notes["offload"] == "text_encoder_offload"
    assert_close(run(single, tmp_path / "1"), two)


def test_a_follower_waits_for_the_first_job_before_it_connects(folder, tmp_path):
    runner = runner_of(folder, "wan2.2", gpus=2)
    own = runner._leader._followers

    time.sleep(2)
    connecting = own._meeting.exists()

    assert not connecting
    assert run(runner, tmp_path / "1").frames == 5
    assert own._meeting.exists()


def test_the_full_memory_of_another_gpu_is_told_also_after_its_process_ended(double, tmp_path):
    run(double, tmp_path / "0")
    leader = double._leader
    ours, theirs = Pipe()
    with subprocess.Popen(["sleep", "60"]) as process:
        theirs.send(Failed("OutOfMemoryError", True))
        theirs.close()
        before, leader._followers._processes = (
            leader._followers._processes,
            [FollowerProcess(1, process, ours)],
        )

        with pytest.raises(torch.OutOfMemoryError), leader.session():
            leader._followers.send(Call("transformer", ()))

        leader._followers._processes = before
        process.kill()


def test_a_follower_outlives_sigterm_which_only_drains_the_worker(double, tmp_path):
    run(double, tmp_path / "0")
    before = followers()
    for pid in before:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)

    assert run(double, tmp_path / "1").frames == 5
    assert followers() == before


def test_an_evicted_model_ends_its_followers(folder):
    before = set(followers())
    runner = runner_of(folder, "wan2.2", gpus=2)
    own = set(followers()) - before

    del runner
    gc.collect()

    assert len(own) == 1
    await_end(own)


def test_weights_that_cannot_be_loaded_are_reported_as_on_one_gpu(tmp_path):
    weights = tiny_weights(tmp_path / "weights", "wan2.2")
    (weights / "transformer_2" / "config.json").unlink()

    with pytest.raises(WeightsInvalid, match=r"config\.json"):
        runner_of(weights, "wan2.2", gpus=2)


@pytest.mark.parametrize("moment", ["idle", "busy"])
def test_a_killed_leader_leaves_no_follower_and_its_folder_only_until_the_next_start(
    folder, tmp_path, moment, monkeypatch
):
    module = "tests.models.wan.parallel.leading"
    command = [sys.executable, "-m", module, str(folder), str(tmp_path), moment]
    env = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as leader:
        assert f"{moment}\n" in iter(leader.stdout.readline, "")
        own = followers(leader.pid)
        leader.kill()

    assert len(own) == 1
    await_end(own)
    [left] = tmp_path.glob(f"{PREFIX}*")
    long_ago = time.time() - 2 * MIN_AGE_SECONDS
    os.utime(left, (long_ago, long_ago))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    runner_of(folder, "wan2.2", gpus=2)

    assert not left.exists()
