# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration: which files live how long, what a list belongs to, and who comes in."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import nginx_blocks, nginx_config
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror.site import Upstream

from tests.unit.plugins.module_utils._package_mirror.test_site import CONDA, SITE

HASH = "0123456789abcdef" * 4
PYPI = Upstream("pypi/simple", "https://i.example.org/simple", True, (("https://f.example.org", "pypi/files/f"),))


def kind(path: str) -> str:
    """Return how a path is treated, by the first location that matches, as nginx chooses."""
    patterns = {name: getattr(nginx_blocks, name) for name in ("IMMUTABLE", "SIGNED", "BELONGING")}
    return next((name for name, pattern in patterns.items() if re.search(pattern, path)), "OTHER")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/anaconda/pkgs/main/linux-64/numpy-1.0-0.conda", "IMMUTABLE"),
        ("/anaconda/pkgs/main/linux-64/numpy-1.0-0.tar.bz2", "IMMUTABLE"),
        ("/anaconda/pkgs/main/linux-64/repodata.json", "OTHER"),
        ("/anaconda/pkgs/main/linux-64/repodata.json.zst", "OTHER"),
        ("/anaconda/pkgs/main/linux-64/repodata.json.bz2", "OTHER"),
        ("/anaconda/pkgs/main/linux-64/current_repodata.json", "OTHER"),
        ("/anaconda/cloud/c/linux-64/run_exports.json.zst", "OTHER"),
        ("/anaconda/cloud/c/linux-64/repodata_shards.msgpack.zst", "OTHER"),
        (f"/anaconda/cloud/c/linux-64/shards/{HASH}.msgpack.zst", "IMMUTABLE"),
        ("/anaconda/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh", "IMMUTABLE"),
        ("/anaconda/miniconda/Miniconda3-latest-Linux-x86_64.sh", "OTHER"),
        ("/miniforge/26.3.2-3/Miniforge3-26.3.2-3-Linux-aarch64.sh", "IMMUTABLE"),
        ("/miniforge/latest/Miniforge3-Linux-x86_64.sh", "OTHER"),
        ("/pypi/packages/a/idna-3.20-py3-none-any.whl", "IMMUTABLE"),
        ("/pypi/packages/a/idna-3.20-py3-none-any.whl.metadata", "IMMUTABLE"),
        ("/pypi/packages/a/idna-3.20.tar.gz", "IMMUTABLE"),
        ("/pypi/simple/idna/", "OTHER"),
        ("/debian/dists/bookworm/InRelease", "SIGNED"),
        ("/debian/dists/bookworm/Release", "SIGNED"),
        ("/debian/dists/bookworm/Release.gpg", "BELONGING"),
        ("/debian/dists/bookworm/main/binary-amd64/Packages.xz", "BELONGING"),
        ("/debian/dists/bookworm/main/i18n/Translation-en.xz", "BELONGING"),
        (f"/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/{HASH}", "IMMUTABLE"),
        ("/debian/pool/main/b/brotli/brotli_1.0.9-2+b6_amd64.deb", "IMMUTABLE"),
        ("/nvidia/cuda/debian12/x86_64/InRelease", "SIGNED"),
        ("/nvidia/cuda/debian12/x86_64/Packages.gz", "BELONGING"),
        ("/nvidia/cuda/debian12/x86_64/cuda-keyring_1.1-1_all.deb", "IMMUTABLE"),
        ("/nvidia/cuda/rhel9/x86_64/D42D0685.pub", "OTHER"),
        ("/nvidia/cuda/rhel9/x86_64/repodata/repomd.xml", "SIGNED"),
        ("/nvidia/cuda/rhel9/x86_64/repodata/repomd.xml.asc", "BELONGING"),
        ("/nvidia/cuda/rhel9/x86_64/repodata/primary.xml.gz", "BELONGING"),
        (f"/nvidia/cuda/rhel9/x86_64/repodata/{HASH}-primary.xml.gz", "IMMUTABLE"),
        ("/nvidia/cuda/rhel9/x86_64/nvidia-driver-580.rpm", "IMMUTABLE"),
        ("/nvidia/tesla/580.1/NVIDIA-Linux-x86_64-580.1.run", "IMMUTABLE"),
    ],
)
def test_names_decide_how_long_a_file_is_kept(path: str, expected: str) -> None:
    assert kind(path) == expected


