# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role package_mirror refuses, and what its mirror serves while upstreams, disks and files fail.

The node is the mirror and, by the lab's own server, the upstream too; this machine is the client.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from lab.upstream import mirror_server
from tests.faults.conftest import Node

#: One of many who build an environment, with a cache of its own, by the installer that nodes have.
BUILD = """
import asyncio, sys
from rattler import VirtualPackage, install, solve
channel, place = sys.argv[1:]
asked = solve([channel], ["python=3.11", "numpy"], platforms=["linux-64", "noarch"],
              virtual_packages=VirtualPackage.detect())
asyncio.run(install(asyncio.run(asked), f"{place}/env", cache_dir=f"{place}/cache"))
"""
PLAYBOOK = "molecule/package_mirror/converge.yml"
OTHER = "/etc/nginx/conf.d/other.conf"
CONFIG = "/etc/nginx/conf.d/evenkeel-package-mirror.conf"
CACHE = "/var/cache/evenkeel"
UP = "/srv/upstream"
UNIT = "upstream.service"
PORT = 8090
#: The lab's server on another port and without TLS, and a log in a file.
SERVE = f"""
import pathlib, sys
sys.path.insert(0, "/srv")
import mirror_server
with mirror_server.Mirror(pathlib.Path("{UP}"), "127.0.0.1", {PORT}) as server:
    server.serve_forever()
"""
UPSTREAM = f"http://127.0.0.1:{PORT}"
SUITE = "/debian/dists/stable"
PACKAGES = f"{SUITE}/main/binary-amd64/Packages"
SETTINGS: dict[str, Any] = {
    "package_mirror_pip_index": f"{UPSTREAM}/simple",
    "package_mirror_pip_files": ["https://files.example.org/packages"],
    "package_mirror_upstreams": {
        "debian": f"{UPSTREAM}/debian",
        "conda": f"{UPSTREAM}/conda",
        "faults": f"{UPSTREAM}/_fault",
        "pypi/files/files.example.org/packages": f"{UPSTREAM}/conda",
    },
}
#: They take minutes together.
pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Answer:
    """What came back; not whole where the connection ended before all that was announced."""

    status: int
    cache: str
    body: bytes
    whole: bool = True


@dataclass(frozen=True)
class Mirror:
    """The node, and how it is asked."""

    node: Node

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        address = self.node.variables["ansible_host"]
        connection = http.client.HTTPConnection(address, 8008, timeout=120)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=sent)
        received = connection.getresponse()
        cache = received.headers["X-Cache-Status"] or ""
        try:
            return Answer(received.status, cache, received.read())
        except http.client.IncompleteRead as error:
            return Answer(received.status, cache, error.partial, whole=False)
        finally:
            connection.close()

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

    def bytes(self) -> list[int]:
        """Return how many bytes it has sent, and received from upstreams."""
        return [int(number) for number in re.findall(r"(\d+) bytes", self.run("status"))]

    def run(self, command: str) -> str:
        return str(self.node.host.check_output(f"evenkeel-package-mirror {command}"))


def play(node: Node, **variables: Any) -> Any:
    return node.play(PLAYBOOK, **{**SETTINGS, **variables})


@pytest.fixture(scope="module")
def bare(node: Node) -> Iterator[Node]:
    """A node with an upstream, and without nginx."""
    node.strip()
    unit = "[Service]\nExecStart=/usr/bin/python3 /srv/serve.py\n"
    files = {
        "/srv/mirror_server.py": Path(mirror_server.__file__).read_text(),
        "/srv/serve.py": SERVE,
        f"/etc/systemd/system/{UNIT}": unit,
    }
    for path, text in files.items():
        node.host.check_output("printf %%s %s >%s", text, path)
    node.host.check_output(f"mkdir -p {UP} && systemctl daemon-reload")
    source = (
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {node.variables['lab_mirror_url']}/debian"
        " bookworm main"
    )
    node.host.check_output("echo %s >/etc/apt/sources.list.d/lab.list", source)
    Mirror(node).upstream("start")
    yield node
    node.host.check_output(
        f"systemctl disable --now {UNIT} evenkeel-package-mirror.timer; umount {CACHE};"
        " dpkg --purge nginx nginx-common; rm -rf /etc/nginx /var/log/nginx /srv/upstream /srv/*.py"
        f" /etc/systemd/system/{UNIT} /etc/systemd/system/evenkeel-package-mirror.*"
        f" /usr/local/lib/evenkeel /usr/local/sbin/evenkeel-package-mirror {CACHE} /var/lib/evenkeel/package_mirror"
        " /etc/apt/sources.list.d/lab.list; systemctl daemon-reload"
    )
    node.strip()


