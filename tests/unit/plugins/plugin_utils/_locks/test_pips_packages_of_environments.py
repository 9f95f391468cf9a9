# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write in the pip section of an environment.yml, from the file to the packages or the error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file, locking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve

from ..package_site import Site

Solve = Callable[[str], dict[str, Package]]

CHANNEL = [
    ("python", "3.11.2", "linux-64", ()),
    ("python", "3.10.1", "linux-64", ()),
    ("pip", "26.3", "noarch", ("python >=3.9",)),
    ("jsonschema", "4.23.0", "noarch", ("python >=3.9",)),
    ("numpy", "1.26.4", "linux-64", ("python >=3.9",)),
]
BROUGHT = {"jsonschema": "jsonschema", "numpy": "numpy"}
METADATA = """\
Provides-Extra: format-nongpl
Requires-Dist: rpds-py
Requires-Dist: webcolors>=24; extra == "format-nongpl"
"""


@pytest.fixture
def solve(tmp_path: Path, make_channel: Callable[..., str], make_wheel: Callable[..., Path], site: Site) -> Solve:
    """Return a function that solves the text of an environment.yml."""
    channel = make_channel(CHANNEL, BROUGHT, metadata={"jsonschema": METADATA})
    own, cuda = tmp_path / "own", tmp_path / "cuda"
    for name, version, needs in (
        ("hydra_core", "1.3.2", ["omegaconf<2.4,>=2.2", "antlr4-python3-runtime==4.9.*"]),
        ("hydra_core", "0.11.3", ["omegaconf<1.5,>=1.4"]),
        ("omegaconf", "2.3.0", ["antlr4-python3-runtime==4.9.*"]),
        ("omegaconf", "1.4.1", []),
        ("antlr4_python3_runtime", "4.13.2", []),
        ("deepspeed", "0.3.1.dev5", []),
        ("jupyter_events", "0.12.0", ["jsonschema[format-nongpl]>=4.18.0"]),
        ("webcolors", "24.11.1", []),
        ("numpy", "1.24.0", []),
        ("torch", "2.4.0", []),
    ):
        make_wheel(own, name, version, needs)
    for source in ("antlr4_python3_runtime-4.9.3", "deepspeed-0.19.1"):
        (own / f"{source}.tar.gz").touch()
    make_wheel(cuda, "torch", "2.4.0+cu121")
    site.index("whl/cu121", cuda)
    mirrors = mirrors_from(
        {
            "https://conda.anaconda.org/conda-forge": channel,
            "https://wheels.example/whl/cu121": f"{site.url}/whl/cu121/simple",
            "https://wheels.example/files": f"{site.url}/whl/cu121/files",
        }
    )
    index = site.index("own", own)

    def solved(text: str) -> dict[str, Package]:
        path = tmp_path / "environment.yml"
        path.write_text(text)
        nodes = {"linux-64": {"__glibc": "2.28"}}
        (problem,) = locking.problems(environment_file.read(path), nodes, mirrors, index, None, None)
        return {package.name: package for package in resolve(problem) if package.manager == PIP}

    return solved


def test_releases_of_which_there_is_only_the_source(solve: Solve) -> None:
    with pytest.raises(EvenkeelError) as error:
        solve(
            """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip:
      - hydra-core
      - deepspeed
"""
        )
    assert str(error.value) == (
        "The index has only the source of antlr4-python3-runtime 4.9.3, deepspeed 0.19.1. With wheels alone "
        "deepspeed 0.3.1.dev5 would be taken instead of 0.19.1, hydra-core 0.11.3 would be taken instead of 1.3.2, "
        "omegaconf 1.4.1 would be taken instead of 2.3.0. Where you trust them, lock with "
        "lock_build: [antlr4-python3-runtime, deepspeed], which has wheels built once; or ask for the older ones in "
        "the environment's pip section: deepspeed==0.3.1.dev5 hydra-core==0.11.3 omegaconf==1.4.1."
    )


def test_an_extra_of_a_package_of_conda(solve: Solve) -> None:
    found = solve(
        """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - jsonschema
  - pip:
      - jupyter-events
"""
    )
    assert list(found) == ["jupyter-events", "webcolors"]


def test_an_index_of_its_own(solve: Solve) -> None:
    found = solve(
        """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip:
      - --extra-index-url https://wheels.example/whl/cu121
      - torch==2.4.0+cu121
"""
    )
    assert (found["torch"].version, found["torch"].index) == ("2.4.0+cu121", "https://wheels.example/whl/cu121")
    assert found["torch"].url.startswith("https://wheels.example/files/torch-2.4.0")


def test_a_conflict_with_conda(solve: Solve) -> None:
    with pytest.raises(EvenkeelError, match=r"^conda brings numpy 1\.26\.4, pip asks for numpy==1\.24\.0\. "):
        solve(
            """\
channels: [conda-forge]
dependencies:
  - python=3.10
  - numpy=1.26.4
  - pip:
      - numpy==1.24.0
"""
        )
