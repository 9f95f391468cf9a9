# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode copy of the role package_mirror: what it holds, what clients get of it, and what it survives.

The node keeps and serves the copy, and is its own client, with the way to the upstream cut off.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import apt_lists
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Package, closure
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.package_versions import compare_debian
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import PackageSet, Repository
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock

from lab import wait
from tests.faults.conftest import CHANNEL, Node, kill
from tests.faults.mirrors import PLAYBOOK, Mirror, packages_of_the_lab

COPY = "/var/lib/evenkeel/site_copy"
TREE = f"{COPY}/current/tree"
KEYRING = "nvidia/cuda/debian12/x86_64/cuda-keyring_1.1-1_all.deb"
#: They take minutes together.
pytestmark = pytest.mark.long


def locked(
    node: Node, folder: Path, *packages: str, pip: tuple[str, ...] = (), name: str = "first"
) -> tuple[Path, list[dict[str, Any]]]:
    """Write a lock; return it and its packages."""
    found = node.resolved(*packages, pip=pip)
    exact = tuple(map(from_mapping, found))
    lock = Lock((CHANNEL,), ("environment.yml",), {"linux-64": exact}, {"linux-64": "0" * 64}, {"linux-64": {}})
    path = folder / f"{name}.conda-lock.yml"
    path.write_text(conda_lock.render(lock, "copied"))
    return path, found


def settings(node: Node, *locks: Path, **copy: Any) -> dict[str, Any]:
    base = node.variables["lab_mirror_url"]
    return {
        "package_mirror_mode": "copy",
        "package_mirror_copy_keep": 1,
        "package_mirror_upstream": {"url": f"{base}/anaconda", "channels": []},
        "package_mirror_pip_index": node.pip_index,
        "package_mirror_upstreams": {
            "nvidia/cuda": node.variables["lab_nvidia_repository"],
            "nvidia/container": node.variables["lab_nvidia_container_repository"],
        },
        "package_mirror_copy": {
            "locks": [str(path) for path in locks],
            "distributions": ["Debian 12"],
            "driver": {"branches": ["580"]},
            "container_toolkit": True,
            "files": [{"path": KEYRING, "sha256": node.variables["lab_nvidia_keyring_sha256"]["debian12"]}],
            **copy,
        },
    }


def file_of(packages: list[dict[str, Any]], name: str) -> str:
    return str(next(one["url"].rpartition("/")[2] for one in packages if one["name"] == name))


