"""Which GPUs `--gpus` means."""

from __future__ import annotations

import pytest

from workers.gpus import devices as module
from workers.gpus.devices import (
    NoSuchDevices,
    ask_driver,
    check_group,
    group_devices,
    list_devices,
    parse_devices,
)

TWO = """\
GPU 0: NVIDIA H200 (UUID: GPU-8d1fe6c2-77aa-41a6-b4a5-0a5a7ccd3a10)
GPU 1: NVIDIA H200 (UUID: GPU-22ffe6c2-77aa-41a6-b4a5-0a5a7ccd3a11)
"""
SPLIT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-8d1fe6c2-77aa-41a6-b4a5-0a5a7ccd3a10)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22ffe6c2-77aa-41a6-b4a5-0a5a7ccd3a11)
"""


def parse(text, visible=None, listed=TWO):
    return parse_devices(text, visible, lambda: listed)


@pytest.mark.parametrize(
    ("text", "visible", "found"),
    [
        ("all", None, ("0", "1")),
        ("1", None, ("0",)),
        ("2", None, ("0", "1")),
        ("all", "3,5,7", ("3", "5", "7")),
        ("2", "3,5,7", ("3", "5")),
        ("2,0", None, ("2", "0")),
        ("0,", None, ("0",)),
        ("GPU-8d1fe6c2-77aa,MIG-c7384736-a75d", None, ("GPU-8d1fe6c2-77aa", "MIG-c7384736-a75d")),
    ],
)
def test_gpus_are_all_the_first_or_those_of_a_list(text, visible, found):
    assert parse(text, visible) == found


def test_a_list_is_not_checked_against_the_driver():
    def fail():
        raise AssertionError("it was asked")

    assert parse_devices("0,1", None, fail) == ("0", "1")
    assert parse_devices("all", "4", fail) == ("4",)


def test_a_split_gpu_counts_as_its_parts():
    assert list_devices(SPLIT) == [
        "MIG-c7384736-a75d-5afc-978f-d2f1294409fd",
        "MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d",
        "1",
    ]


@pytest.mark.parametrize(
    ("text", "visible", "words"),
    [
        ("3", None, "3 GPUs are asked for, but 2 were found"),
        ("0", None, "0,"),
        ("-1", None, "a list such as 0,1"),
        ("many", None, "a list such as 0,1"),
        ("0,0", None, "twice"),
        ("0,x y", None, "'x y'"),
        ("all", "", "hides all"),
        ("all", "-1", "'-1'"),
        ("²", None, "a list such as 0,1"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(text, visible, words):
    with pytest.raises(NoSuchDevices) as refused:
        parse(text, visible)

    assert words in str(refused.value)


def test_a_machine_without_gpus_is_refused():
    with pytest.raises(NoSuchDevices, match="0 were found"):
        parse("all", listed="No devices found.\n")


def test_without_the_driver_s_tool_it_says_how_to_name_the_gpus(monkeypatch):
    monkeypatch.setattr(module, "TOOL", ("/nowhere/nvidia-smi", "-L"))
    with pytest.raises(NoSuchDevices, match="--gpus 0,1"):
        ask_driver()

    monkeypatch.setattr(module, "TOOL", ("sh", "-c", "echo no driver; exit 9"))
    with pytest.raises(NoSuchDevices, match="no driver"):
        ask_driver()


@pytest.mark.parametrize(
    ("devices", "size", "groups"),
    [
        (("0", "1", "2", "3"), 2, ("0,1", "2,3")),
        (("0", "1", "2", "3"), 4, ("0,1,2,3",)),
        (("5", "3"), 1, ("5", "3")),
        (("GPU-8d1f", "GPU-22ff"), 2, ("GPU-8d1f,GPU-22ff",)),
        (("MIG-c738", "MIG-a28a"), 1, ("MIG-c738", "MIG-a28a")),
    ],
)
def test_gpus_are_grouped_in_order(devices, size, groups):
    assert group_devices(devices, size) == groups


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (("0", "1", "2"), "3 GPUs cannot be divided among workers of 2"),
        (("0", "MIG-c738"), "MIG"),
    ],
)
def test_gpus_that_form_no_groups_are_refused(devices, words):
    with pytest.raises(NoSuchDevices, match=words):
        group_devices(devices, 2)


@pytest.mark.parametrize("visible", [None, "0,1", "GPU-8d1f,GPU-22ff", "", "-1"])
def test_a_worker_of_two_gpus_sees_two_or_runs_on_the_cpu(visible):
    check_group(visible, 2, lambda: TWO)


@pytest.mark.parametrize(
    ("visible", "size", "words"),
    [
        (None, 4, "KINOMILL_GPUS_PER_WORKER is 4, but this worker sees 2 GPUs"),
        ("0,1,2", 2, "sees 3 GPUs"),
        ("MIG-c738,MIG-a28a", 2, "MIG"),
    ],
)
def test_a_worker_that_sees_other_gpus_is_refused(visible, size, words):
    with pytest.raises(NoSuchDevices, match=words):
        check_group(visible, size, lambda: TWO)


def test_without_a_driver_there_is_no_gpu_to_count(monkeypatch):
    monkeypatch.setattr(module, "TOOL", ("/nowhere/nvidia-smi", "-L"))

    check_group(None, 2, ask_driver)
