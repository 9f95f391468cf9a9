# SPDX-License-Identifier: GPL-3.0-or-later
"""How the browser is started."""

from __future__ import annotations

import pytest

from lab import host
from lab.errors import LabError
from lab.people import browser


def test_every_browser_has_a_profile_of_its_own() -> None:
    assert "--user-data-dir=/profiles/one/profile" in browser.arguments("/profiles/one", {})


@pytest.mark.parametrize(
    ("hosts", "rules"),
    [
        pytest.param({}, [], id="none"),
        pytest.param(
            {"a.test": "10.0.0.1", "b.test": "10.0.0.2"},
            ["--host-resolver-rules=MAP a.test 10.0.0.1, MAP b.test 10.0.0.2"],
            id="two",
        ),
    ],
)
def test_names_it_knows(hosts: dict[str, str], rules: list[str]) -> None:
    found = [argument for argument in browser.arguments("/profiles/one", hosts) if "resolver" in argument]
    assert found == rules


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "missing", list)
    with pytest.raises(LabError, match=r"install .*chromium chromium-driver"), browser.opened():
        pass