@pytest.fixture(scope="module")
def mirror(bare: Node) -> Mirror:
    assert play(bare).succeeded()
    return Mirror(bare)


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


def test_nothing_is_proxied_but_what_is_declared(mirror: Mirror) -> None:
    assert mirror.ask("/srv/x").status == 404
    assert mirror.ask("/_fault/html/x").status == 404
    assert mirror.ask("http://e.example.org/x").status == 404
    assert mirror.ask("/conda/x", "POST").status == 405
    assert mirror.ask("/evenkeel/signature").status == 403


def test_a_list_never_comes_with_the_signature_of_another(mirror: Mirror) -> None:
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


def test_what_is_kept_is_served_while_the_upstream_is_away(mirror: Mirror) -> None:
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


def test_many_who_ask_at_once_are_one_download(mirror: Mirror) -> None:
    path = "/conda/linux-64/wanted-1-0.conda"
    digest = mirror.make(path, 3_000_000)
    with ThreadPoolExecutor(20) as clients:
        found = list(clients.map(lambda _number: mirror.ask(f"/faults/slow{path}"), range(20)))
    assert {hashlib.sha256(answer.body).hexdigest() for answer in found} == {digest}
    assert mirror.asked(path) == 2  # its two pieces


def test_many_who_build_at_once_cost_what_one_does(mirror: Mirror, tmp_path: Path) -> None:
    mirror.run("purge /anaconda")
    before = mirror.bytes()
    channel = f"http://{mirror.node.variables['ansible_host']}:8008/anaconda/pkgs/main"
    places = [tmp_path / str(number) for number in range(20)]
    builds = [subprocess.Popen([sys.executable, "-c", BUILD, channel, str(place)]) for place in places]
    assert [build.wait() for build in builds] == [0] * len(builds)
    sent, received = (after - number for after, number in zip(mirror.bytes(), before, strict=True))
    assert sent > len(builds) * 10_000_000
    assert received <= 1.05 * sent / len(builds)


@pytest.mark.parametrize(("fault", "status"), [("html", 200), ("truncate", 200), ("404", 404)])
def test_a_lie_is_passed_on_and_not_kept(mirror: Mirror, fault: str, status: int) -> None:
    path = f"/conda/noarch/{fault}-1-0.conda"
    mirror.make(path, 100_000)
    for _ in range(2):
        answer = mirror.ask(f"/faults/{fault}{path}")
        assert (answer.status, answer.cache) == (status, "MISS")
        assert answer.whole is (fault != "truncate")


def damaged(mirror: Mirror, path: str) -> str:
    """Have the cache keep a damaged copy of a file, and return the hash of the file."""
    digest = mirror.make(path, 1_000_000)
    assert mirror.ask(path).cache == "MISS"
    kept = mirror.node.host.check_output(f"grep --recursive --files-with-matches --text 'KEY: {path}' {CACHE}")
    mirror.node.host.check_output(f"printf damage | dd of={kept} bs=1 seek=500000 conv=notrunc")
    assert hashlib.sha256(mirror.ask(path).body).hexdigest() != digest
    return digest


def test_a_damaged_file_is_thrown_out_by_hand(mirror: Mirror) -> None:
    path = "/conda/noarch/damaged-1-0.conda"
    digest = damaged(mirror, path)
    assert path in mirror.run(f"purge http://mirror:8008{path}")
    again = mirror.ask(path)
    assert (again.cache, hashlib.sha256(again.body).hexdigest()) == ("MISS", digest)
    assert mirror.run("purge /conda/none") == "There is nothing of it in the cache."


def test_a_client_can_have_a_file_fetched_again(mirror: Mirror) -> None:
    path = "/conda/noarch/refetched-1-0.conda"
    digest = damaged(mirror, path)
    assert mirror.ask(path, Cache_Control="no-cache").cache == "BYPASS"
    again = mirror.ask(path)
    assert (again.cache, hashlib.sha256(again.body).hexdigest()) == ("HIT", digest)


def test_a_configuration_of_somebody_else_that_is_broken_stops_the_role_and_not_the_mirror(mirror: Mirror) -> None:
    host = mirror.node.host
    before = host.file(CONFIG).content_string
    host.check_output(f"echo broken >{OTHER}")
    answer = play(mirror.node, package_mirror_keep_days=7)
    assert answer.failed_saying("nginx refuses its configuration", OTHER)
    assert host.file(CONFIG).content_string == before
    assert mirror.ask("/healthz").status == 200
    host.check_output(f"rm {OTHER}")


def test_a_full_disk_serves_what_it_has_and_passes_on_the_rest(mirror: Mirror) -> None:
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


def test_others_need_a_password(mirror: Mirror) -> None:
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
