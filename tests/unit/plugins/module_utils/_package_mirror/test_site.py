# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mirror serves has forms in which nothing means something else to nginx."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import site as sites
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror.site import Site, Upstream

CONDA = Upstream("anaconda", "https://conda.example.org")
SITE = Site(
    addresses=("0.0.0.0",),  # noqa: S104
    port=8008,
    inner_port=8009,
    upstreams=(CONDA,),
    cache="/var/cache/evenkeel/package_mirror",
    size=200,
    keep_days=365,
    allow=("10.0.0.0/8",),
    resolvers=("192.0.2.53",),
    ca_bundle="/etc/ssl/certs/ca-certificates.crt",
)


@pytest.mark.parametrize(
    ("url", "host", "base", "origin"),
    [
        ("https://e.example.org/", "e.example.org", "", "https://e.example.org"),
        ("http://192.0.2.7:8080/a/b+c", "192.0.2.7", "/a/b+c", "http://192.0.2.7:8080"),
        ("http://[fd00::1]:80/x", "fd00::1", "/x", "http://[fd00::1]:80"),
    ],
)
def test_upstreams_have_parts(url: str, host: str, base: str, origin: str) -> None:
    (found,) = sites.upstreams([{"path": "/a/b/", "url": url}])
    assert (found.path, found.host, found.base, found.origin) == ("a/b", host, base, origin)


@pytest.mark.parametrize(
    ("path", "url", "words"),
    [
        ("a b", "https://e.org", "can't be a path"),
        ("../etc", "https://e.org", "can't be a path"),
        ("a//b", "https://e.org", "can't be a path"),
        ("", "https://e.org", "can't be a path"),
        ("healthz", "https://e.org", "can't be a path"),
        ("evenkeel/signature", "https://e.org", "can't be a path"),
        ('a"; }', "https://e.org", "can't be a path"),
        ("a", "file:///etc", "not a plain URL"),
        ("a", "https://", "not a plain URL"),
        ("a", "https://e.org:port/", "not a plain URL"),
        ("a", "https://e.org/$uri", "not a plain URL"),
        ("a", "https://e.org/a b", "not a plain URL"),
        ("a", 'https://e.org/";', "not a plain URL"),
        ("a", "https://ops:s3cret@e.org/", "not a plain URL"),
        ("a", "https://e.org/?x=1", "has a query"),
    ],
)
def test_what_nginx_could_misunderstand_is_refused(path: str, url: str, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words) as error:
        sites.upstreams([{"path": path, "url": url}])
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("link", "right"),
    [("https://f.example.org/x", True), ("/files", True), ("/fi les", False), ("//f.example.org", False), ("x", False)],
)
def test_links_begin_with_a_host_or_a_path(link: str, right: bool) -> None:
    given = [{"path": "simple", "url": "https://e.org/simple", "links": {link: "files"}}]
    if right:
        assert sites.upstreams(given)[0].links == ((link, "files"),)
    else:
        with pytest.raises(EvenkeelError, match="not a plain URL"):
            sites.upstreams(given)


def test_one_path_has_one_upstream() -> None:
    with pytest.raises(EvenkeelError, match=r"a has two upstreams, https://e\.org and https://f\.org"):
        sites.upstreams([{"path": "a", "url": "https://e.org"}, {"path": "a/", "url": "https://f.org"}])
    with pytest.raises(EvenkeelError, match="nothing to mirror"):
        sites.upstreams([])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"size": 0}, "size is 0.*package_mirror_cache_size of the role"),
        ({"keep_days": 0}, "keep_days is 0.*package_mirror_keep_days of the role"),
        ({"allow": ("10.0.0.1/8",)}, "'10.0.0.1/8', which is not a network"),
        ({"allow": ("all; }",)}, "not a network"),
        ({"allow": ()}, "Nobody may use the mirror"),
        ({"redirects": ("e.org; }",)}, "not a host"),
        ({"upstreams": (Upstream("a", "https://192.0.2.7/a"),)}, "a is https://192.0.2.7/a, and nginx can't check"),
        ({"addresses": ("mirror",)}, "'mirror' is not an IP address"),
        ({"resolvers": ()}, r"no name server, by which nginx would find conda\.example\.org"),
        ({"resolvers": ("ns.example.org",)}, "not an IP address"),
        ({"cache": "/var/cache/a b"}, "not a plain absolute path"),
        ({"cache": "cache"}, "not a plain absolute path"),
    ],
)
def test_a_site_that_would_not_work_is_refused(changed: dict[str, Any], words: str) -> None:
    sites.check(SITE)
    with pytest.raises(EvenkeelError, match=words):
        sites.check(replace(SITE, **changed))


def test_passwords_alone_let_people_in() -> None:
    sites.check(replace(SITE, allow=(), users=True))
    assert sites.passwords([{"name": "bo", "hash": "$6$a$b"}, {"name": "ana", "hash": "$5$c$d"}]) == (
        "ana:$5$c$d\nbo:$6$a$b\n"
    )
    assert sites.passwords([]) == ""


@pytest.mark.parametrize(
    ("name", "hashed", "words"),
    [("a:b", "$6$a$b", "the name 'a:b'"), ("ana", "secret", "of the user ana"), ("ana", "$6$a$b\nx:y", "user ana")],
)
def test_a_password_itself_is_no_hash_and_is_not_shown(name: str, hashed: str, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words) as error:
        sites.passwords([{"name": name, "hash": hashed}])
    assert hashed not in str(error.value)


def test_name_servers_are_read() -> None:
    lines = ["# nameserver 192.0.2.1", "nameserver 192.0.2.53", "search example.org"]
    lines += ["nameserver fe80::1%eth0", "nameserver fd00::53", ""]
    assert sites.name_servers("\n".join(lines)) == ["192.0.2.53", "fd00::53"]
