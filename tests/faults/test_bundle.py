# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles that playbooks/bundle.yml makes, and what of them is refused; without a node."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import control_wheels, wheels

from tests.faults.conftest import ROOT, Answer, ansible, finish

#: A uv that makes an environment with an ansible-playbook that is not run.
UV = """#!/bin/sh
for last; do :; done
[ "$1" != venv ] || { mkdir -p "$last/bin" && echo 'echo of the bundle' >"$last/bin/ansible-playbook"; }
"""


@dataclass(frozen=True)
class Site:
    """A site's repository, the key that its bundles are signed with, and a mirror that is a folder of this machine."""

    folder: Path

    @property
    def mirror(self) -> Path:
        return self.folder / "mirror"

    @property
    def signers(self) -> Path:
        return self.folder / "signers"

    @cached_property
    def key(self) -> Path:
        return self.make_key("ana")

    def make_key(self, name: str) -> Path:
        path = self.folder / f"key-{name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    def commit(self, text: str) -> str:
        environments = self.folder / "site" / "environments"
        environments.mkdir(parents=True, exist_ok=True)
        (environments / "notes").write_text(text)
        top = environments.parent
        who = ["-c", "user.name=Ana", "-c", "user.email=ana@site.example"]
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", text]):
            subprocess.run(["git", "-C", str(top), *who, *command], check=True, capture_output=True)
        found = subprocess.run(["git", "-C", str(top), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        return found.stdout.strip()

    def package(self, name: str, content: str) -> None:
        place = self.folder / "upstream" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(content)

    def play(self, playbook: str, *options: str, **variables: Any) -> Answer:
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
        host = {**here, "package_mirror_copy_directory": str(self.mirror)}
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"package_mirrors": {"hosts": {"mirror1": host}}}))
        upstream = self.folder / "upstream"
        given = {
            "conda_environments_directory": str(self.folder / "site" / "environments"),
            "bundle_copy": {
                "files": [{"path": f"files/{one.name}", "url": one.as_uri()} for one in sorted(upstream.iterdir())]
            },
            "bundle_directory": str(self.folder / "bundles"),
            "bundle_store": str(self.folder / "store"),
            "bundle_wheels": str(self.folder / "wheels"),
            "package_mirror_pip_index": "none",
            "bundle_install_git": True,
            **variables,
        }
        arguments = (f"--inventory={inventory}", f"--extra-vars={json.dumps(given)}", *options)
        return finish(ansible("playbook", f"playbooks/{playbook}.yml", *arguments))

    def bundle(self, **variables: Any) -> Path:
        answer = self.play("bundle", bundle_key=str(self.key), **variables)
        assert answer.succeeded()
        return max((self.folder / "bundles").glob("evenkeel-bundle-*"), key=lambda path: path.lstat().st_mtime_ns)

    def bundles(self) -> list[Path]:
        return sorted((self.folder / "bundles").glob("*"))

    def install(self, bundle: Path, *options: str, **variables: Any) -> Answer:
        named = {"bundle_install_signers": self.signers, "bundle_install_from": bundle}
        given = {name: os.path.relpath(path, ROOT) for name, path in named.items()}
        return self.play("bundle_install", *options, **{**given, **variables})

    def served(self) -> dict[str, str]:
        tree = self.mirror / "current" / "tree" / "files"
        return {path.name: path.read_text() for path in tree.iterdir()} if tree.is_dir() else {}


