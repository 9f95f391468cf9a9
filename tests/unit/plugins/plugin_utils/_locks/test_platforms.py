# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.platforms import chosen, require_kept

X86, ARM, MAC = "linux-64", "linux-aarch64", "osx-arm64"
PATH = Path("/environments/a/conda-lock.yml")


def environment(*platforms: str) -> EnvironmentFile:
    return EnvironmentFile(Path("/environments/a/environment.yml"), ("x",), ("python",), platforms=platforms)


def lock(*platforms: str) -> Lock | None:
    packages = dict.fromkeys(platforms, ())
    return Lock(channels=(), sources=(), packages=packages, content_hash={}) if platforms else None


@pytest.mark.parametrize(
    ("wanted", "of_file", "of_lock", "found"),
    [
        (None, (), (), [X86]),
        (None, (), (ARM,), [ARM]),
        (None, (), (ARM, X86), [X86, ARM]),
        (None, (), (MAC,), [X86]),
        (None, (X86, ARM), (), [X86, ARM]),
        (None, (X86, MAC), (), [X86]),
        (None, (ARM,), (X86,), [ARM]),
        ([ARM], (), (), [ARM]),
        ([ARM, X86], (), (X86,), [X86, ARM]),
        ([X86, ARM], (X86, MAC), (), [X86]),
    ],
)
def test_platforms(
    wanted: list[str] | None, of_file: tuple[str, ...], of_lock: tuple[str, ...], found: list[str]
) -> None:
    assert chosen(wanted, environment(*of_file), lock(*of_lock)) == found


@pytest.mark.parametrize(
    ("wanted", "of_file", "message"),
    [
        (None, (MAC, "win-64"), "is for osx-arm64 and win-64, not for linux-64 or linux-aarch64. Add "),
        ([ARM], (X86,), "is for linux-64, not for linux-aarch64. Add "),
    ],
)
def test_no_platform_in_common_is_an_error(wanted: list[str] | None, of_file: tuple[str, ...], message: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^/environments/a/environment.yml {message}"):
        chosen(wanted, environment(*of_file), None)


@pytest.mark.parametrize(
    ("of_lock", "platforms"), [((), [X86]), ((X86,), [X86]), ((X86,), [X86, ARM]), ((X86, ARM), [X86, ARM])]
)
def test_a_lock_keeps_its_platforms(of_lock: tuple[str, ...], platforms: list[str]) -> None:
    require_kept(PATH, lock(*of_lock), platforms)


@pytest.mark.parametrize(
    ("of_lock", "words"),
    [
        (
            (X86, ARM),
            ("is for linux-aarch64 too", "set lock_platforms: [linux-64, linux-aarch64]", "lock_drop_platforms: true"),
        ),
        ((X86, MAC), ("is for osx-arm64 too", "To drop osx-arm64, set lock_drop_platforms: true")),
        (
            (X86, ARM, MAC),
            ("linux-aarch64 and osx-arm64 too", "[linux-64, linux-aarch64]", "To drop linux-aarch64"),
        ),
    ],
)
def test_a_platform_that_would_go_is_named(of_lock: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(EvenkeelError) as caught:
        require_kept(PATH, lock(*of_lock), [X86])
    assert all(word in str(caught.value) for word in words)
    assert ("lock_platforms" in str(caught.value)) == (ARM in of_lock)
