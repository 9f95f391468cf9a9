# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import os
import subprocess
from pathlib import Path

import pytest

from lab.upstream.conda import installer

FAKE_PYTHON = """#!/bin/sh
echo "python $*"
echo "condarc ${CONDARC-unset} ${MAMBARC-unset}"
mkdir -p "$CONDA_ROOT_PREFIX/bin"
printf '#!/bin/sh\\necho conda "$@"\\n' > "$CONDA_ROOT_PREFIX/bin/conda"
chmod +x "$CONDA_ROOT_PREFIX/bin/conda"
"""


def write_installer(folder: Path, *, md5: str | None = None, kilobytes: int = 1) -> Path:
    """Write an installer whose Python is a script that reports how it was called."""
    tree = folder / "tree"
    python = tree / "pkgs" / "python-3" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    (tree / "conda-meta").mkdir()
    (tree / "conda-meta" / "history").touch()
    payload = io.BytesIO()
    installer.pack(tree, payload)
    right = hashlib.md5(payload.getvalue(), usedforsecurity=False).hexdigest()
    header = installer.fill(
        installer.HEADER.read_text(), NAME="Miniconda3", VERSION="py3", MD5=md5 or right, GLIBC="2.17",
        LICENSE="Be kind.", KILOBYTES=str(kilobytes), PYTHON="python-3", MODULES="a/lib b/lib",
    )  # fmt: skip
    path = folder / "Miniconda3.sh"
    path.write_bytes(header.encode() + payload.getvalue())
    return path


def run(path: Path, *argv: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(path.parent), **variables}
    return subprocess.run(
        ["sh", str(path), *argv], check=False, capture_output=True, text=True, env=environ, input=stdin
    )


def test_installs_without_a_question(tmp_path: Path) -> None:
    prefix = tmp_path / "base"
    done = run(write_installer(tmp_path), "-b", "-p", str(prefix), "-t", CONDARC="/mine", MAMBARC="/mine")
    assert done.returncode == 0, done
    assert "-m conda_standin install --offline" in done.stdout
    assert "condarc unset unset" in done.stdout
    assert "Package tests passed." in done.stdout
    assert "stand-in" in done.stdout
    assert (prefix / "envs").is_dir()
    assert (prefix / ".nonadmin").exists() == (os.geteuid() != 0)


@pytest.mark.parametrize(
    ("argv", "variables", "status", "said"),
    [
        (["-h"], {}, 2, "stand-in"),
        (["-x"], {}, 1, "did not recognize option"),
        (["-b", "-p", "{tmp}"], {}, 1, "already exists"),
        (["-b", "-p", "{tmp}/a b"], {}, 1, "spaces"),
        (["-b", "-p", "{tmp}/Miniconda3.sh/base"], {}, 1, "Could not create directory"),
        (["-b", "-p", "{tmp}/base"], {"CONDA_OVERRIDE_GLIBC": "2.12"}, 1, "GLIBC >=2.17"),
    ],
)
def test_refuses(tmp_path: Path, argv: list[str], variables: dict[str, str], status: int, said: str) -> None:
    done = run(write_installer(tmp_path), *(word.format(tmp=tmp_path) for word in argv), **variables)
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done
    assert not (tmp_path / "base").exists()


def test_refuses_a_full_disk(tmp_path: Path) -> None:
    done = run(write_installer(tmp_path, kilobytes=1 << 40), "-b", "-p", str(tmp_path / "base"))
    assert (done.returncode, "Not enough free disk space" in done.stderr) == (1, True)


def test_refuses_another_suffix(tmp_path: Path) -> None:
    done = run(write_installer(tmp_path).rename(tmp_path / "Miniconda3.bin"), "-b", "-p", str(tmp_path / "base"))
    assert (done.returncode, "Please run using" in done.stderr) == (1, True)


@pytest.mark.parametrize("option", ["-u", "-f"])
def test_installs_over_what_is_there_when_told_to(tmp_path: Path, option: str) -> None:
    (tmp_path / "base").mkdir()
    assert run(write_installer(tmp_path), "-b", option, "-p", str(tmp_path / "base")).returncode == 0


def test_only_warns_of_a_wrong_checksum(tmp_path: Path) -> None:
    done = run(write_installer(tmp_path, md5="0" * 32), "-b", "-p", str(tmp_path / "base"))
    assert (done.returncode, "md5sum mismatch" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("answers", "status", "installed"),
    [("\nno\n", 2, ""), ("\nwhat\nyes\n\n\n", 0, "miniconda3"), ("\nyes\n{tmp}/elsewhere\nno\n", 0, "elsewhere")],
)
def test_asks_for_the_license_and_the_place(tmp_path: Path, answers: str, status: int, installed: str) -> None:
    done = run(write_installer(tmp_path), stdin=answers.format(tmp=tmp_path))
    assert done.returncode == status, done
    assert "Be kind." in done.stdout
    assert installed == "" or (tmp_path / installed / "bin" / "conda").is_file()


def test_initializes_the_shell_once(tmp_path: Path) -> None:
    path = write_installer(tmp_path)
    for _ in range(2):
        assert run(path, "-b", "-c", "-u", "-p", str(tmp_path / "base")).returncode == 0
    assert (tmp_path / ".bashrc").read_text().count(f'. "{tmp_path}/base/etc/profile.d/conda.sh"') == 1


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    packed = []
    for name, when in (("one", 1), ("two", 2)):
        file = tmp_path / name / "folder" / "file"
        file.parent.mkdir(parents=True)
        file.write_text("same")
        os.utime(file, (when, when))
        stream = io.BytesIO()
        installer.pack(tmp_path / name, stream)
        packed.append(stream.getvalue())
    assert packed[0] == packed[1]


def test_names_are_those_of_the_real_ones() -> None:
    assert [one.file for one in (*installer.MINICONDA, *installer.MINIFORGE)] == [
        "Miniconda3-py311_26.7.1-0-Linux-x86_64.sh",
        "Miniconda3-py311_26.7.1-1-Linux-x86_64.sh",
        "Miniconda3-py313_26.7.1-0-Linux-x86_64.sh",
        "Miniconda3-py313_26.7.1-1-Linux-x86_64.sh",
        "Miniforge3-26.7.1-0-Linux-x86_64.sh",
        "Miniforge3-26.7.1-1-Linux-x86_64.sh",
    ]
