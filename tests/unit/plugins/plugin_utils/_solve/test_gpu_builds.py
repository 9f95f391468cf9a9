# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.gpu_builds import (
    asks_for_gpu,
    cpu_builds,
    gpu_builds,
    too_new,
)


def conda(name: str, build: str = "0", *depends: str, version: str = "1.0") -> Package:
    return Package(name, version, build, "1a" * 32, CONDA, depends=depends)


def pip(name: str, version: str = "1.0") -> Package:
    return Package(name, version, "", "1a" * 32, PIP)


@pytest.mark.parametrize(
    ("packages", "names"),
    [
        ([conda("pytorch", "cuda126_generic_py311_h1234567_200")], ["pytorch"]),
        ([conda("pytorch", "py3.11_cuda12.1_cudnn8.9.2_0")], ["pytorch"]),
        ([conda("tensorflow-base", "gpu_py311h65739b5_0")], ["tensorflow-base"]),
        ([conda("pytorch", "cpu_generic_py311_h1234567_0")], []),
        ([conda("pytorch", "py3.11_cpu_0")], []),
        ([conda("faiss", "0", "python", "__cuda >=12")], ["faiss"]),
        ([conda("cupy-core", "py311_0", "cuda-version >=12,<13")], ["cupy-core"]),
        ([conda("ucx", "h123_0", "cuda-cudart_linux-64 12.*")], ["ucx"]),
        ([conda("dgl", "py311_0", "defaults::cudatoolkit 11.8.*")], ["dgl"]),
        ([conda("cuda-cudart", "0", "cuda-version 12.6"), conda("cudnn", "0", "__cuda"), conda("libcurl")], []),
        ([conda("python", "hc5c86c4_0_cpython", "__glibc >=2.17")], []),
        ([pip("torch", "2.4.0+cu121")], ["torch"]),
        ([pip("torch", "2.4.0+cpu"), pip("nvidia-cublas-cu12")], []),
        ([pip("torch", "2.4.0")], []),
        ([pip("torch", "2.4.0"), pip("nvidia-cublas-cu12")], ["torch"]),
        ([pip("jaxlib"), pip("nvidia-cublas-cu12")], []),
        ([pip("jaxlib"), pip("jax-cuda12-plugin")], ["jax-cuda12-plugin", "jaxlib"]),
        ([pip("numpy"), pip("nvidia-cublas-cu12")], []),
        (
            [pip("cupy-cuda12x"), pip("cudf-cu12"), pip("onnxruntime-gpu")],
            ["cudf-cu12", "cupy-cuda12x", "onnxruntime-gpu"],
        ),
        ([conda("pytorch-gpu")], ["pytorch-gpu"]),
        ([pip("torch", "2.4.0"), conda("nvidia-ml-py")], []),
    ],
    ids=lambda value: " ".join(one.stem for one in value if isinstance(one, Package)) or None,
)
def test_builds_for_gpus_are_known(packages: list[Package], names: list[str]) -> None:
    assert [package.name for package in gpu_builds(packages)] == names


@pytest.mark.parametrize(
    ("name", "build", "asks"),
    [
        ("pytorch", "", False),
        ("pytorch", "cuda*", True),
        ("pytorch", "*cuda*", True),
        ("tensorflow", "gpu_*", True),
        ("pytorch", "cpu*", False),
        ("cuda-version", "", True),
        ("cuda-nvcc", "", True),
        ("cudatoolkit", "", True),
        ("pytorch-cuda", "", True),
        ("pytorch-gpu", "", True),
        ("numpy", "py311*", False),
    ],
)
def test_what_asks_for_gpus_is_known(name: str, build: str, asks: bool) -> None:
    assert asks_for_gpu(name, build) is asks


@pytest.mark.parametrize(
    ("packages", "asked", "words"),
    [
        ([conda("pytorch", "cpu_py311_0")], ["pytorch"], ("pytorch 1.0", "(cpu_py311_0)", "pytorch=*=*cuda*")),
        ([conda("pytorch", "cpu_py311_0")], [], ("pytorch=*=*cuda*; for CPUs for pytorch=*=*cpu*",)),
        ([conda("pytorch", "cpu_py311_0")], ["conda-forge::pytorch=*=cpu*"], ()),
        ([conda("pytorch", "cpu_py311_0")], ["pytorch-cpu"], ()),
        ([conda("pytorch", "cpu_py311_0")], ["tensorflow-cpu"], ("pytorch 1.0",)),
        ([conda("pytorch", "cpu_py311_0")], ["pytorch=2.4=*cpu*"], ()),
        ([conda("pytorch", "py3.11_cpu_0")], ["pytorch", "pytorch::cpuonly"], ()),
        ([conda("tensorflow", "cpu_py311_0")], ["tensorflow", "cpuonly"], ("tensorflow 1.0",)),
        ([replace(pip("torch", "2.4.0+cpu"), index="https://wheels.example/whl/cpu")], ["torch"], ()),
        ([conda("pytorch", "cuda126_py311_0")], ["pytorch"], ()),
        ([conda("numpy", "py311_0")], ["numpy"], ()),
        ([pip("torch", "2.4.0+cpu")], ["torch"], ("torch 2.4.0+cpu", "+cu126", "torch==VERSION+cpu")),
        ([pip("torch", "2.4.0+cpu")], ["torch==2.4.0+cpu"], ()),
        ([pip("tensorflow", "2.20.0")], ["tensorflow"], ("tensorflow 2.20.0", "tensorflow[and-cuda]")),
        ([pip("jaxlib")], ["jax[cpu]"], ()),
        ([pip("tensorflow", "2.20.0"), pip("nvidia-nccl-cu12")], ["tensorflow[and-cuda]"], ()),
    ],
)
def test_a_framework_without_gpus_is_named(packages: list[Package], asked: list[str], words: tuple[str, ...]) -> None:
    found = cpu_builds(packages, asked)
    assert len(found) == bool(words)
    assert all(word in " ".join(found) for word in words)


@pytest.mark.parametrize(
    ("packages", "cuda", "words"),
    [
        ([pip("torch", "2.15.0"), pip("nvidia-cublas-cu13")], "12.4", ("CUDA 13", "CUDA 12.4", "nvidia-cublas-cu13")),
        ([pip("torch", "2.15.0"), pip("cuda-toolkit", "13.2.2")], "12.4", ("cuda-toolkit 13.2.2", "+cu12")),
        ([pip("torch", "2.4.0+cu121")], "11.8", ("torch 2.4.0+cu121", "+cu11")),
        ([pip("torch", "2.4.0+cu121")], "12.0", ()),
        ([pip("cupy-cuda12x")], "11.8", ("cupy-cuda12x",)),
        ([pip(f"nvidia-{name}-cu13") for name in "abcde"], "12.4", ("nvidia-c-cu13 1.0 and 2 more",)),
        ([pip("nvidia-cublas-cu12"), pip("numpy", "13.0"), conda("cuda-toolkit", "0")], "12.4", ()),
    ],
)
def test_wheels_for_a_later_cuda_are_named(packages: list[Package], cuda: str, words: tuple[str, ...]) -> None:
    found = too_new(packages, cuda)
    assert len(found) == bool(words)
    assert all(word in " ".join(found) for word in words)
