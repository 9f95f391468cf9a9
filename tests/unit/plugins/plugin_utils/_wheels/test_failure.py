# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.failure import lacked, last_lines

CUDA = "it needs the CUDA toolkit (nvcc) on the control node, below /usr/local/cuda"
TORCH = "it imports torch while it is built, and does not name it among its build requirements"


@pytest.mark.parametrize(
    ("output", "meaning"),
    [
        # PyTorch's torch.utils.cpp_extension
        ("OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.", CUDA),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'", CUDA),
        ("/bin/sh: 1: nvcc: not found", CUDA),
        # CMake
        ("  No CMAKE_CUDA_COMPILER could be found.", CUDA),
        ("CMake Error: Could NOT find CUDA (missing: CUDA_NVCC_EXECUTABLE)", CUDA),
        ("  File \"setup.py\", line 8\n    import torch\nModuleNotFoundError: No module named 'torch'", TORCH),
        ("ModuleNotFoundError: No module named 'torch.utils'", TORCH),
        ("importlib.metadata.PackageNotFoundError: No package metadata was found for torch", TORCH),
        (
            "ModuleNotFoundError: No module named 'torchvision'",
            TORCH.replace("torch", "torchvision", 1),
        ),
        (
            "ModuleNotFoundError: No module named 'numpy'",
            "it imports numpy while it is built, and does not name it among its build requirements",
        ),
        (
            "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
            "it asks the network, which a build does not have",
        ),
        (
            "fatal: unable to access 'https://x/': Could not resolve host: x",
            "it asks the network, which a build does not have",
        ),
        (
            "a.c:1:10: fatal error: libpq-fe.h: No such file or directory",
            "it needs the header libpq-fe.h on the control node",
        ),
        (
            "/usr/bin/ld: cannot find -lcublas: No such file or directory",
            "it needs the library cublas on the control node",
        ),
        (
            "error: command 'gcc' failed: No such file or directory",
            "it needs a C compiler on the control node, gcc",
        ),
        (
            "error: [Errno 2] No such file or directory: 'x86_64-conda-linux-gnu-cc'",
            "it needs a C compiler on the control node, x86_64-conda-linux-gnu-cc",
        ),
        (
            "../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]",
            "it needs a C compiler on the control node, cc",
        ),
        ("error: can't find Rust compiler", "it needs the Rust compiler (cargo, rustc) on the control node"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cmake'", "it needs the program cmake"),
        ("OSError: [Errno 28] No space left on device", "there is no space left"),
        ("virtual memory exhausted: Cannot allocate memory", "there is not enough memory"),
        ("SyntaxError: invalid syntax", ""),
    ],
)
def test_what_a_build_lacked(output: str, meaning: str) -> None:
    assert lacked(f"running build_ext\n{output}\nand more\n", "the control node") == meaning


def test_the_last_lines_are_those_that_say_something() -> None:
    assert last_lines("one\n\n    two  \n   ^^^^\nthree\n", 2) == "    two\nthree"
