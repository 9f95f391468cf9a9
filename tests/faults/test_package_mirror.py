# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role package_mirror refuses, and what its mirror serves while upstreams, disks and files fail.

The node is the mirror and, by the lab's own server, the upstream too; this machine is the client.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from lab.upstream import mirror_server
from tests.faults import upstream
from tests.faults.conftest import Node
from tests.faults.mirrors import CACHE, PLAYBOOK, Mirror, packages_of_the_lab
from tests.faults.upstream import PORT

#: One of many who build an environment, with a cache of its own, by the installer that nodes have.
BUILD = """
import asyncio, sys
from rattler import VirtualPackage, install, solve
channel, place = sys.argv[1:]
asked = solve([channel], ["python=3.11", "numpy"], platforms=["linux-64", "noarch"],
              virtual_packages=VirtualPackage.detect())
asyncio.run(install(asyncio.run(asked), f"{place}/env", cache_dir=f"{place}/cache"))
"""
OTHER = "/etc/nginx/conf.d/other.conf"
CONFIG = "/etc/nginx/conf.d/evenkeel-package-mirror.conf"
UP = "/srv/files"
CA = "/srv/cdn.pem"
UNIT = "upstream.service"
CDN = "cdn.example.org"
UPSTREAM = f"http://127.0.0.1:{PORT}"
SUITE = "/debian/dists/stable"
PACKAGES = f"{SUITE}/main/binary-amd64/Packages"
SETTINGS: dict[str, Any] = {
    "package_mirror_pip_index": f"{UPSTREAM}/simple",
    "package_mirror_pip_files": ["https://files.example.org/packages", "/files"],
    "package_mirror_ca_bundle": CA,
    "package_mirror_redirects": [CDN],
    "package_mirror_resolvers": ["127.0.0.1"],
    "package_mirror_upstreams": {
        "debian": f"{UPSTREAM}/debian",
        "conda": f"{UPSTREAM}/conda",
        "faults": f"{UPSTREAM}/_fault",
        "pypi/files/files.example.org/packages": f"{UPSTREAM}/conda",
    },
}
#: They take minutes together.
pytestmark = pytest.mark.long


class OwnUpstream(Mirror):
    """A mirror whose upstream is on the same node."""

    def write(self, path: str, text: str) -> None:
        """Give the upstream a file."""
        self.node.host.check_output(f"mkdir -p $(dirname {UP}%s) && printf %%s %s >{UP}%s", path, text, path)

    def make(self, path: str, size: int) -> str:
        """Give the upstream a large file; return its hash."""
        command = f"mkdir -p $(dirname {UP}%s) && head -c {size} /dev/urandom >{UP}%s && sha256sum {UP}%s"
        return self.node.host.check_output(command, path, path, path).split()[0]

    def asked(self, path: str) -> int:
        """Return how often the upstream was asked for a path."""
        log = self.node.host.check_output(f"journalctl --unit {UNIT} --output cat")
        return sum(f"{path} HTTP" in line for line in log.splitlines())

    def upstream(self, action: str) -> None:
        self.node.host.check_output(f"systemctl {action} {UNIT}")
        if action == "start":
            wait.until(lambda: self.node.host.run(f"ss -tln | grep -q :{PORT}").rc == 0, "it listens", "", seconds=30)


def play(node: Node, **variables: Any) -> Any:
    upstreams = {**SETTINGS["package_mirror_upstreams"], "lab": node.variables["lab_mirror_url"]}
    return node.play(PLAYBOOK, **{**SETTINGS, "package_mirror_upstreams": upstreams, **variables})


@pytest.fixture(scope="module")
def bare(node: Node) -> Iterator[Node]:
    """A node with an upstream, and without nginx."""
    node.strip()
    unit = f"[Service]\nExecStart=/usr/bin/python3 /srv/upstream.py {UP} {CA} /srv/cdn.key\n"
    files = {
        "/srv/lab/upstream/mirror_server.py": Path(mirror_server.__file__).read_text(),
        "/srv/upstream.py": Path(upstream.__file__).read_text(),
        f"/etc/systemd/system/{UNIT}": unit,
    }
    node.host.check_output("mkdir -p /srv/lab/upstream")
    for path, text in files.items():
        node.host.check_output("printf %%s %s >%s", text, path)
    node.host.check_output(
        f"mkdir -p {UP}/cdn && systemctl daemon-reload && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        f" -nodes -keyout /srv/cdn.key -out {CA} -subj /CN={CDN} -addext subjectAltName=DNS:{CDN}"
    )
    OwnUpstream(node).upstream("start")
    with packages_of_the_lab(node):
        yield node
    node.host.check_output(f"systemctl stop {UNIT}; rm -rf /srv/* /etc/systemd/system/{UNIT}")


