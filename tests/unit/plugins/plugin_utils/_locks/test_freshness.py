# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock, content_hash, earlier_hashes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile, read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.freshness import require_fresh, unmet

CHANNEL = "https://channel.example/main"
PYTHON = Package("python", "3.11.2", "0_cpython", "1a" * 32, url=f"{CHANNEL}/linux-64/python-3.11.2-0_cpython.conda")
NUMPY = Package("numpy", "2.1.0", "py311_3", "2b" * 32, url=f"{CHANNEL}/linux-64/numpy-2.1.0-py311_3.conda")
HUMANIZE = Package(
    "humanize", "4.11.0", "", "3c" * 32, "pip", url="https://files.example/humanize-4.11.0-py3-none-any.whl"
)
PACKAGES = (PYTHON, NUMPY, HUMANIZE)
NODE = {"__glibc": "2.36"}


@pytest.fixture
def environment(tmp_path: Path) -> EnvironmentFile:
    path = tmp_path / "environment.yml"
    path.write_text(f"channels: [{CHANNEL}]\ndependencies: [python=3.11, pip: [humanize>=4]]\n")
    return read(path)


def lock_of(environment: EnvironmentFile) -> Lock:
    return Lock(
        channels=environment.channels,
        sources=("environment.yml",),
        packages={"linux-64": PACKAGES},
        content_hash={"linux-64": content_hash(environment, "linux-64", NODE)},
        virtual_packages={"linux-64": NODE},
    )


def refused(environment: EnvironmentFile, lock: Lock, message: str) -> None:
    path = environment.path.with_name("conda-lock.yml")
    with pytest.raises(EvenkeelError, match=f"^{path} is older than {environment.path}: .*{message}"):
        require_fresh(environment, lock, path, "linux-64")


def test_our_lock_is_fresh_until_something_else_is_asked(environment: EnvironmentFile) -> None:
    lock = lock_of(environment)
    require_fresh(environment, lock, Path("conda-lock.yml"), "linux-64")
    refused(replace(environment, packages=("python=3.11", "numpy")), lock, "it asks for something else now")


def asking(environment: EnvironmentFile, text: str) -> EnvironmentFile:
    environment.path.write_text(text)
    return read(environment.path)


SPELLED = [
    "channels: [{channel}/]\ndependencies:\n- pip:\n  - 'Humanize >= 4'\n- \"python =3.11\"\n",
    "name: other\nchannels:\n- {channel}\ndependencies:\n- Python=3.11  # the newest\n- pip:\n  - humanize>=4\n",
    "channels: [{channel}]\ndependencies: [python 3.11.*, pip: [humanize>=4]]\n",
    "channels: [{channel}]\ndependencies: ['python[version=3.11.*]', pip: [humanize>=4]]\n",
    "channels: [{channel}]\ndependencies: [python=3.11, pip: ['-r more.txt']]\n",
]


@pytest.mark.parametrize("text", SPELLED)
def test_another_spelling_of_the_same_is_not_stale(environment: EnvironmentFile, text: str) -> None:
    lock = lock_of(environment)
    environment.path.with_name("more.txt").write_text("humanize >= 4  # words\n")
    require_fresh(asking(environment, text.format(channel=CHANNEL)), lock, Path("conda-lock.yml"), "linux-64")


def test_a_lock_of_an_earlier_version_is_fresh_as_long_as_the_spelling_stays(environment: EnvironmentFile) -> None:
    text = f"channels: [{CHANNEL}]\ndependencies: [python =3.11.*, pip: [Humanize>=4]]\n"
    spelled = asking(environment, text)
    lock = lock_of(spelled)
    for earlier in earlier_hashes(spelled, "linux-64", NODE):
        assert earlier != lock.content_hash["linux-64"]
        require_fresh(spelled, replace(lock, content_hash={"linux-64": earlier}), Path("conda-lock.yml"), "linux-64")


def test_the_hash_of_what_was_spelled_plainly_is_that_of_earlier_versions(environment: EnvironmentFile) -> None:
    hashes = {content_hash(environment, "linux-64", NODE), *earlier_hashes(environment, "linux-64", NODE)}
    assert hashes == {"c6eaeb4a0905595ecc48225b87a03573e1c3c59307bf942640c3f56bfbd26fcc"}