def faulty(node: Node, fault: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose conda channels come through a fault."""
    return {**given, "package_mirror_upstream": {"url": node.faulty_mirror(fault), "channels": []}}


@contextmanager
def cut_off(node: Node) -> Iterator[None]:
    """Have the node reach no upstream."""
    upstream = urlsplit(node.variables["lab_mirror_url"]).hostname
    node.host.check_output("ip route add blackhole %s", upstream)
    try:
        yield
    finally:
        node.host.check_output("ip route del blackhole %s", upstream)


def stored(node: Node) -> dict[str, str]:
    """Return the inode of each file of the store."""
    listed = node.host.check_output(f"find {COPY}/store/sha256 -type f -printf '%f %i\n'")
    return dict(line.split() for line in listed.splitlines())


def current(node: Node) -> str:
    return str(node.host.check_output(f"readlink {COPY}/current"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locks")


@pytest.fixture(scope="module")
def lock(node: Node, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    return locked(node, folder, "python=3.11", "idna", pip=("humanize",))


@pytest.fixture(scope="module")
def copied(node: Node, lock: tuple[Path, list[dict[str, Any]]]) -> Iterator[Node]:
    """A node with a copy that nginx serves."""
    node.strip()
    with packages_of_the_lab(node):
        assert node.play(PLAYBOOK, **settings(node, lock[0])).succeeded()
        yield node
    node.host.check_output(f"rm -rf {COPY}")


def test_check_mode_on_a_bare_node_changes_nothing(node: Node, lock: tuple[Path, list[dict[str, Any]]]) -> None:
    node.strip()
    with packages_of_the_lab(node):
        before = node.fingerprint()
        answer = node.play(PLAYBOOK, "--check", "--diff", **settings(node, lock[0]))
        assert answer.succeeded()
        assert "nvidia/cuda/debian12/x86_64/InRelease" in answer.output
        assert node.fingerprint() == before


def test_a_second_run_changes_nothing(copied: Node, lock: tuple[Path, list[dict[str, Any]]]) -> None:
    before = current(copied)
    answer = copied.play(PLAYBOOK, **settings(copied, lock[0]))
    assert answer.succeeded()
    assert re.search(r"debian12-1 +: ok=\d+ +changed=0 ", answer.output), answer.output
    assert current(copied) == before


def test_nothing_else_is_in_it_than_the_manifest_names(copied: Node) -> None:
    manifest = json.loads(copied.host.check_output(f"cat {COPY}/current/manifest.json"))
    files = copied.host.check_output(f"cd {TREE} && find -L . -type f -printf '%P %s\\n'")
    assert sorted(files.splitlines()) == sorted(f"{one['path']} {one['size']}" for one in manifest["files"])
    sums = "".join(f"{one['sha256']}  {one['path']}\n" for one in manifest["files"])
    copied.host.check_output(f"cd {TREE} && printf %%s %s | sha256sum --check --quiet --strict", sums)
    assert manifest["made"]["version"] == own_version()
    assert re.fullmatch(r"[0-9a-f]{40}", manifest["made"]["commit"])


@pytest.fixture(scope="module")
def builder(copied: Node, request: pytest.FixtureRequest) -> Node:
    node: Node = request.getfixturevalue("with_module")
    here = {"mirrors": {"https://repo.anaconda.com": "http://127.0.0.1:8008/anaconda"}}
    return replace(node, arguments={**node.arguments, **here, "pip_index": "http://127.0.0.1:8008/pypi/simple"})


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_an_environment_is_built_with_the_upstream_cut_off(
    builder: Node, lock: tuple[Path, list[dict[str, Any]]], installer: str
) -> None:
    with cut_off(builder):
        builder.clear()
        answer = builder.converge(name="copied", resolved=lock[1], installer=installer)
    assert answer.succeeded()
    assert answer.result["digest"] == digest(map(from_mapping, lock[1]))
    assert builder.host.check_output("/opt/evenkeel/envs/copied/bin/python -c 'import idna, humanize; print(1)'") == "1"


def test_apt_and_pip_get_what_they_need_with_the_upstream_cut_off(builder: Node) -> None:
    url = "http://127.0.0.1:8008"
    node = builder.host
    fetch = "import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])"
    node.check_output(f"python3 -c '{fetch}' {url}/{KEYRING} /tmp/keyring.deb && dpkg-deb --extract /tmp/keyring.deb /")
    source = f"deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] {url}/nvidia/cuda/debian12/x86_64/ /"
    node.check_output("mkdir -p /tmp/apt/lists/partial && echo %s >/tmp/apt/sources.list", source)
    options = "-o Dir::Etc::SourceList=/tmp/apt/sources.list -o Dir::Etc::SourceParts=/dev/null"
    options += " -o Dir::State::Lists=/tmp/apt/lists"
    with cut_off(builder):
        node.check_output(f"apt-get {options} update -o APT::Update::Error-Mode=any")
        node.check_output(f"cd /tmp && apt-get {options} download nvidia-driver-cuda=580.178.04-1")
        pip = "/opt/evenkeel/envs/copied/bin/python -m pip download --no-cache-dir --no-deps --dest /tmp/wheels"
        node.check_output(f"{pip} --index-url {url}/pypi/simple/ humanize")


@pytest.fixture(scope="module")
def of_debian(node: Node) -> list[Package]:
    """All packages of Debian 12, by its real list."""
    url = f"{node.variables['lab_mirror_url']}/debian/dists/bookworm/main/binary-amd64/Packages.xz"
    with urlopen(url) as answer:  # noqa: S310
        lines = lzma.decompress(answer.read()).decode().splitlines()
    return list(apt_lists.packages(lines, "debian", "amd64"))


@pytest.mark.parametrize("name", ["nginx", "dkms", "openssh-server", "podman", "slurm-wlm", "jupyter-notebook", "vlc"])
def test_a_copy_has_all_that_apt_would_install_on_a_node_without_packages(
    copied: Node, of_debian: list[Package], name: str
) -> None:
    copied.host.check_output("apt-get update")
    empty = "-o Dir::State::status=/dev/null --no-install-recommends"
    said = copied.host.check_output(f"apt-get install --simulate {empty} {name}")
    wanted = set(re.findall(r"^Inst (\S+) \((\S+) ", said, re.MULTILINE))
    asked = PackageSet(name, "apt", "amd64", (Repository("debian", "bookworm", ("main",)),), (name,))
    found, lacking = closure(asked, of_debian, compare_debian)
    assert lacking == []
    assert wanted <= {(one.name, one.version) for one in found}
    assert len(found) <= 1.1 * len(wanted)


def test_it_counts_for_prometheus_and_answers_for_its_health(copied: Node) -> None:
    mirror = Mirror(copied)
    assert mirror.ask("/healthz").status == 200
    assert mirror.ask("/pypi/simple/humanize/").status == 200
    assert mirror.ask("/pypi/simple/none/").status == 404
    page = mirror.ask("/pypi/simple/humanize/", Accept="application/vnd.pypi.simple.v1+json")
    assert json.loads(page.body)["name"] == "humanize"
    copied.host.check_output("evenkeel-package-mirror watch")
    found = copied.host.check_output("cat /var/lib/evenkeel/package_mirror/evenkeel_package_mirror.prom")
    assert 'evenkeel_package_mirror_requests_total{cache="hit"}' in found
    assert "evenkeel_package_mirror_full 0" in found


def test_only_what_is_new_is_fetched(copied: Node, lock: tuple[Path, list[dict[str, Any]]], folder: Path) -> None:
    other, _packages = locked(copied, folder, "six", name="more")
    before = stored(copied)
    assert copied.play(PLAYBOOK, **settings(copied, lock[0], other)).succeeded()
    after = stored(copied)
    assert 1 <= len(after.keys() - before.keys()) <= 4  # six, indexes of its channel, and what it needs
    assert all(before[name] == inode for name, inode in after.items() if name in before)
    assert copied.play(PLAYBOOK, **settings(copied, lock[0])).succeeded()
    assert stored(copied).keys() == before.keys()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("corrupt", ["six-", "has the sha256"]),
        ("truncate", ["six-", "bytes"]),
        ("html", ["six-", "a page of HTML in place of the file"]),
        ("404", ["six-", "answered 404"]),
    ],
)
def test_a_lying_upstream_is_named_and_nothing_is_switched(
    copied: Node, lock: tuple[Path, list[dict[str, Any]]], folder: Path, fault: str, words: list[str]
) -> None:
    other, packages = locked(copied, folder, "six", name=fault)
    before = current(copied)
    through = f"{fault}~{file_of(packages, 'six')}"
    answer = copied.play(PLAYBOOK, **faulty(copied, through, settings(copied, lock[0], other)))
    assert answer.failed_saying(*words)
    assert current(copied) == before


def test_a_damaged_file_of_the_store_is_fetched_again(copied: Node, lock: tuple[Path, list[dict[str, Any]]]) -> None:
    package = next(one for one in lock[1] if one["name"] == "idna")
    path = f"{COPY}/store/sha256/{package['sha256'][:2]}/{package['sha256']}"
    copied.host.check_output(f"printf x | dd of={path} bs=1 seek=100 conv=notrunc status=none")
    wanted = settings(copied, lock[0])
    assert copied.play(PLAYBOOK, package_mirror_copy_verify=True, **wanted).succeeded()
    assert copied.host.check_output(f"sha256sum {path}").split()[0] == package["sha256"]
    served = Mirror(copied).ask(f"/anaconda/pkgs/main/{package['url'].split('/pkgs/main/')[1]}")
    assert len(served.body) == copied.host.file(path).size


def test_a_killed_run_is_healed_by_the_next(
    copied: Node, lock: tuple[Path, list[dict[str, Any]]], folder: Path
) -> None:
    other, packages = locked(copied, folder, "numpy", name="killed")
    wanted = settings(copied, lock[0], other)
    before = current(copied)
    running = copied.start(PLAYBOOK, **faulty(copied, f"slow~{file_of(packages, 'numpy')}", wanted))
    wait.until(lambda: copied.host.run(f"ls {COPY}/store/partial/* | grep -q .").rc == 0, "it fetches", "", seconds=120)
    kill(running)
    copied.host.check_output(f"kill -KILL $(cat {COPY}/locks/copy)")
    assert current(copied) == before
    assert copied.play(PLAYBOOK, **wanted).succeeded()
    assert current(copied) != before
    assert copied.host.check_output(f"ls {COPY}/store/partial") == ""
    test_nothing_else_is_in_it_than_the_manifest_names(copied)


def test_a_full_disk_is_told_and_what_is_there_is_served(
    copied: Node, lock: tuple[Path, list[dict[str, Any]]], folder: Path
) -> None:
    node = copied.host
    node.check_output("mkdir -p /srv/small && mount -t tmpfs -o size=3m tmpfs /srv/small")
    try:
        wanted = {**settings(copied, lock[0]), "package_mirror_copy_directory": "/srv/small/copy"}
        answer = copied.play(PLAYBOOK, **wanted)
        assert answer.failed_saying("/srv/small", "free")
        assert node.run("test -e /srv/small/copy/current").rc != 0
        assert Mirror(copied).ask("/pypi/simple/humanize/").status == 200
    finally:
        node.check_output("umount --lazy /srv/small && rmdir /srv/small")


@pytest.mark.parametrize(
    ("copy", "words"),
    [
        ({"driver": {"branches": ["999"]}}, ["No version is known for the driver's branch 999"]),
        ({"driver": {"branches": ["580.1.1"]}}, ["no version 580.1.1 of nvidia-driver-cuda"]),
        ({"distributions": ["Debian 9"]}, ["does not support NVIDIA's packages on Debian 9"]),
        ({"locks": ["none"]}, ["There is no lock", "none"]),
    ],
)
def test_what_cannot_be_given_is_named_and_nothing_changes(
    copied: Node, lock: tuple[Path, list[dict[str, Any]]], copy: dict[str, Any], words: list[str]
) -> None:
    before = current(copied)
    answer = copied.play(PLAYBOOK, **settings(copied, lock[0], **copy))
    assert answer.failed_saying(*words)
    assert current(copied) == before
