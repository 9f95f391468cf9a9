# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module makes of its options, and that passwords are in no diff."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import package_mirror

NAMED = {"path": "a", "url": "https://a.example.org"}
NUMBERED = {"path": "a", "url": "http://192.0.2.7"}


def options(**given: Any) -> dict[str, Any]:
    """Return all options, those that are not given as they are by default."""
    defaults = {name: option.get("default") for name, option in package_mirror.ARGUMENT_SPEC.items()}
    return {**defaults, "upstreams": [NAMED], "allow": ["10.0.0.0/8"], **given}


@pytest.fixture(autouse=True)
def resolv_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 192.0.2.53\n")
    monkeypatch.setattr(package_mirror, "RESOLV_CONF", str(file))
    return file


@pytest.mark.parametrize(
    ("given", "resolvers", "verifies"),
    [
        ({}, ("192.0.2.53",), True),
        ({"resolvers": ["192.0.2.54"]}, ("192.0.2.54",), True),
        ({"upstreams": [NUMBERED]}, (), False),
        ({"upstreams": [NUMBERED], "redirects": ["cdn.example.org"]}, ("192.0.2.53",), True),
    ],
)
def test_name_servers_are_there_where_names_are(
    given: Mapping[str, Any], resolvers: tuple[str, ...], verifies: bool
) -> None:
    site = package_mirror.desired(options(**given))
    assert (site.resolvers, site.verifies) == (resolvers, verifies)


def test_without_a_name_server_no_redirect_is_followed(resolv_conf: Path) -> None:
    resolv_conf.unlink()
    site = package_mirror.desired(options(upstreams=[NUMBERED], redirects=["cdn.example.org"]))
    assert (site.redirects, site.resolvers, site.verifies) == ((), (), False)


def test_a_certificate_must_be_there_when_it_is_served(tmp_path: Path) -> None:
    site = package_mirror.desired(options(certificate=str(tmp_path / "c.pem"), key=str(tmp_path / "k.pem")))
    assert package_mirror.certificate_of(site, check_mode=True) == ""
    with pytest.raises(EvenkeelError, match=r"There is no certificate .*c\.pem"):
        package_mirror.certificate_of(site, check_mode=False)
    assert not package_mirror.may_try(site, check_mode=True)


def test_passwords_are_in_no_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_mirror.kept_files, "read", lambda path: None)
    site = package_mirror.desired(options())
    changes = package_mirror.file_changes(site, options(), "ana:$6$salt$hash\n")
    shown = "".join(change.diff()["after"] for change in changes)
    assert "a secret" in shown
    assert "$6$salt" not in shown
    (secret,) = [change.after for change in changes if change.secret]
    assert secret is not None
    assert secret.mode == 0o640
