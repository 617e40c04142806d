"""bfloat16 is chosen by the CPU's instructions and by timings that other load does not turn."""

from __future__ import annotations

import random

import pytest
import torch
from structlog.testing import capture_logs

from models import number_format
from models.number_format import choose, has_bfloat16_instructions, select_cpu_dtype, trials
from models.number_format_memory import NumberFormatMemory, describe_machine

ZEN4 = {"cpu": "AMD EPYC 9R14", "instructions": ["avx512_bf16"], "threads": 2, "torch": "2.13.0"}
FAST = [(1.0, 0.5)] * 9
SLOW = [(1.0, 1.1)] * 9


def loaded(seed: int) -> list[tuple[float, float]]:
    """Nine timings of a CPU twice as fast in bfloat16, four of them beside a burst of load."""
    chance = random.Random(seed)
    burst = chance.sample(range(9), 4)
    slower = [chance.uniform(2, 20) if trial in burst else 1.0 for trial in range(9)]
    return [
        (0.004 * chance.uniform(0.9, 1.1), 0.002 * slow * chance.uniform(0.9, 1.1))
        for slow in slower
    ]


@pytest.fixture
def memory(tmp_path):
    return NumberFormatMemory(tmp_path / "formats", ZEN4)


def unread():
    raise AssertionError("measured again")
    yield


@pytest.mark.parametrize("seed", range(20))
def test_a_burst_of_load_during_bfloat16_does_not_turn_the_choice(seed):
    assert choose("wav2lip", None, loaded(seed)) == torch.bfloat16


@pytest.mark.parametrize("slowdown", [1, 5, 40])
def test_steady_load_slows_both_formats_alike(slowdown):
    timings = [(a * slowdown, b * slowdown) for a, b in FAST]

    assert choose("wav2lip", None, timings) == torch.bfloat16


def test_bfloat16_that_is_no_faster_is_not_chosen():
    assert choose("wav2lip", None, SLOW) == torch.float32


def test_two_trials_suffice_where_bfloat16_is_far_slower():
    timings = iter([(1.0, 100.0)] * 9)

    assert choose("wav2lip", None, timings) == torch.float32
    assert len(list(timings)) == 7


@pytest.mark.parametrize(("timings", "dtype"), [(FAST, torch.bfloat16), (SLOW, torch.float32)])
def test_a_choice_is_remembered_and_not_measured_again(tmp_path, memory, timings, dtype):
    choose("wav2lip", memory, timings)

    again = NumberFormatMemory(tmp_path / "formats", dict(ZEN4))
    assert choose("wav2lip", again, unread()) == dtype


@pytest.mark.parametrize(
    "change", [{"cpu": "AMD EPYC 7R13"}, {"instructions": []}, {"threads": 8}, {"torch": "2.14.0"}]
)
def test_the_choice_of_another_machine_is_not_used(tmp_path, memory, change):
    choose("wav2lip", memory, SLOW)

    other = NumberFormatMemory(tmp_path / "formats", ZEN4 | change)
    assert choose("wav2lip", other, FAST) == torch.bfloat16
    assert choose("wav2lip", memory, unread()) == torch.float32


def test_a_file_renamed_to_that_of_another_machine_is_not_used(tmp_path, memory):
    choose("wav2lip", memory, SLOW)
    other = NumberFormatMemory(tmp_path / "formats", ZEN4 | {"threads": 8})
    memory._path("wav2lip").rename(other._path("wav2lip"))

    assert other.read("wav2lip") is None


def test_each_model_has_its_own_choice(memory):
    choose("wav2lip", memory, SLOW)

    assert choose("musetalk", memory, FAST) == torch.bfloat16


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"null", b"{}", b"[" * 100_000])
def test_a_damaged_file_is_logged_and_replaced(memory, content):
    choose("wav2lip", memory, SLOW)
    memory._path("wav2lip").write_bytes(content)

    with capture_logs() as logs:
        assert choose("wav2lip", memory, FAST) == torch.bfloat16

    assert logs[0]["event"] == "remembered number format unreadable"
    assert choose("wav2lip", memory, unread()) == torch.bfloat16


def test_an_unknown_format_in_a_file_is_ignored(memory):
    choose("wav2lip", memory, SLOW)
    path = memory._path("wav2lip")
    path.write_text(path.read_text().replace("float32", "float8"))

    assert choose("wav2lip", memory, FAST) == torch.bfloat16


def test_a_folder_that_cannot_be_written_is_only_logged(tmp_path):
    (tmp_path / "file").touch()
    memory = NumberFormatMemory(tmp_path / "file" / "formats", ZEN4)

    with capture_logs() as logs:
        assert choose("wav2lip", memory, FAST) == torch.bfloat16

    assert "number format not remembered" in [entry["event"] for entry in logs]


def test_no_partial_file_is_left(tmp_path, memory):
    choose("wav2lip", memory, FAST)

    assert [path.suffix for path in (tmp_path / "formats").iterdir()] == [".json"]


@pytest.mark.parametrize(
    ("capabilities", "has"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({}, False),
    ],
)
def test_the_instructions_of_the_cpu_decide_first(capabilities, has):
    assert has_bfloat16_instructions(capabilities) == has


def test_a_cpu_without_instructions_is_not_measured(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(number_format, "trials", unread)

    assert select_cpu_dtype("wav2lip") == torch.float32


def test_trials_time_both_formats():
    first = next(trials())

    assert min(first) > 0


def test_the_machine_is_described_the_same_way_each_time():
    assert describe_machine() == describe_machine()
    assert describe_machine()["torch"] == str(torch.__version__)
