# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.pixi_lock import read

BY_PIXI = (Path(__file__).parents[1] / "data" / "pixi-7.txt").read_text()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pixi.lock"
    path.write_text(text)
    return path


def test_the_default_environment_is_read(tmp_path: Path) -> None:
    python, tzdata, humanize = read(written(tmp_path, BY_PIXI), "linux-64")
    assert (python.name, python.version, python.build, python.sha256, python.md5, python.size, python.depends) == (
        "python",
        "3.11.10",
        "hc5c86c4_0_cpython",
        "1b" * 32,
        "0a" * 16,
        12,
        ("tzdata",),
    )
    assert tzdata.url == "https://conda.anaconda.org/conda-forge/noarch/tzdata-2024b-hc8b5060_0.conda"
    assert (humanize.manager, humanize.version, humanize.sha256) == ("pip", "4.11.0", "4e" * 32)


def test_a_package_named_by_md5_alone_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, BY_PIXI.replace(f"  sha256: {'1b' * 32}\n", ""))
    assert [package.sha256 for package in read(path, "linux-64")] == ["", "", "4e" * 32]


@pytest.mark.parametrize(
    ("text", "platform", "message"),
    [
        (BY_PIXI, "linux-aarch64", "is for linux-64, not for linux-aarch64"),
        (BY_PIXI.replace("version: 7", "version: 99"), "linux-64", "is not a lock of pixi of a known format: .*99"),
        (BY_PIXI.replace("  default:", "  test:"), "linux-64", "has no default environment"),
        (BY_PIXI.replace(f"  sha256: {'4e' * 32}\n", ""), "linux-64", "has no SHA-256"),
        (
            BY_PIXI.replace("https://files.example/packages/humanize-4.11.0-py3-none-any.whl", "./humanize"),
            "linux-64",
            "humanize is at './humanize', whose content may change",
        ),
        (BY_PIXI.partition("packages:\n- conda")[0], "linux-64", "is not a lock of pixi of a known format"),
        ("version: [\n", "linux-64", "line 2: "),
        ("", "linux-64", "does not hold keys and values"),
    ],
)
def test_a_lock_that_proves_nothing_is_refused_by_name(tmp_path: Path, text: str, platform: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(EvenkeelError, match=f"(?s)^{path}.*{message}"):
        read(path, platform)