def test_a_file_of_requirements_counts(environment: EnvironmentFile) -> None:
    requirements = environment.path.with_name("requirements.txt")
    requirements.write_text("humanize>=4\n")
    text = f"channels: [{CHANNEL}]\ndependencies:\n- python=3.11\n- pywin32  # [win]\n- pip: [-r requirements.txt]\n"
    ours = lock_of(asking(environment, text))
    known = hashlib.sha256(environment.path.read_bytes()).hexdigest()
    foreign = replace(ours, virtual_packages=None, inputs={"environment.yml": known})
    for lock in (ours, foreign):
        require_fresh(read(environment.path), lock, Path("conda-lock.yml"), "linux-64")
    requirements.write_text("humanize>=5\n")
    refused(read(environment.path), ours, "it asks for something else now")
    refused(read(environment.path), foreign, "it asks for humanize>=5, and the lock has humanize 4.11.0")


def test_what_another_platform_needs_need_not_be_there(environment: EnvironmentFile) -> None:
    text = f"channels: [{CHANNEL}]\ndependencies:\n- python=3.11\n- pywin32  # [win]\n- sel(osx): appnope\n"
    lock = replace(lock_of(environment), virtual_packages=None)
    require_fresh(asking(environment, text), lock, Path("conda-lock.yml"), "linux-64")


def test_a_file_for_conda_lock_is_fresh_beside_its_lock(environment: EnvironmentFile) -> None:
    text = f"channels: [{CHANNEL}]\nplatforms: [linux-64, osx-arm64]\ncategory: main\ndependencies:\n  - python=3.11\n"
    asked = asking(environment, text)
    known = hashlib.sha256(environment.path.read_bytes()).hexdigest()
    lock = replace(lock_of(asked), virtual_packages=None, inputs={"environment.yml": known})
    require_fresh(asked, lock, Path("conda-lock.yml"), "linux-64")
    require_fresh(asked, replace(lock, inputs={}), Path("conda-lock.yml"), "linux-64")


def test_a_lock_that_knows_its_inputs_hash_is_fresh_until_a_byte_changes(environment: EnvironmentFile) -> None:
    known = hashlib.sha256(environment.path.read_bytes()).hexdigest()
    lock = replace(lock_of(environment), virtual_packages=None, inputs={"environment.yml": known})
    require_fresh(environment, lock, Path("conda-lock.yml"), "linux-64")
    environment.path.write_text(environment.path.read_text() + "# more\n")
    refused(environment, lock, "it has another hash now")


def test_a_lock_that_knows_nothing_is_fresh_while_it_holds_what_is_asked(environment: EnvironmentFile) -> None:
    lock = replace(lock_of(environment), virtual_packages=None)
    require_fresh(environment, lock, Path("conda-lock.yml"), "linux-64")
    refused(
        replace(environment, packages=("python=3.12",)), lock, "it asks for python=3.12, and the lock has python 3.11.2"
    )


def test_a_lock_for_other_platforms_is_not_called_old(environment: EnvironmentFile) -> None:
    with pytest.raises(EvenkeelError, match="is for linux-64, not for linux-aarch64"):
        require_fresh(environment, lock_of(environment), Path("conda-lock.yml"), "linux-aarch64")


@pytest.mark.parametrize(
    ("packages", "pip", "expected"),
    [
        (("python=3.11", "numpy>=2", "numpy=*=py311_*"), ("humanize", "numpy>=2"), ""),
        ((f"{CHANNEL}::numpy",), (), ""),
        (("numpy>=2.2",), (), "it asks for numpy>=2.2, and the lock has numpy 2.1.0"),
        (("numpy=*=cuda*",), (), "it asks for numpy=*=cuda*, and the lock has numpy 2.1.0"),
        (("scipy",), (), "it asks for scipy, and the lock has none"),
        (("humanize",), (), "it asks for humanize, and the lock has none"),
        ((), ("humanize>=5",), "it asks for humanize>=5, and the lock has humanize 4.11.0"),
        ((), ("rich",), "it asks for rich, and the lock has none"),
        ((), ("rich; sys_platform == 'win32'", "rich; python_version < '3.9'", "rich; python_version == '3.12'"), ""),
        ((), ("rich; python_version >= '3.9'",), "it asks for rich; python_version >= '3.9', and the lock has none"),
    ],
)
def test_what_is_asked_and_not_held(packages: tuple[str, ...], pip: tuple[str, ...], expected: str) -> None:
    assert unmet(EnvironmentFile(Path("environment.yml"), (CHANNEL,), packages, pip), PACKAGES) == expected
