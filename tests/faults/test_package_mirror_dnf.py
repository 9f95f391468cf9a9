# SPDX-License-Identifier: GPL-3.0-or-later
"""dnf and a package mirror on Enterprise Linux, while the upstream's repository changes: the node is both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import process, wait
from lab.upstream import signing_keys
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_repository
from lab.upstream.rpm.enterprise_linux import KEY, KEY_FILE
from tests.faults.conftest import Node, fresh_node
from tests.faults.mirrors import PLAYBOOK, Mirror, Upstream, upstream_of
from tests.faults.test_enterprise_linux import BASE

ASK = "dnf --quiet --disablerepo=* --enablerepo=m --assumeyes"
#: It takes minutes.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    root = tmp_path_factory.mktemp("upstream")
    (root / KEY_FILE).write_text(signing_keys.ensure(KEY).armored)
    with upstream_of(root) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def mirror(upstream: Upstream, worker_id: str) -> Iterator[Mirror]:
    with fresh_node(f"faults-dnf-{worker_id}", "rocky9") as node:
        base = BASE.format(mirror=node.variables["lab_mirror_url"])
        node.host.check_output("rpm --query --all && printf %%s %s >/etc/yum.repos.d/baseos.repo", base)
        assert node.play(PLAYBOOK, package_mirror_upstreams={"own": upstream.url}).succeeded()
        yield Mirror(node)


def made(folder: Path, version: str, *, hashes: bool) -> Path:
    """Make a signed repository of one package; return its folder."""
    package = OsPackage("tool", f"{version}-1.el9", "noarch", "tool", files={"usr/share/tool": version})
    rpm_repository.write(folder, [package], KEY)
    if not hashes:
        shutil.rmtree(folder / "repodata")
        process.run(["createrepo_c", "--quiet", "--simple-md-filenames", folder], remedy="apt-get install createrepo-c")
        repomd = folder / "repodata" / "repomd.xml"
        repomd.with_suffix(".xml.asc").write_text(signing_keys.sign(KEY, repomd.read_text()))
    return folder


def offer(upstream: Upstream, made: Path, *, lists: bool = True) -> None:
    """Have the upstream offer another repository, of whose metadata all or, for now, only the signed file has come."""
    place = upstream.root / "repo"
    if not lists:
        for path in (made / "repodata").glob("repomd.xml*"):
            shutil.copy(path, place / "repodata")
        return
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, place)


def use(mirror: Mirror) -> None:
    text = f"[m]\\nname=m\\nbaseurl={mirror.url}/own/repo/\\ngpgcheck=1\\nrepo_gpgcheck=1\\n"
    text += f"gpgkey={mirror.url}/own/{KEY_FILE}\\n"
    mirror.node.host.check_output(f"printf '{text}' >/etc/yum.repos.d/m.repo && dnf clean all")


def offered(node: Node) -> str:
    """Return the version that dnf finds after it has asked for all metadata, or why it finds none."""
    asked = node.host.run(f"{ASK} makecache --refresh && {ASK} repoquery --queryformat %{{version}} tool")
    return str(asked.stdout).strip() if asked.rc == 0 else str(asked.stderr)


@pytest.mark.parametrize("hashes", [True, False], ids=["lists named by hash", "lists of one name"])
def test_dnf_never_gets_the_lists_of_another_signature(
    mirror: Mirror, upstream: Upstream, tmp_path: Path, hashes: bool
) -> None:
    first, second, third = (made(tmp_path / version, version, hashes=hashes) for version in "123")
    offer(upstream, first)
    use(mirror)
    assert offered(mirror.node) == "1"
    assert offered(mirror.node) == "1"

    offer(upstream, second)
    assert offered(mirror.node) == "2"

    # The signed file has come, and its lists have not.
    offer(upstream, third, lists=False)
    assert "Failed to download metadata" in offered(mirror.node)
    offer(upstream, third)
    wait.until(lambda: offered(mirror.node) == "3", "dnf finds the new version", "", seconds=30)


def test_dnf_goes_on_while_the_upstream_is_away(mirror: Mirror, upstream: Upstream, tmp_path: Path) -> None:
    offer(upstream, made(tmp_path / "4", "4", hashes=False))
    use(mirror)
    assert offered(mirror.node) == "4"
    mirror.node.host.check_output(f"{ASK} install tool && {ASK} remove tool && dnf clean all")
    upstream.away = True
    assert offered(mirror.node) == "4"
    mirror.node.host.check_output(f"{ASK} install tool && rpm --query tool")
    upstream.away = False
    assert any(" STALE " in line for line in mirror.logged("/own/repo/repodata/repomd.xml"))
