# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node records of where an environment came from; with a real git."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import origin

MAIN = "https://repo.anaconda.com/pkgs/main"
NUMPY = Package("numpy", "2.3", "0", "1a" * 32, url=f"{MAIN}/linux-64/numpy-2.3-0.conda")
SIX = Package("six", "1.17.0", "", "1b" * 32, PIP, url="https://files.example/six-1.17.0-py3-none-any.whl")
BUILT = Package("ours", "1", "", "1c" * 32, PIP, url="wheels/1/ours-1-py3-none-any.whl")
OPTIONS: dict[str, Any] = {
    "mirrors": {"https://repo.anaconda.com": "http://mirror.site/anaconda"},
    "pip_index": "https://user:secret@index.site/simple",
}


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock in a repository of somebody who signs commits."""
    site, key = tmp_path / "site", tmp_path / "key"
    (site / "ai-dev").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text()
    (tmp_path / "signers").write_text(f"ana@site.example {public}")
    (tmp_path / "gitconfig").write_text(
        "[user]\n  name = Ana\n  email = ana@site.example\n"
        f'  signingKey = {key}\n[gpg]\n  format = ssh\n[gpg "ssh"]\n  allowedSignersFile = {tmp_path / "signers"}\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    run(site, "init", "--quiet", "--initial-branch=main")
    path = site / "ai-dev" / "conda-lock.yml"
    path.write_text("first\n")
    run(site, "add", "--all")
    for cached in (committed.of_file, committed._top):
        cached.cache_clear()
    return path


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def found(lock: Path, place: Path, *packages: Package) -> dict[str, Any]:
    return origin.of_environment({**OPTIONS, "lock": str(lock)}, packages, place)


def test_a_lock_of_a_signed_commit(lock: Path, tmp_path: Path) -> None:
    run(lock.parent, "commit", "--quiet", "--message=First", "--gpg-sign")
    assert found(lock, tmp_path, NUMPY, SIX, BUILT) == {
        "file": "ai-dev/conda-lock.yml",
        "sha256": hashlib.sha256(b"first\n").hexdigest(),
        "commit": run(lock.parent, "rev-parse", "HEAD"),
        "dirty": False,
        "signer": "ana@site.example",
        "sources": ["http://mirror.site/anaconda/pkgs/main", "https://index.site/simple"],
        "evenkeel": own_version(),
    }


def unsigned(lock: Path) -> None:
    run(lock.parent, "commit", "--quiet", "--message=First")


def of_somebody_unknown(lock: Path) -> None:
    run(lock.parent, "commit", "--quiet", "--message=First", "--gpg-sign")
    (lock.parents[2] / "signers").write_text("")


def changed(lock: Path) -> None:
    run(lock.parent, "commit", "--quiet", "--message=First", "--gpg-sign")
    lock.write_text("second\n")


@pytest.mark.parametrize(("make", "dirty"), [(unsigned, False), (of_somebody_unknown, False), (changed, True)])
def test_no_signer_is_named_unless_the_signature_is_good_and_for_this_content(
    lock: Path, tmp_path: Path, make: Any, dirty: bool
) -> None:
    make(lock)
    said = found(lock, tmp_path)
    assert (said["signer"], said["dirty"]) == ("", dirty)


def test_git_is_asked_once_for_all_workers(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(lock, tmp_path)
    monkeypatch.setattr(committed, "of_file", lambda _path: pytest.fail("asked again"))
    assert found(lock, tmp_path) == first


def test_a_list_of_packages_has_no_file(tmp_path: Path) -> None:
    assert origin.of_environment({"packages": ["numpy"]}, [NUMPY], tmp_path) == {
        "sources": [MAIN],
        "evenkeel": own_version(),
    }


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, ""),
        ({"built": "2026-01-02"}, ""),
        ({"evenkeel": "0.2.0"}, "a list of packages, by Evenkeel 0.2.0"),
        (
            {
                "evenkeel": "0.2.0",
                "file": "ai-dev/conda-lock.yml",
                "commit": "1a" * 20,
                "dirty": False,
                "signer": "ana@site.example",
                "sources": ["http://mirror.site/main"],
            },
            "ai-dev/conda-lock.yml, commit 1a1a1a1a1a1a, signed by ana@site.example, by Evenkeel 0.2.0, "
            "from http://mirror.site/main",
        ),
        (
            {"evenkeel": "0.2.0", "file": "a", "commit": "1a" * 20, "dirty": True, "signer": ""},
            "a, commit 1a1a1a1a1a1a, with changes that were not committed, by Evenkeel 0.2.0",
        ),
    ],
)
def test_an_origin_as_a_sentence(said: dict[str, Any], text: str) -> None:
    assert origin.sentence(said) == text


def test_an_environment_is_declared_by_its_lock(lock: Path) -> None:
    run(lock.parent, "commit", "--quiet", "--message=First")
    first = run(lock.parent, "rev-parse", "HEAD")
    run(lock.parent, "commit", "--quiet", "--allow-empty", "--message=Something else")
    written = lock.with_name("environment.yml")
    written.write_text("dependencies: [numpy]\n")
    content = hashlib.sha256(b"first\n").hexdigest()
    expected = {"file": "ai-dev/conda-lock.yml", "sha256": content, "commit": first, "dirty": False}
    assert origin.files_of([{"name": "ai-dev", "environment": str(written)}]) == {"ai-dev": expected}


@pytest.mark.parametrize("option", ["environment", "explicit"])
def test_other_sources(option: str, tmp_path: Path) -> None:
    path = tmp_path / "gpu.yml"
    path.write_text("dependencies: []\n")
    sources = [{"name": "a", option: str(path)}, {"name": "b", "packages": ["numpy"]}, {"name": "c", "state": "absent"}]
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = {"file": str(path), "sha256": content, "commit": None, "dirty": None}
    assert origin.files_of(sources) == {"a": expected}
