# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import pixi_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.pixi_lock import read

BY_PIXI = (Path(__file__).parents[1] / "data" / "pixi-7.txt").read_text()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pixi.lock"
    path.write_text(text)
    return path


COMMIT = "5f" * 20
HUMANIZE = "https://files.example/packages/humanize-4.11.0-py3-none-any.whl"
TZDATA = "https://conda.anaconda.org/conda-forge/noarch/tzdata-2024b-hc8b5060_0.conda"


def with_source(location: str) -> str:
    """Return the lock with a package of conda that has to be built, as pixi-build writes it."""
    head, _, packages = BY_PIXI.partition("\npackages:\n")
    entries = packages.split("- conda: ")
    entries[2] = entries[2][entries[2].index("- pypi: ") :]
    source = f"- conda_source: mine[9f9f9f9f] @ {location}\n  depends:\n  - python\n"
    head = head.replace(f"- conda: {TZDATA}", f"- conda_source: mine[9f9f9f9f] @ {location}")
    return f"{head}\npackages:\n{'- conda: '.join(entries[:2])}{source}{entries[2]}"


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what the operator is warned of."""
    said: list[str] = []
    monkeypatch.setattr(pixi_lock, "warn", said.append)
    return said


def test_an_environment_of_another_name_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, BY_PIXI.replace("  default:", "  cuda:"))
    assert len(read(path, "linux-64", "cuda")) == 3
    for name in ("default", "gpu"):
        with pytest.raises(EvenkeelError) as error:
            read(path, "linux-64", name)
        assert str(error.value) == (f"{path} has no environment {name}. Set pixi_environment to one that it has: cuda.")


@pytest.mark.parametrize(
    ("text", "own", "others"),
    [
        (BY_PIXI.replace(HUMANIZE, "./"), "humanize", ["python", "tzdata"]),
        (BY_PIXI.replace(HUMANIZE, "."), "humanize", ["python", "tzdata"]),
        (with_source("."), "mine", ["python", "humanize"]),
    ],
    ids=["pip's", "pip's, of an older pixi", "conda's"],
)
def test_the_projects_own_package_is_left_out_with_a_warning(
    tmp_path: Path, warnings: list[str], text: str, own: str, others: list[str]
) -> None:
    path = written(tmp_path, text)
    assert [package.name for package in read(path, "linux-64")] == others
    (said,) = warnings
    assert said.startswith(f"{path}: the project's own package, {own}, is left out of the environment")


def test_all_that_proves_nothing_is_reported_at_once(tmp_path: Path, warnings: list[str]) -> None:
    path = written(tmp_path, with_source("libs/mine").replace(HUMANIZE, "./libs/humanize"))
    with pytest.raises(EvenkeelError) as error:
        read(path, "linux-64")
    said = str(error.value)
    assert said.startswith(f"{path} has 2 mistakes:")
    assert "mine has to be built from its source, libs/mine. Publish it as a package, and lock again." in said
    assert "humanize is at './libs/humanize', whose content may change at any time" in said
    assert warnings == []


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


def test_a_folder_of_the_project_is_refused_as_such(tmp_path: Path) -> None:
    without_version = BY_PIXI.replace("  version: 4.11.0\n", "").replace(f"  sha256: {'4e' * 32}\n", "")
    with pytest.raises(EvenkeelError, match=r"humanize is at '\./sub', whose content may change at any time"):
        read(written(tmp_path, without_version.replace(HUMANIZE, "./sub")), "linux-64")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (f"git+https://h/tool.git?rev=main#{COMMIT}", f"git+https://h/tool.git@{COMMIT}"),
        (f"git+https://h/tool#{COMMIT}", f"git+https://h/tool@{COMMIT}"),
        (f"git+https://h/tool?subdirectory=py&tag=v1#{COMMIT}", f"git+https://h/tool@{COMMIT}#subdirectory=py"),
        (f"git+ssh://git@h/tool?rev=v1#{COMMIT}", f"git+ssh://git@h/tool@{COMMIT}"),
    ],
)
def test_a_commit_as_pixi_writes_it(tmp_path: Path, location: str, url: str) -> None:
    text = BY_PIXI.replace(HUMANIZE, location).replace(f"  sha256: {'4e' * 32}\n", "")
    assert read(written(tmp_path, text), "linux-64")[-1].url == url


def test_a_branch_is_no_commit(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="whose content may change at any time"):
        read(written(tmp_path, BY_PIXI.replace(HUMANIZE, "git+https://h/tool?rev=main")), "linux-64")


def test_a_package_named_by_md5_alone_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, BY_PIXI.replace(f"  sha256: {'1b' * 32}\n", ""))
    assert [package.sha256 for package in read(path, "linux-64")] == ["", "", "4e" * 32]


@pytest.mark.parametrize(
    ("text", "platform", "message"),
    [
        (BY_PIXI, "linux-aarch64", "is for linux-64, not for linux-aarch64"),
        (BY_PIXI.replace("version: 7", "version: 99"), "linux-64", "is not a lock of pixi of a known format: .*99"),
        (BY_PIXI.replace("  default:", "  test:"), "linux-64", "has no environment default"),
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
