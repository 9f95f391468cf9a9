# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab import paths
from lab.upstream import certificates, mirror_server, proxy_server

NAME = certificates.NAME


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "STATE", tmp_path_factory.mktemp("state"))
        yield certificates.ensure(IPv4Address("127.0.0.1"))


@pytest.fixture
def ports(tmp_path: Path, tls: Path) -> Iterator[dict[str, int]]:
    (tmp_path / "a").write_text("through")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "mirror.pem", tls / "mirror.key")
    servers = {
        "http": mirror_server.Mirror(tmp_path, "127.0.0.1", 0),
        "https": mirror_server.Mirror(tmp_path, "127.0.0.1", 0, context),
        "proxy": proxy_server.Proxy("127.0.0.1", "127.0.0.1", 0),
    }
    with ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield {name: server.server_port for name, server in servers.items()}


def get(url: str, ports: dict[str, int], ca: Path | None) -> bytes:
    proxy = f"http://127.0.0.1:{ports['proxy']}"
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)),
    )
    with opener.open(url, timeout=5) as response:
        body: bytes = response.read()
    return body


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_nobody_knows_is_the_mirror_through_the_proxy(
    ports: dict[str, int], tls: Path, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(f"{scheme}://{NAME}:{ports[scheme]}/a", ports, tls / "ca.pem") == b"through"
    assert f' proxy 127.0.0.1 "{"GET http://" if scheme == "http" else "CONNECT "}{NAME}' in capsys.readouterr().out


def test_what_the_mirror_refuses_is_refused_through_the_proxy(ports: dict[str, int], tls: Path) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"https://{NAME}:{ports['https']}/none", ports, tls / "ca.pem")


def test_nobody_trusts_the_mirror_without_the_labs_authority(ports: dict[str, int]) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        get(f"https://{NAME}:{ports['https']}/a", ports, None)


def test_certificates_are_made_once(tls: Path) -> None:
    before = (tls / "ca.pem").read_bytes()
    assert certificates.ensure(IPv4Address("127.0.0.1")) == tls
    assert (tls / "ca.pem").read_bytes() == before