@pytest.fixture(scope="module")
def mirror(bare: Node) -> OwnUpstream:
    assert play(bare).succeeded()
    return OwnUpstream(bare)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param(
            {"package_mirror_pip_index": "", "package_mirror_certificate": "c.pem", "package_mirror_port": 8009},
            [
                "package_mirror_pip_index is empty",
                "Only one of package_mirror_certificate and package_mirror_key",
                "Choose two ports",
            ],
            id="variables that do not fit",
        ),
        pytest.param(
            {"package_mirror_port": PORT},
            [f"Port {PORT} on 0.0.0.0 is in use by python3", "set package_mirror_port to another port"],
            id="a port of somebody else",
        ),
        pytest.param(
            {"package_mirror_upstreams": {"private": "https://ops:s3cret@conda.example.org/"}},
            ["The upstream of private is", "not a plain URL"],
            id="an upstream with credentials",
        ),
    ],
)
def test_what_can_not_work_is_named_and_nothing_changes(
    bare: Node, variables: dict[str, Any], words: list[str]
) -> None:
    before = bare.fingerprint()
    answer = play(bare, **variables)
    assert answer.failed_saying(*words)
    assert "s3cret" not in answer.output
    assert bare.fingerprint() == before


def test_check_mode_on_a_bare_node_changes_nothing(bare: Node) -> None:
    before = bare.fingerprint()
    answer = bare.play(PLAYBOOK, "--check", "--diff", **SETTINGS)
    assert answer.succeeded()
    assert "proxy_cache_lock on" in answer.output
    assert bare.fingerprint() == before


def test_nothing_is_proxied_but_what_is_declared(mirror: OwnUpstream) -> None:
    assert mirror.ask("/srv/x").status == 404
    assert mirror.ask("/_fault/html/x").status == 404
    assert mirror.ask("http://e.example.org/x").status == 404
    assert mirror.ask("/conda/x", "POST").status == 405
    assert mirror.ask("/evenkeel/signature").status == 403


def test_a_list_never_comes_with_the_signature_of_another(mirror: OwnUpstream) -> None:
    mirror.write(f"{SUITE}/InRelease", "signature 1")
    mirror.write(PACKAGES, "list 1")
    for _ in range(2):
        assert mirror.ask(f"{SUITE}/InRelease").body == b"signature 1"
        assert mirror.ask(PACKAGES).body == b"list 1"
    assert mirror.asked(PACKAGES) == 1

    mirror.write(f"{SUITE}/InRelease", "signature 2")
    mirror.write(PACKAGES, "list 2")
    assert mirror.ask(PACKAGES).body == b"list 2"
    assert mirror.ask(f"{SUITE}/InRelease").body == b"signature 2"

    # The upstream is away before the third list was fetched: none is better than an older one.
    mirror.write(f"{SUITE}/InRelease", "signature 3")
    assert mirror.ask(f"{SUITE}/InRelease").body == b"signature 3"
    mirror.upstream("stop")
    assert mirror.ask(f"{SUITE}/InRelease").body == b"signature 3"
    assert mirror.ask(PACKAGES).status == 502
    mirror.upstream("start")
    mirror.write(PACKAGES, "list 3")
    assert mirror.ask(PACKAGES).body == b"list 3"


