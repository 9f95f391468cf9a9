# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration for a full copy: the files of the copy, for the same clients, and no upstream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import nginx_config, package_mirror, site
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror.site import Upstream

from tests.unit.plugins.module_utils._package_mirror.test_site import SITE

COPY = replace(SITE, copy="/var/lib/evenkeel/site_copy", resolvers=())


def test_the_tree_in_use_is_served_and_no_upstream_is_asked() -> None:
    text = nginx_config.render(COPY, "abc")
    assert "root /var/lib/evenkeel/site_copy/current/tree;" in text
    assert "proxy_" not in text
    assert 'return 200 "abc\\n";' in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "    allow "),
        ({"users": True}, "auth_basic_user_file"),
        ({"certificate": "/c.pem", "key": "/k.pem", "port": 8443}, "listen 0.0.0.0:8443 ssl default_server;"),
        ({"addresses": ("::",)}, "listen [::]:"),
    ],
)
def test_it_is_for_the_same_clients_as_a_cache(change: dict[str, object], words: str) -> None:
    changed = replace(COPY, **change)  # type: ignore[arg-type]
    assert words in nginx_config.render(changed, "")
    assert words in nginx_config.render(replace(changed, copy=""), "")


def test_a_copy_needs_no_name_server_and_no_certificate_of_an_upstream() -> None:
    named = Upstream("conda", "https://conda.example.org")
    by_address = Upstream("debian", "https://192.0.2.1/debian")
    site.check(replace(COPY, upstreams=(named, by_address)))
    with pytest.raises(EvenkeelError):
        site.check(replace(COPY, copy="", upstreams=(named,)))


def test_a_copy_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    lacking = replace(COPY, copy=str(tmp_path))
    assert [str(tmp_path) in warning for warning in package_mirror.lacks_copy(lacking)] == [True]
    (tmp_path / "current" / "tree").mkdir(parents=True)
    assert package_mirror.lacks_copy(lacking) == package_mirror.lacks_copy(replace(COPY, copy="")) == []


def test_a_folder_that_nginx_would_misread_is_refused() -> None:
    with pytest.raises(EvenkeelError, match="not a plain absolute path"):
        site.check(replace(COPY, copy="/srv/a;b"))
