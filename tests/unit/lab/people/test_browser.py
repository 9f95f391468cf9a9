# SPDX-License-Identifier: GPL-3.0-or-later
"""How the browser is started."""

from __future__ import annotations

from typing import cast

import pytest
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.remote.webelement import WebElement

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


class Element:
    """An element of a page, whose browser answers or raises."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def is_enabled(self) -> bool:
        if self._error is not None:
            raise self._error
        return True


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (None, False),
        (StaleElementReferenceException(), True),
        (WebDriverException("unhandled inspector error: Node with given id does not belong to the document"), True),
    ],
)
def test_an_element_is_gone_with_its_document(error: Exception | None, gone: bool) -> None:
    assert browser._is_gone(cast(WebElement, Element(error))) is gone


def test_a_browser_that_fails_is_no_sign_of_anything() -> None:
    with pytest.raises(WebDriverException, match="crashed"):
        browser._is_gone(cast(WebElement, Element(WebDriverException("chrome crashed"))))
