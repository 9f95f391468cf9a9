# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_pages import File
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.passed_over import releases_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Question, Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease

NODE = Target("3.11.2", "linux-64", "2.36")
SOURCE = File("own-app-1.0.tar.gz", "https://me:secret@files.example/own-app-1.0.tar.gz", "ab" * 32)
RELEASE = SourceRelease("own-app", "1.0", "https://files.example/own-app-1.0.tar.gz", "ab" * 32)


def file(name: str, requires_python: str = "", *, yanked: bool = False) -> File:
    return File(name, f"https://files.example/{name}", "", requires_python, yanked)


@pytest.mark.parametrize(
    ("files", "versions"),
    [
        ([file("own_app-1.0.zip"), file("own-app-1.0.exe"), file("own-app-1.0-py3.egg")], ["1.0"]),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-py3-none-any.whl")], []),
        ([file("own_app-1.0.tar.gz"), file("own_app-1-py3-none-any.whl")], []),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-cp311-cp311-manylinux_2_28_x86_64.whl")], []),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-cp311-cp311-manylinux_2_39_x86_64.whl")], ["1.0"]),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-cp311-cp311-manylinux_2_28_aarch64.whl")], ["1.0"]),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-cp312-cp312-manylinux_2_28_x86_64.whl")], ["1.0"]),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-py3-none-any.whl", yanked=True)], ["1.0"]),
        ([file("own_app-1.0.tar.gz"), file("own_app-1.0-py3-none-any.whl", ">=3.12")], ["1.0"]),
        ([file("own_app-1.0.tar.gz", yanked=True)], []),
        ([file("own_app-1.0.tar.gz", ">=3.12")], []),
        ([file("own_app-1.0.tar.gz", ">=3.11.2")], ["1.0"]),
        ([file("own_app-1.0.tar.gz", "never")], ["1.0"]),
        (
            [file("own_app-2.0rc1.tar.gz"), file("own-app-1.10.tar.gz"), file("own-app-1.9.tar.gz")],
            ["1.9", "1.10", "2.0rc1"],
        ),
        ([file("own-app-plugin-1.0.tar.gz"), file("own-app-old.tar.gz"), file("own_app-1-x-none-any.whl")], []),
        ([file("own-app-0.5.tar.gz")], []),
    ],
)
def test_releases_without_a_wheel_for_the_target(files: list[File], versions: list[str]) -> None:
    built = ((SourceRelease("own-app", "0.5", ""), Path("/store/own_app-0.5-py3-none-any.whl")),)
    found = releases_of("own-app", files, Question(("own-app",), NODE, built=built))
    assert [release.version for release in found.sources] == versions


def test_a_release_is_told_without_credentials_and_with_its_hash() -> None:
    assert releases_of("own-app", [SOURCE], Question(("own-app",), NODE)).sources == (RELEASE,)