def test_what_is_kept_is_served_while_the_upstream_is_away(mirror: OwnUpstream) -> None:
    mirror.write(f"{SUITE}/InRelease", "signature")
    mirror.write(PACKAGES, "list")
    mirror.write("/conda/linux-64/repodata.json", "{}")
    mirror.write("/simple/idna/index.html", '<a href="https://files.example.org/packages/idna.whl">')
    digest = mirror.make("/conda/linux-64/kept-1-0.conda", 5_000_000)
    paths = (f"{SUITE}/InRelease", PACKAGES, "/conda/linux-64/repodata.json", "/pypi/simple/idna/")
    before = [mirror.ask(path).body for path in paths]
    assert before[-1] == b'<a href="/pypi/files/files.example.org/packages/idna.whl">'
    assert mirror.ask("/conda/linux-64/kept-1-0.conda").status == 200
    mirror.upstream("stop")
    assert [mirror.ask(path).body for path in paths] == before
    assert hashlib.sha256(mirror.ask("/conda/linux-64/kept-1-0.conda").body).hexdigest() == digest
    assert mirror.ask("/conda/linux-64/other-1-0.conda").status == 502
    mirror.upstream("start")


@pytest.mark.parametrize(
    "location",
    [
        "/conda/noarch/real.json",
        "real.json",
        f"{UPSTREAM}/conda/noarch/real.json",
        "/conda/noarch/hop.json",
        f"https://{CDN}/real.json",
        f"https://{CDN}/hop.json",
    ],
    ids=["of the host", "beside it", "in full", "that redirects, too", "of another host", "that redirects there"],
)
def test_a_redirect_is_followed(mirror: OwnUpstream, location: str) -> None:
    mirror.write("/conda/noarch/real.json", "real")
    mirror.write("/conda/noarch/hop.json.location", "real.json")
    mirror.write("/cdn/real.json", "real")
    mirror.write("/cdn/hop.json.location", "/real.json")
    mirror.write("/conda/noarch/asked.json.location", location)
    mirror.run("purge /conda/noarch/asked.json")
    answer = mirror.ask("/conda/noarch/asked.json")
    assert (answer.status, answer.body) == (200, b"real")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://other.example.org/x", "redirects to https://other.example.org/x, where the mirror does not go"),
        (f"http://{CDN}/real.json", f"redirects to http://{CDN}/real.json, where"),
        (f"//{CDN}/real.json", f"redirects to //{CDN}/real.json, where"),
        ("file:///etc/passwd", "redirects to file:///etc/passwd, where"),
        ("asked.json", "redirects again and again, at last to asked.json"),
    ],
    ids=["to an unknown host", "without TLS", "without a scheme", "to a file", "in a circle"],
)
def test_a_redirect_that_is_not_followed_is_told_and_logged(mirror: OwnUpstream, location: str, words: str) -> None:
    mirror.write("/conda/noarch/asked.json.location", location)
    mirror.run("purge /conda/noarch/asked.json")
    answer = mirror.ask("/conda/noarch/asked.json")
    assert answer.status == 502
    assert words in answer.body.decode()
    assert any(line.startswith("upstream ") and " 502 " in line for line in mirror.logged(words))


def test_links_of_an_index_lead_to_the_mirror(mirror: OwnUpstream) -> None:
    mirror.write("/files/six.whl", "a wheel")
    page = '<a href="/files/six.whl">, <a href="https://files.example.org/packages/a">, <a href="a/files/b">'
    mirror.write("/simple/six/index.html", page)
    files = f"/pypi/files/127.0.0.1_{PORT}/files"
    rewritten = mirror.ask("/pypi/simple/six/").body.decode()
    assert rewritten == page.replace("/files/six", f"{files}/six").replace(
        "https://files.example.org", "/pypi/files/files.example.org"
    )
    assert mirror.ask(f"{files}/six.whl").body == b"a wheel"


def test_many_who_ask_at_once_are_one_download(mirror: OwnUpstream) -> None:
    path = "/conda/linux-64/wanted-1-0.conda"
    digest = mirror.make(path, 3_000_000)
    with ThreadPoolExecutor(20) as clients:
        found = list(clients.map(lambda _number: mirror.ask(f"/faults/slow{path}"), range(20)))
    assert {hashlib.sha256(answer.body).hexdigest() for answer in found} == {digest}
    assert mirror.asked(path) == 2  # its two pieces


def test_many_who_build_at_once_cost_what_one_does(mirror: OwnUpstream, tmp_path: Path) -> None:
    mirror.run("purge /anaconda")
    before = mirror.bytes()
    channel = f"{mirror.url}/anaconda/pkgs/main"
    places = [tmp_path / str(number) for number in range(20)]
    builds = [subprocess.Popen([sys.executable, "-c", BUILD, channel, str(place)]) for place in places]
    assert [build.wait() for build in builds] == [0] * len(builds)
    assert_one_paid_for(20, before, mirror.bytes())


