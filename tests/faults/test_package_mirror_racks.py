# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack's package mirror whose upstream is the site's, by the same role: two nodes, and this machine as the client."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Node, fresh_node
from tests.faults.mirrors import PLAYBOOK, Mirror, Upstream, packages_of_the_lab, upstream_of

SUITE = "/own/dists/stable"
#: They take minutes together.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with upstream_of(tmp_path_factory.mktemp("upstream")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def site(node: Node, upstream: Upstream) -> Iterator[Mirror]:
    node.strip()
    with packages_of_the_lab(node):
        assert node.play(
            PLAYBOOK, package_mirror_pip_index=f"{upstream.url}/simple", package_mirror_upstreams={"own": upstream.url}
        ).succeeded()
        yield Mirror(node)


@pytest.fixture(scope="module")
def rack(site: Mirror, worker_id: str) -> Iterator[Mirror]:
    with fresh_node(f"faults-rack-{worker_id}") as node, packages_of_the_lab(node):
        further: dict[str, Any] = {"package_mirror_upstreams": {"own": f"{site.url}/own"}}
        answer = node.play(
            PLAYBOOK, package_mirror_upstream={"host": site.address}, package_mirror_pip_index="", **further
        )
        assert answer.succeeded()
        yield Mirror(node)


def write(upstream: Upstream, path: str, content: bytes) -> str:
    """Give the upstream a file; return its hash."""
    place = Path(f"{upstream.root}{path}")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_many_clients_of_a_rack_cost_each_mirror_and_the_upstream_what_one_does(
    site: Mirror, rack: Mirror, upstream: Upstream
) -> None:
    digest = write(upstream, "/wanted-1-0.conda", os.urandom(3_000_000))
    before = [*site.bytes(), *rack.bytes()]
    with ThreadPoolExecutor(20) as clients:
        found = list(clients.map(lambda _number: rack.ask("/own/wanted-1-0.conda"), range(20)))
    assert {sha256(answer.body) for answer in found} == {digest}
    after = [*site.bytes(), *rack.bytes()]
    site_sent, site_received, rack_sent, rack_received = (now - was for now, was in zip(after, before, strict=True))
    assert rack_sent >= 20 * 3_000_000
    assert max(site_sent, site_received, rack_received) <= 1.05 * 3_000_000
    assert sum("/wanted-1-0.conda" in line for line in upstream.asked) == 2  # its two pieces


def test_a_list_never_comes_with_the_signature_of_another_through_both(
    site: Mirror, rack: Mirror, upstream: Upstream
) -> None:
    packages = f"{SUITE}/main/binary-amd64/Packages"
    for version in (b"1", b"2", b"3"):
        write(upstream, packages.removeprefix("/own"), b"list " + version)
        write(upstream, f"{SUITE.removeprefix('/own')}/InRelease", b"signature " + version)
        for _ in range(2):
            assert rack.ask(f"{SUITE}/InRelease").body == b"signature " + version
            assert rack.ask(packages).body == b"list " + version


def test_links_of_an_index_lead_to_the_rack(rack: Mirror, upstream: Upstream) -> None:
    write(upstream, "/simple/six/index.html", b'<a href="six-1-py3-none-any.whl">')
    digest = write(upstream, "/simple/six/six-1-py3-none-any.whl", b"a wheel")
    assert b"six-1" in rack.ask("/pypi/simple/six/").body
    assert sha256(rack.ask("/pypi/simple/six/six-1-py3-none-any.whl").body) == digest


def test_a_file_that_the_site_has_damaged_is_replaced_through_the_rack(
    site: Mirror, rack: Mirror, upstream: Upstream
) -> None:
    path = "/own/damaged-1-0.conda"
    digest = write(upstream, "/damaged-1-0.conda", os.urandom(1_000_000))
    assert site.ask(path).cache == "MISS"
    site.damage(path, 500_000)
    assert sha256(rack.ask(path).body) != digest
    assert sha256(rack.ask(path, Cache_Control="no-cache").body) == digest
    for mirror in (site, rack):
        again = mirror.ask(path)
        assert (again.cache, sha256(again.body)) == ("HIT", digest)


def test_a_purge_of_both_fetches_anew(site: Mirror, rack: Mirror, upstream: Upstream) -> None:
    path = "/own/replaced-1-0.conda"
    write(upstream, "/replaced-1-0.conda", b"first")
    assert rack.ask(path).body == b"first"
    digest = write(upstream, "/replaced-1-0.conda", b"second")
    rack.run(f"purge {path}")
    assert rack.ask(path).body == b"first"
    site.run(f"purge {path}")
    rack.run(f"purge {path}")
    assert sha256(rack.ask(path).body) == digest


def test_what_is_kept_is_served_while_the_upstream_or_the_site_is_away(
    site: Mirror, rack: Mirror, upstream: Upstream
) -> None:
    paths = (f"{SUITE}/InRelease", f"{SUITE}/main/binary-amd64/Packages", "/own/kept-1-0.conda")
    for path in paths:
        write(upstream, path.removeprefix("/own"), path.encode())
        assert rack.ask(path).body == path.encode()
    upstream.away = True
    assert [rack.ask(path).body for path in paths] == [path.encode() for path in paths]
    assert rack.ask("/own/other-1-0.conda").status == 503
    upstream.away = False
    site.node.host.check_output("systemctl stop nginx")
    assert [rack.ask(path).body for path in paths] == [path.encode() for path in paths]
    site.node.host.check_output("systemctl start nginx")