def signed_by(path: str) -> str:
    """Return the signed file of a list, by the map in the configuration."""
    block = nginx_blocks.MAPS.partition("map $uri $evenkeel_signed_by {")[2].partition("}\n#")[0]
    for pattern, name, rest in re.findall(r'"~(\S+)" \$(\w+)(\S+);', block):
        found = re.search(pattern.replace("(?<", "(?P<"), path)
        if found:
            return str(found[name]) + str(rest)
    return ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/debian/dists/bookworm/main/binary-amd64/Packages.xz", "/debian/dists/bookworm/InRelease"),
        ("/debian/dists/bookworm/updates/main/source/Sources.xz", "/debian/dists/bookworm/updates/InRelease"),
        ("/debian/dists/bookworm/Release.gpg", "/debian/dists/bookworm/InRelease"),
        ("/debian/dists/bookworm/main/Contents-amd64.gz", "/debian/dists/bookworm/InRelease"),
        ("/nvidia/cuda/debian12/x86_64/Packages.gz", "/nvidia/cuda/debian12/x86_64/InRelease"),
        ("/nvidia/cuda/rhel9/x86_64/repodata/repomd.xml.asc", "/nvidia/cuda/rhel9/x86_64/repodata/repomd.xml"),
    ],
)
def test_a_list_belongs_to_what_signs_it(path: str, expected: str) -> None:
    assert kind(path) == "BELONGING"
    assert signed_by(path) == expected


def test_only_declared_upstreams_are_asked() -> None:
    text = nginx_config.render(replace(SITE, upstreams=(Upstream("a", "https://e.org/x"), PYPI)), "")
    inner = text[text.index("server_name evenkeel;") :]
    targets = set(re.findall(r"proxy_pass (\S+);", text))
    assert {target for target in targets if not target.startswith("http://127.0.0.1:8009")} == {
        "$evenkeel_origin",
        "$evenkeel_target",
    }
    assert re.findall(r"set \$evenkeel_origin (h\S+);", inner) == ["https://e.org", "https://i.example.org"]
    assert re.findall(r"location / \{\n\s*return (\d+);", inner) == ["404"]
    assert '"^/a/(.*)$" "/x/$1?" break;' in inner


@pytest.mark.parametrize(
    ("target", "followed"),
    [
        ("https://conda.example.org/x", True),
        ("http://conda.example.org/x", False),
        ("http://old.example.org/x", True),
        ("https://old.example.org/x", True),
        ("https://cdn.example.org/x", True),
        ("http://cdn.example.org/x", False),
        ("https://cdn.example.org.evil.test/x", False),
        ("https://169.254.169.254/x", False),
    ],
)
def test_redirects_are_followed_to_known_hosts_alone(target: str, followed: bool) -> None:
    upstreams = (CONDA, Upstream("old", "http://old.example.org/debian"))
    text = nginx_config.render(replace(SITE, upstreams=upstreams, redirects=("cdn.example.org",)), "")
    block = text.partition("map $upstream_http_location $evenkeel_redirected {")[2].partition("\n}")[0]
    patterns = re.findall(r'"~(\S+)" \$upstream_http_location;', block)
    assert any(re.search(pattern, target) for pattern in patterns) is followed


def test_links_of_an_index_are_rewritten() -> None:
    text = nginx_config.render(replace(SITE, upstreams=(PYPI,)), "")
    assert "sub_filter 'https://f.example.org/' '/pypi/files/f/';" in text
    assert "location ^~ /pypi/simple/ {" in text
    assert "sub_filter" not in nginx_config.render(SITE, "")


def test_links_that_begin_with_a_path_are_rewritten_where_they_begin() -> None:
    text = nginx_config.render(replace(SITE, upstreams=(replace(PYPI, links=(("/files", "pypi/files/i"),)),)), "")
    assert """sub_filter '"/files/' '"/pypi/files/i/';""" in text


def test_networks_come_in_and_others_with_a_password() -> None:
    alone = nginx_config.render(SITE, "")
    assert "    allow 10.0.0.0/8;\n    deny all;\n" in alone
    assert "auth_basic_user_file" not in alone
    both = nginx_config.render(replace(SITE, users=True), "")
    assert 'geo $evenkeel_realm {\n    default "Packages";\n    10.0.0.0/8 off;\n}' in both
    assert "auth_basic $evenkeel_realm;" in both
    assert "deny all" not in both


def test_upstreams_certificates_are_verified() -> None:
    assert "proxy_ssl_verify on;" in nginx_config.render(SITE, "")
    assert "proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;" in nginx_config.render(SITE, "")


def test_the_health_changes_with_all_that_nginx_reads() -> None:
    first = nginx_config.digest(SITE, "certificate", "users")
    assert first == nginx_config.digest(SITE, "certificate", "users")
    assert len({first, nginx_config.digest(SITE, "other", "users"), nginx_config.digest(SITE, "certificate", "")}) == 3
    assert first != nginx_config.digest(replace(SITE, size=1), "certificate", "users")