def make_wheels(folder: Path) -> None:
    """Make wheels with the names of those that a control node has."""
    folder.mkdir()
    for name, version in {**control_wheels.packages(), **wheels.installed_versions()}.items():
        system = "manylinux_2_17_x86_64" if name in wheels.DISTRIBUTIONS else "any"
        with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{version}-py3-none-{system}.whl", "w") as wheel:
            wheel.writestr(f"{name}-{version}.data/scripts/{name}", UV if name == "uv" else "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("bundle"))
    make_wheels(site.folder / "wheels")
    site.signers.write_text(f"ana@site.example {site.key.with_suffix('.pub').read_text()}")
    site.commit("one")
    for name in ("a", "b"):
        site.package(name, f"content of {name}")
    return site


@pytest.fixture(scope="module")
def whole(site: Site) -> Path:
    """A bundle with all."""
    return site.bundle()


@pytest.fixture(scope="module")
def later(site: Site, whole: Path) -> Path:
    """A tar with what that one lacked, after a commit and with another package."""
    site.commit("two")
    site.package("b", "another content of b")
    return site.bundle(bundle_follows=str(whole), bundle_tar=True)


@pytest.fixture
def broken(whole: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, to be damaged."""
    target = tmp_path / whole.name
    shutil.copytree(whole, target)
    return target


def program(bundle: Path, *arguments: object, **environment: str) -> Answer:
    """Run the program in a bundle as on a machine with nothing but Python."""
    command = [sys.executable, "-I", "-S", str(bundle / "install.pyz"), *map(str, arguments)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environment}
    )
    return Answer(done.returncode, done.stdout + done.stderr)


@pytest.mark.long
def test_a_bundle_and_the_next_one_are_installed(site: Site, whole: Path, later: Path, tmp_path: Path) -> None:
    root = tmp_path / "control"
    trusted = ("--signers", site.signers, "--root", root)
    assert program(whole, later, *trusted).failed_saying(f"Install the bundle {whole.name[-16:]} first")
    assert not (root / "current").exists()
    assert program(whole, *trusted).succeeded()
    assert (root / "current" / "project" / "environments" / "notes").read_text() == "one"
    assert (root / "current" / "venv" / "bin" / "ansible-playbook").exists()
    assert site.install(later).failed_saying(f"Install the bundle {whole.name[-16:]} first")
    assert site.served() == {}

    rehearsed = site.install(whole, "--check")
    assert rehearsed.succeeded()
    assert site.served() == {}
    assert site.install(whole).succeeded()
    assert site.served() == {"a": "content of a", "b": "content of b"}
    assert "changed=0 " in site.install(whole).output

    assert program(whole, later, *trusted).succeeded()
    assert (root / "current" / "project" / "environments" / "notes").read_text() == "two"
    assert site.install(later).succeeded()
    assert site.served() == {"a": "content of a", "b": "another content of b"}
    clone = tmp_path / "clone"
    git = site.mirror / "current" / "tree" / "git" / "site.git"
    (served := tmp_path / "served").mkdir()
    shutil.copytree(git, served / "site.git")
    (served / "site.git" / "refs").mkdir()
    subprocess.run(["git", "clone", "--quiet", str(served / "site.git"), str(clone)], check=True, capture_output=True)
    assert (clone / "environments" / "notes").read_text() == "two"

    assert site.install(whole).failed_saying("is older than what is installed", "bundle_install_allow_older")
    assert program(whole, *trusted).failed_saying("is older than what is installed", "--allow-older")
    assert site.served()["b"] == "another content of b"
    assert site.install(whole, bundle_install_allow_older=True).succeeded()
    assert site.served()["b"] == "content of b"


def stored(bundle: Path) -> Path:
    return next(path for path in sorted((bundle / "store").rglob("*")) if path.is_file())


def lose(bundle: Path) -> tuple[str, ...]:
    path = stored(bundle)
    path.unlink()
    return path.name, "is missing"


def alter(bundle: Path) -> tuple[str, ...]:
    path = stored(bundle)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    return path.name, "was altered"


def shorten(bundle: Path) -> tuple[str, ...]:
    path = stored(bundle)
    os.truncate(path, path.stat().st_size - 1)
    return path.name, "bytes instead of"


def add(bundle: Path) -> tuple[str, ...]:
    (bundle / "store" / "extra").write_text("")
    return ("store/extra is superfluous",)


def lead_out(bundle: Path) -> tuple[str, ...]:
    path = stored(bundle)
    path.unlink()
    path.symlink_to("/etc/hostname")
    return path.name, "is no plain file"


def forge(bundle: Path) -> tuple[str, ...]:
    described = bundle / "bundle.json"
    content = json.loads(described.read_text())
    content["files"].append({"path": "../../outside", "size": 0, "sha256": "0" * 64})
    described.write_text(json.dumps(content))
    return ("The signature of the bundle in", "is wrong")


def unsign(bundle: Path) -> tuple[str, ...]:
    (bundle / "bundle.json.sig").unlink()
    return ("has no signature", "bundle.json.sig")


@pytest.mark.parametrize("damage", [lose, alter, shorten, add, lead_out, forge, unsign])
def test_a_damaged_one_is_refused_before_anything_is_installed(
    site: Site, broken: Path, tmp_path: Path, damage: Callable[[Path], tuple[str, ...]]
) -> None:
    words = damage(broken)
    root = tmp_path / "control"
    assert program(broken, "--signers", site.signers, "--root", root).failed_saying(*words)
    assert not root.exists()


def test_a_damaged_one_reaches_no_mirror(site: Site, broken: Path) -> None:
    before = site.served()
    words = [*alter(broken), *add(broken)]
    assert site.install(broken, bundle_install_allow_older=True).failed_saying(*words)
    assert site.served() == before


def test_paths_of_a_bundle_that_nobody_signed_are_not_believed(broken: Path, tmp_path: Path) -> None:
    forge(broken)
    answer = program(broken, "--unsigned", "--root", tmp_path / "control")
    assert answer.failed_saying("names '../../outside', which can't be a file of a bundle")


def test_somebody_elses_is_refused(site: Site, whole: Path, tmp_path: Path) -> None:
    other = site.make_key("ben").with_suffix(".pub")
    (signers := tmp_path / "signers").write_text(f"ben@site.example {other.read_text()}")
    listed = subprocess.run(["ssh-keygen", "-l", "-f", str(other)], check=True, capture_output=True, text=True)
    fingerprint = listed.stdout.split()[1]
    assert program(whole, "--signers", signers, "--check").failed_saying(
        "is signed by the key SHA256:", "does not allow"
    )
    assert program(whole, "--fingerprint", fingerprint, "--check").failed_saying(
        f"not by the one with the fingerprint {fingerprint}"
    )
    assert site.install(whole, bundle_install_signers=str(signers)).failed_saying("does not allow")


def test_without_ssh_keygen_it_is_refused(site: Site, whole: Path) -> None:
    answer = program(whole, "--signers", site.signers, "--check", PATH="/nonexistent")
    assert answer.failed_saying("There is no ssh-keygen here", "openssh-client")


@pytest.mark.parametrize("part", [0.1, 0.6, 0.85])
def test_a_tar_that_was_copied_in_part_is_refused(
    site: Site, whole: Path, later: Path, tmp_path: Path, part: float
) -> None:
    half = tmp_path / later.name
    shutil.copy(later, half)
    os.truncate(half, int(half.stat().st_size * part))
    root = tmp_path / "control"
    answer = program(whole, half, "--signers", site.signers, "--root", root)
    assert answer.status == 1, answer.output
    assert any(words in answer.output for words in ("ends early", "is missing", "has no file")), answer.output
    assert not root.exists()


@pytest.mark.parametrize("place", ["bundles/store/sha256", "venvs", "versions"])
def test_a_killed_run_leaves_nothing_in_use_and_the_next_one_heals(
    site: Site, whole: Path, tmp_path: Path, place: str
) -> None:
    root = tmp_path / "control"
    command = [sys.executable, "-I", "-S", whole / "install.pyz", "--signers", site.signers, "--root", root]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (root / place).exists() and process.poll() is None:
            pass
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (root / "current").exists()
    assert program(whole, "--signers", site.signers, "--root", root).succeeded()
    assert (root / "current" / "project" / "environments" / "notes").exists()
    assert not [path for path in root.rglob("*.partial*") if path.exists()]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for nearly nothing."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_named_and_a_run_with_room_goes_on(site: Site, whole: Path, small_disk: Path) -> None:
    trusted = ("--signers", site.signers, "--root", small_disk / "control")
    answer = program(whole, *trusted)
    assert answer.failed_saying(str(small_disk))
    assert any(words in answer.output for words in ("free", "No space left on device")), answer.output
    assert not (small_disk / "control" / "current").exists()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert program(whole, *trusted).succeeded()


def test_a_mirror_whose_disk_is_full_keeps_what_it_serves(site: Site, whole: Path, small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "full").write_bytes(bytes(1 << 20))
    refused = site.play(
        "bundle_install",
        bundle_install_from=str(whole),
        bundle_install_signers=str(site.signers),
        package_mirror_copy_directory=str(small_disk / "copy"),
    )
    assert refused.failed_saying(str(small_disk))
    assert any(words in refused.output for words in ("MiB are free", "No space left on device")), refused.output
    assert not (small_disk / "copy" / "current").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ("The bundle would have no signature", "bundle_unsigned: true")),
        ({"bundle_key": "/nowhere"}, ("bundle_key names /nowhere",)),
        (
            {"bundle_unsigned": True, "bundle_directory": "/etc/hostname/x"},
            ("/etc/hostname is no folder", "bundle_directory"),
        ),
        ({"bundle_unsigned": True, "bundle_follows": "gone"}, ("bundle_follows is 'gone'",)),
        ({"bundle_unsigned": True, "bundle_pythons": ["3"]}, ("bundle_pythons has '3'",)),
        ({"bundle_unsigned": True, "bundle_repository": "/"}, ("bundle_repository",)),
        ({"bundle_unsigned": True, "bundle_copy": {"lock": []}}, ("holds 'lock', which is none of its keys",)),
    ],
)
def test_what_can_not_be_packed_is_refused(site: Site, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = site.bundles()
    assert site.play("bundle", **variables).failed_saying(*words)
    assert site.bundles() == before


def test_changes_that_are_not_committed_are_not_packed(site: Site) -> None:
    notes = site.folder / "site" / "environments" / "notes"
    before = notes.read_text()
    notes.write_text("not committed")
    assert site.play("bundle", bundle_key=str(site.key)).failed_saying("not committed: environments/notes")
    notes.write_text(before)


@pytest.mark.long
def test_what_is_not_there_upstream_makes_no_bundle(site: Site) -> None:
    gone = {"files": [{"path": "files/gone", "url": (site.folder / "gone").as_uri()}]}
    before = site.bundles()
    assert site.play("bundle", bundle_key=str(site.key), bundle_copy=gone).failed_saying("gone")
    assert site.bundles() == before