def assert_one_paid_for(clients: int, before: list[int], after: list[int]) -> None:
    """The upstream has sent what one of the clients has got."""
    sent, received = (now - number for now, number in zip(after, before, strict=True))
    assert sent > clients * 10_000_000
    assert received <= 1.05 * sent / clients


@pytest.fixture(scope="module")
def builder(mirror: OwnUpstream, request: pytest.FixtureRequest) -> Node:
    """The same node, on which environments are built from what the mirror has."""
    node: Node = request.getfixturevalue("with_module")
    through = {
        "mirrors": {"https://repo.anaconda.com": f"{mirror.url}/anaconda"},
        "pip_index": f"{mirror.url}/lab/pypi/simple",
    }
    return replace(node, arguments={**node.arguments, **through})


def test_many_condas_at_once_cost_what_one_does(mirror: OwnUpstream, builder: Node) -> None:
    mirror.run("purge /anaconda")
    before = mirror.bytes()
    one = (
        f"env CONDA_PKGS_DIRS=/tmp/conda/$one/pkgs /opt/miniconda3/bin/conda create --yes --quiet --override-channels"
        f" --channel {mirror.url}/anaconda/pkgs/main --prefix /tmp/conda/$one/env python=3.11 idna"
    )
    builder.host.check_output(f'builds=; for one in $(seq 20); do {one} & builds="$builds $!"; done; wait $builds')
    made = builder.host.check_output("ls /tmp/conda/*/env/bin/python && rm -rf /tmp/conda")
    assert len(made.split()) == 20
    assert_one_paid_for(20, before, mirror.bytes())


