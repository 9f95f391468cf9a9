# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve

NODE = (("__glibc", "2.36"),)
PYTHON = ("python", "3.11.2", "linux-64", ())
PIP = ("pip", "26.3", "noarch", ("python >=3.9",))
PYTORCH = ("pytorch", "2.0", "linux-64", ("python >=3.11",))


def test_pips_packages_come_around_condas(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], index: Callable[[], str], tmp_path: Path
) -> None:
    channel = make_channel([PYTHON, PIP, PYTORCH], {"pytorch": "torch"}, folder=tmp_path / "main")
    make_wheel(tmp_path / "wheels", "lightning", "1.0", ["torch>=2"])
    make_wheel(tmp_path / "wheels", "torch", "3.0")
    mirrors = mirrors_from(
        {
            "https://channel.example/main": channel,
            "https://index.example": index(),
            "https://files.example": (tmp_path / "wheels").as_uri(),
        }
    )
    problem = Problem(
        ("python=3.11", "pytorch"),
        ("https://channel.example/main",),
        "linux-64",
        NODE,
        pip=("lightning", "torch"),
        mirrors=mirrors,
        pip_index="https://index.example",
    )
    assert [(package.manager, package.name, package.url) for package in resolve(problem)] == [
        ("conda", "pip", "https://channel.example/main/noarch/pip-26.3-0.conda"),
        ("conda", "python", "https://channel.example/main/linux-64/python-3.11.2-0.conda"),
        ("conda", "pytorch", "https://channel.example/main/linux-64/pytorch-2.0-0.conda"),
        ("pip", "lightning", "https://files.example/lightning-1.0-py3-none-any.whl"),
    ]


def test_pip_without_python_is_told(make_channel: Callable[..., str]) -> None:
    channel = make_channel([("zlib", "1.0", "linux-64", ())])
    with pytest.raises(EvenkeelError, match=r"^pip's humanize need Python, and none of conda's packages is it"):
        resolve(Problem(("zlib",), (channel,), "linux-64", NODE, pip=("humanize",)))
