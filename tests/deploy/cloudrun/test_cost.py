"""`deploy/cloudrun/cost.py`: the formulas, with prices of the test."""

from __future__ import annotations

import importlib.util
import re

import pytest
import yaml

from tests.deploy.cloudrun.conftest import ROOT, SCRIPTS

PRICES = """
read = "never"
[run]
vcpu_second = 0.01
gib_second = 0.001
[gpu_second]
l4 = 0.1
[month]
database = 50
"""


@pytest.fixture(scope="module")
def cost():
    spec = importlib.util.spec_from_file_location("cloudrun_cost", SCRIPTS / "cost.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def figures(cost, tmp_path, capsys):
    def run(*arguments):
        file = tmp_path / "prices.toml"
        file.write_text(PRICES)
        assert cost.main(["--prices", str(file), *arguments]) == 0
        printed = capsys.readouterr().out
        return dict(
            re.findall(r"^  (.+?)\s{2,}([\d.]+|not known)$", printed, re.MULTILINE)
        ), printed

    return run


def test_a_pool_costs_its_gpu_its_processors_and_its_memory(figures):
    found, _ = figures()

    # 0.1 + 8 x 0.01 + 32 x 0.001 = 0.212 a second
    assert found["an hour"] == "763.20"
    assert found["a month, always on"] == "557136.00"


def test_scale_to_zero_pays_for_each_burst_its_start_and_its_end(figures):
    found, _ = figures(
        *("--busy-hours", "1", "--bursts", "2", "--cold-seconds", "100", "--idle-seconds", "800")
    )

    # 3600 + 2 x 900 = 5400 s
    assert found["a month, scale to zero (1.5 h billed)"] == "1144.80"


def test_a_minute_of_video_pays_for_the_time_that_is_billed_without_work(figures):
    found, _ = figures(
        *("--busy-hours", "1", "--bursts", "2", "--cold-seconds", "100", "--idle-seconds", "800"),
        *("--render", "3"),
    )

    assert found["a minute of video, while busy"] == "38.16"
    assert found["a minute of video, scale to zero"] == "57.24"


def test_a_price_that_is_not_known_is_asked_for(figures):
    found, printed = figures()

    assert (found["database"], found["broker"]) == ("50.00", "not known")
    assert "write gpu_second.rtx-pro-6000 into the file of prices" in printed


def test_the_sizes_are_those_of_the_files(cost):
    for pool, (vcpus, gib) in cost.SIZES.items():
        document = yaml.safe_load((SCRIPTS / f"worker-{pool}.yaml").read_text())
        (worker,) = document["spec"]["template"]["spec"]["containers"]

        limits = worker["resources"]["limits"]
        assert (limits["cpu"], limits["memory"]) == (str(vcpus), f"{gib}Gi")


def test_the_prices_of_the_repository_say_when_they_were_read(cost, capsys):
    assert cost.main([]) == 0
    assert re.match(r"Prices: 20\d\d-\d\d, ", capsys.readouterr().out)


def test_the_figures_of_the_page_are_those_of_the_program(cost, capsys):
    page = (ROOT / "docs" / "cloud-run.md").read_text()
    cost.main([])
    printed = capsys.readouterr().out

    def figure(name):
        return float(re.search(rf"^  {re.escape(name)}\s.*?([\d.]+)$", printed, re.MULTILINE)[1])

    assert f"(${figure('an hour'):.2f} an hour)" in page
    assert f"| ${figure('a month, always on'):,.0f} |" in page
    assert f"| ${figure('a month, scale to zero'):.0f} for 60 busy hours in 200 bursts |" in page
    busy = figure("a minute of video, while busy")
    share = figure("a minute of video, scale to zero")
    assert f"| ${busy:.2f} while busy, ${share:.2f} with scale to zero |" in page
    for name in ("maintenance", "metrics", "autoscaler"):
        assert re.search(rf"^\| (each )?{name} \|.*\| \${figure(name):.0f} \|$", page, re.MULTILINE)