@pytest.mark.parametrize(
    ("installer", "name"),
    [("rattler", "idna"), ("conda", "idna"), ("rattler", "humanize")],
    ids=["py-rattler", "conda", "uv"],
)
def test_a_build_has_a_damaged_file_of_the_cache_replaced(
    mirror: OwnUpstream, builder: Node, installer: str, name: str
) -> None:
    packages = builder.resolved("python=3.11", "idna", pip=["humanize"])
    package = next(one for one in packages if one["name"] == name)
    builder.clear()
    assert builder.converge(name="whole", resolved=packages, installer=installer).succeeded()
    asked = re.findall(r'^client .* "GET (\S+)"', "\n".join(mirror.logged(f"/{name}-")), re.MULTILINE)
    path = next(path for path in asked if path.endswith((".conda", ".whl")))
    size = len(mirror.ask(path).body)
    mirror.damage(path, size // 2)
    assert hashlib.sha256(mirror.ask(path).body).hexdigest() != package["sha256"]

    builder.clear()
    assert builder.converge(name="again", resolved=packages, installer=installer).succeeded()
    again = mirror.ask(path)
    assert (again.cache, hashlib.sha256(again.body).hexdigest()) == ("HIT", package["sha256"])


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_what_the_upstream_has_damaged_is_never_installed(mirror: OwnUpstream, builder: Node, installer: str) -> None:
    packages = builder.resolved("python=3.11", "idna")
    builder.clear()
    mirrors = {"https://repo.anaconda.com": f"{mirror.url}/lab/_fault/corrupt~idna-*/anaconda"}
    answer = builder.converge(name="none", resolved=packages, installer=installer, mirrors=mirrors)
    sha256 = next(one["sha256"] for one in packages if one["name"] == "idna")
    assert answer.failed_saying("/lab/_fault/corrupt~idna-", "has the SHA-256", f", not {sha256}")
    assert builder.host.run("ls /opt/evenkeel/envs/none").rc != 0
    assert any(" BYPASS " in line for line in mirror.logged("corrupt~idna-"))


@pytest.mark.parametrize(("fault", "status"), [("html", 200), ("truncate", 200), ("404", 404)])
def test_a_lie_is_passed_on_and_not_kept(mirror: OwnUpstream, fault: str, status: int) -> None:
    path = f"/conda/noarch/{fault}-1-0.conda"
    mirror.make(path, 100_000)
    for _ in range(2):
        answer = mirror.ask(f"/faults/{fault}{path}")
        assert (answer.status, answer.cache) == (status, "MISS")
        assert answer.whole is (fault != "truncate")


def damaged(mirror: OwnUpstream, path: str) -> str:
    """Have the cache keep a damaged copy of a file, and return the hash of the file."""
    digest = mirror.make(path, 1_000_000)
    assert mirror.ask(path).cache == "MISS"
    mirror.damage(path, 500_000)
    assert hashlib.sha256(mirror.ask(path).body).hexdigest() != digest
    return digest


def test_a_damaged_file_is_thrown_out_by_hand(mirror: OwnUpstream) -> None:
    path = "/conda/noarch/damaged-1-0.conda"
    digest = damaged(mirror, path)
    assert path in mirror.run(f"purge http://mirror:8008{path}")
    again = mirror.ask(path)
    assert (again.cache, hashlib.sha256(again.body).hexdigest()) == ("MISS", digest)
    assert mirror.run("purge /conda/none") == "There is nothing of it in the cache."


def test_a_client_can_have_a_file_fetched_again(mirror: OwnUpstream) -> None:
    path = "/conda/noarch/refetched-1-0.conda"
    digest = damaged(mirror, path)
    assert mirror.ask(path, Cache_Control="no-cache").cache == "BYPASS"
    again = mirror.ask(path)
    assert (again.cache, hashlib.sha256(again.body).hexdigest()) == ("HIT", digest)


def test_a_configuration_of_somebody_else_that_is_broken_stops_the_role_and_not_the_mirror(mirror: OwnUpstream) -> None:
    host = mirror.node.host
    before = host.file(CONFIG).content_string
    host.check_output(f"echo broken >{OTHER}")
    answer = play(mirror.node, package_mirror_keep_days=7)
    assert answer.failed_saying("nginx refuses its configuration", OTHER)
    assert host.file(CONFIG).content_string == before
    assert mirror.ask("/healthz").status == 200
    host.check_output(f"rm {OTHER}")


def test_a_full_disk_serves_what_it_has_and_passes_on_the_rest(mirror: OwnUpstream) -> None:
    host = mirror.node.host
    host.check_output(f"systemctl stop nginx && mount -t tmpfs -o size=1200m tmpfs {CACHE} && systemctl start nginx")
    kept, passed = "/conda/noarch/before-1-0.conda", "/conda/noarch/after-1-0.conda"
    digests = {path: mirror.make(path, 3_000_000) for path in (kept, passed)}
    assert play(mirror.node, package_mirror_min_free=1).succeeded()
    assert mirror.ask(kept).cache == "MISS"
    host.check_output(f"fallocate --length 300M {CACHE}/of-somebody-else")
    mirror.run("watch")
    assert mirror.ask(kept).cache == "HIT"
    for path, digest in digests.items():
        assert hashlib.sha256(mirror.ask(path).body).hexdigest() == digest
    assert mirror.ask(passed).cache == "MISS"
    metrics = host.file("/var/lib/evenkeel/package_mirror/evenkeel_package_mirror.prom").content_string
    assert "evenkeel_package_mirror_full 1\n" in metrics
    host.check_output(f"rm {CACHE}/of-somebody-else")
    mirror.run("watch")
    assert [mirror.ask(passed).cache for _ in range(2)] == ["MISS", "HIT"]


def authorized(name: str, password: str) -> Mapping[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_others_need_a_password(mirror: OwnUpstream) -> None:
    mirror.write("/conda/linux-64/repodata.json", "{}")
    path = "/conda/linux-64/repodata.json"
    hashed = mirror.node.host.check_output("openssl passwd -6 s3cret")
    users = [{"name": "ana", "hash": hashed}]
    answer = play(mirror.node, package_mirror_allow=["127.0.0.0/8"], package_mirror_users=users)
    assert answer.succeeded()
    assert hashed not in answer.output
    assert mirror.ask(path).status == 401
    assert mirror.ask(path, **authorized("ana", "wrong")).status == 401
    assert mirror.ask(path, **authorized("ana", "s3cret")).status == 200
    assert mirror.ask("/healthz").status == 200
    assert play(mirror.node, package_mirror_allow=["127.0.0.0/8"]).succeeded()
    assert mirror.ask(path).status == 403
