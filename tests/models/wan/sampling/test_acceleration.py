"""The attention backend depends on the GPU and on the installed packages."""

from __future__ import annotations

import pytest

from models.wan.sampling.acceleration import attention_backend

ALL = {"flash_attn_interface", "flash_attn", "sageattention"}


@pytest.mark.parametrize(
    ("capability", "packages", "name"),
    [
        (None, ALL, "native"),
        ((9, 0), set(), "native"),
        ((9, 0), ALL, "_flash_3"),
        ((9, 0), {"sageattention"}, "sage"),
        ((8, 6), ALL, "flash"),
        ((12, 0), {"flash_attn_interface", "sageattention"}, "sage"),
        ((7, 5), ALL, "native"),
    ],
)
def test_the_best_available_backend_is_chosen(capability, packages, name):
    assert attention_backend(capability, packages.__contains__) == name


@pytest.mark.parametrize(
    ("packages", "name"), [(ALL, "sage"), ({"flash_attn_interface"}, "native")]
)
def test_flash_3_is_not_used_by_gpus_that_share_a_job(packages, name):
    packages = packages - {"flash_attn"}

    assert attention_backend((9, 0), packages.__contains__, parallel=True) == name
