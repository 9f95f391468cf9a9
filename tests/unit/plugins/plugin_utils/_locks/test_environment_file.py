# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile, read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import DEFAULTS

WHOLE = """\
name: ai-dev
prefix: /home/me/envs/ai-dev
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11
  - numpy  # numbers
  - python=3.11
  - pip:
      - humanize >= 4
      - humanize>=4
variables:
  OMP_NUM_THREADS: "8"
"""
ENVIRONMENTS = sorted((Path(__file__).parents[5] / "environments").glob("*/environment.yml"))


def written(directory: Path, text: str) -> Path:
    path = directory / "environment.yml"
    path.write_text(text)
    return path


def test_all_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    assert read(path) == EnvironmentFile(
        path=path,
        channels=("https://conda.anaconda.org/conda-forge",),
        packages=("python=3.11", "numpy"),
        pip=("humanize>=4",),
        variables={"OMP_NUM_THREADS": "8"},
    )


def test_little_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "channels: [defaults]\ndependencies: [python]\n")
    assert read(path) == EnvironmentFile(path, DEFAULTS, ("python",))


def test_the_request_does_not_depend_on_the_order_of_packages(tmp_path: Path) -> None:
    one = read(written(tmp_path, "channels: [b, a]\ndependencies: [z, y, pip: [d, c]]\n")).request
    other = read(written(tmp_path, "channels: [b, a]\ndependencies: [pip: [c, d], y, z]\n")).request
    assert one == other
    assert [url.rpartition("/")[2] for url in one["channels"]] == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{path} does not hold keys and values"),
        ("- python\n", "{path} does not hold keys and values"),
        ("dependencies: [python\n", "{path}, line 2: "),
        ("a: 1\nb: c: d\n", "{path}, line 2: mapping values are not allowed"),
        (
            "channels: [a]\ndependencies: [b]\nchannels: [c]\n",
            "{path}, line 3: the mapping has the key 'channels' twice",
        ),
        ("channel: [a]\n", "{path}: the key 'channel' is unknown. Known: name, channels, dependencies"),
        ("name: 3\n", "{path}: name is 3, which is not text"),
        ("channels: conda-forge\n", "{path}: channels is 'conda-forge', which is not a list"),
        ("channels: [1.5]\n", "{path}: channels holds 1.5, which is not text"),
        ("channels:\n", "{path}: channels is empty, which is not a list"),
        ("channels: [a]\n", "{path}: dependencies names no package of conda"),
        ("channels: [a]\ndependencies: python\n", "{path}: dependencies is 'python', which is not a list"),
        ("channels: [a]\ndependencies: [3.11]\n", "{path}: dependencies holds 3.11, which is not text"),
        ("channels: [a]\ndependencies: ['']\n", "{path}: dependencies holds '', which is not text"),
        ("channels: [a]\ndependencies: [npm: [b]]\n", "{path}: dependencies holds {{'npm': ['b']}}"),
        ("channels: [a]\ndependencies: [b, pip: [c], pip: [d]]\n", "{path}: dependencies has 2 sections pip"),
        ("channels: [a]\ndependencies: [b, pip: c]\n", "{path}: dependencies.pip is 'c', which is not a list"),
        (
            "channels: [a]\ndependencies: [b, pip: ['-e .']]\n",
            "{path}: dependencies.pip: '-e .' is an editable project",
        ),
        (
            "channels: [a]\ndependencies: [b, pip: [c]]\nvariables: [d]\n",
            "{path}: variables is ['d'], which is not keys",
        ),
        ("channels: [a]\ndependencies: [b]\nvariables: {c: 1}\n", "{path}: variables.c is 1, which is not text"),
        ("channels: [a]\ndependencies: [b]\nvariables: {c: yes}\n", "{path}: variables.c is True, which is not text"),
        (
            "channels: [a]\ndependencies: [b]\nvariables: {1: d}\n",
            "{path}: variables holds 1, which is not the name of",
        ),
        ("channels: [nodefaults]\ndependencies: [b]\n", "{path}: channels names no channel"),
        ("dependencies: [b]\n", "{path}: channels names no channel"),
    ],
)
def test_mistakes_are_told_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(EvenkeelError) as error:
        read(path)
    assert str(error.value).startswith(message.format(path=path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="could not be read: No such file"):
        read(tmp_path / "environment.yml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_bytes(b"name: \xff\n")
    with pytest.raises(EvenkeelError, match="is not text in UTF-8"):
        read(tmp_path / "environment.yml")


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=[path.parent.name for path in ENVIRONMENTS])
def test_the_environments_of_the_repository_are_sound(path: Path) -> None:
    environment = read(path)
    assert {"ipykernel", "jupyterlab"} & set(environment.packages)
    assert any(package.startswith("python=") for package in environment.packages)
