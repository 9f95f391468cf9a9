# SPDX-License-Identifier: GPL-3.0-or-later
"""Use JupyterLab as a person does: in a real Chromium without a screen, through SSH or over TLS."""

from __future__ import annotations

import enum
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from lab import host, paths, process, wait
from lab.errors import LabError
from lab.nodes import ssh

CHROMIUM, DRIVER, CERTUTIL = "/usr/bin/chromium", "/usr/bin/chromedriver", "certutil"
#: What the browser showed when it was waited for in vain.
LAST_SIGHT = paths.STATE / "browser.png"

_WAIT_SECONDS = 60
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)

_NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden)"
_RAN = re.compile(r"\[\d+\]:")
_PAGE = """
if (document.readyState !== 'complete') return null;
if (document.querySelector('#password_input')) return 'LOGIN';
if (!document.querySelector('#jupyter-config-data')) return 'OTHER';
return document.querySelector('#jp-main-dock-panel .lm-DockPanel-widget') && 'LAB';
"""
_OUTPUT = """
const areas = [...arguments[0].querySelectorAll('.jp-OutputArea-output')];
const text = (...kinds) =>
  areas.filter(area => kinds.includes(area.dataset.mimeType)).map(area => area.textContent).join('');
const images = [...arguments[0].querySelectorAll('.jp-OutputArea-output :is(img, svg)')];
return {
  ran: arguments[0].querySelector('.jp-InputArea-prompt').textContent,
  text: text('application/vnd.jupyter.stdout', 'text/plain'),
  errors: text('application/vnd.jupyter.stderr'),
  loaded: images.every(image => image.complete ?? true),
  images: images.filter(image => (image.naturalWidth ?? image.getBoundingClientRect().width) > 0).length,
};
"""


class Page(enum.Enum):
    """What an address shows."""

    LAB = "JupyterLab"
    LOGIN = "its login page"
    OTHER = "something else"


@dataclass(frozen=True)
class Output:
    """What a cell printed, its warnings and tracebacks, and how many images it drew."""

    text: str
    errors: str
    images: int


@dataclass(frozen=True)
class Browser:
    """A running Chromium with a profile of its own."""

    driver: Chrome

    def open(self, url: str) -> Page:
        """Go to ``url``, which may hold a token, and return what came up.

        Raises
        ------
        LabError
            Nobody answers there. A certificate that is not trusted brings up a warning, which ``text`` has.
        """
        try:
            self.driver.get(url)
        except WebDriverException as error:
            raise LabError(f"{url.partition('?')[0]}: {error.msg}", "does it answer curl?") from error
        return self._page()

    def log_in(self, secret: str) -> Page:
        """Type a password or a token into the login page, and return what came up: that page again if refused."""
        field = self._one("#password_input")
        field.send_keys(secret, Keys.ENTER)
        self._await(lambda: _is_gone(field), "the login page sends what was typed")
        return self._page()

    @property
    def text(self) -> str:
        """What the page says."""
        return self._one("body").text

    @property
    def kernels(self) -> list[str]:
        """The display names of the kernels that new notebooks can have."""
        return [card.get_attribute("title") or "" for card in self._cards()]

    def new_notebook(self, kernel: str) -> None:
        """Open a notebook with the kernel that has this display name, and wait until it is idle."""
        named = [card for card in self._cards() if card.get_attribute("title") == kernel]
        if not named:
            raise LabError(f"the launcher has no kernel {kernel}", f"it has {', '.join(self.kernels)}")
        try:
            named[0].click()
        except ElementClickInterceptedException as error:
            raise LabError(f"something is in the way: {self.dismiss()}", "fix its cause") from error
        self._await(lambda: self._is_idle(kernel), f"a notebook with the kernel {kernel} opens")

    def dismiss(self) -> list[str]:
        """Close the dialogs that are in the way, and return what they say."""
        said = []
        while found := self.driver.find_elements(By.CSS_SELECTOR, ".jp-Dialog"):
            dialog = found[0]
            said.append(dialog.text)
            dialog.find_element(By.CSS_SELECTOR, "button").send_keys(Keys.ESCAPE)
            self._await(lambda dialog=dialog: _is_gone(dialog), "the dialog closes")  # type: ignore[misc]
        return said

    def run(self, code: str, seconds: float = _WAIT_SECONDS) -> Output:
        """Type ``code`` into the notebook's last cell, run it, and return what is shown below it.

        Raises
        ------
        LabError
            It takes longer than ``seconds``.
        """
        cell = self.driver.find_elements(By.CSS_SELECTOR, f"{_NOTEBOOK} .jp-CodeCell")[-1]
        cell.find_element(By.CSS_SELECTOR, ".cm-content").click()
        self.driver.execute_cdp_cmd("Input.insertText", {"text": code})  # as pasted: typed, the editor would indent it
        self.driver.switch_to.active_element.send_keys(Keys.SHIFT, Keys.ENTER)
        shown: dict[str, Any] = {}

        def is_done() -> bool:
            shown.update(self._script(_OUTPUT, cell))
            return bool(_RAN.fullmatch(shown["ran"])) and shown["loaded"] and self._is_idle()

        self._await(is_done, "the cell ends", seconds)
        return Output(shown["text"], shown["errors"], shown["images"])

    def screenshot(self, path: Path) -> None:
        """Save what the window shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.driver.get_screenshot_as_png())

    def _page(self) -> Page:
        self._await(lambda: self._script(_PAGE) is not None, "the page loads")
        return Page[self._script(_PAGE)]

    def _cards(self) -> list[WebElement]:
        """Return the launcher's cards for notebooks; a launcher is opened where none is in sight."""

        def cards() -> list[WebElement]:
            found = self.driver.find_elements(By.CSS_SELECTOR, '.jp-LauncherCard[data-category="Notebook"]')
            return [card for card in found if card.is_displayed()]

        if not cards():
            self._one("body").send_keys(Keys.CONTROL, Keys.SHIFT, "l")
            self._await(lambda: bool(cards()), "a launcher opens")
        return cards()

    def _is_idle(self, kernel: str = "") -> bool:
        """Read the status bar, which unlike the notebook's own circle knows no idle kernel before there is one."""
        return f"{kernel} | Idle" in self._one("#jp-main-statusbar").text

    def _one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def _script(self, code: str, *arguments: WebElement) -> Any:
        return self.driver.execute_script(code, *arguments)

    def _await(self, condition: Callable[[], bool], what: str, seconds: float = _WAIT_SECONDS) -> None:
        try:
            wait.until(condition, what, f"look at {LAST_SIGHT}", seconds=seconds)
        except LabError:
            self.screenshot(LAST_SIGHT)
            raise


@contextmanager
def opened(*, trusted: Path | None = None, hosts: Mapping[str, str] | None = None) -> Iterator[Browser]:
    """Start a browser.

    Parameters
    ----------
    trusted
        A certificate authority that it trusts, in PEM.
    hosts
        Names that it knows, each with its address.

    Raises
    ------
    LabError
        A program is missing.
    """
    if absent := host.missing({"chromium": CHROMIUM, "chromium-driver": DRIVER, "libnss3-tools": CERTUTIL}):
        raise LabError(f"not installed: {', '.join(absent)}", host.install_command(absent))
    with TemporaryDirectory(prefix="evenkeel-browser-") as home:
        if trusted is not None:
            _trust(Path(home), trusted)
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in arguments(home, hosts or {}):
            options.add_argument(argument)
        service = Service(DRIVER, env={**os.environ, "HOME": home})
        driver = Chrome(options=options, service=service)
        try:
            yield Browser(driver)
        finally:
            driver.quit()


@contextmanager
def tunnel(address: str, to: int | str, user: str = ssh.USER) -> Iterator[str]:
    """Forward a free port of this machine to a port or a Unix socket of the node at ``address``; yields its URL.

    A socket opens for those who may open it, so ``user`` comes in.

    Raises
    ------
    LabError
        SSH did not let it be.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    far_end = f"127.0.0.1:{to}" if isinstance(to, int) else to
    forward = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:{far_end}")
    with subprocess.Popen(ssh.command(address, *forward, user=user), stdin=subprocess.DEVNULL) as running:
        try:
            wait.until(
                lambda: running.poll() is not None or _listens(port),
                f"ssh forwards a port to {far_end} of {address}",
                "is the node up? python -m lab status",
                seconds=_WAIT_SECONDS,
            )
            if running.poll() is not None:
                raise LabError(f"ssh does not forward a port to {far_end} of {address}", "read its words above")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


def arguments(profile: str, hosts: Mapping[str, str]) -> list[str]:
    """Return the browser's command line."""
    rules = ", ".join(f"MAP {name} {address}" for name, address in hosts.items())
    return [*_OPTIONS, f"--user-data-dir={profile}/profile", *([f"--host-resolver-rules={rules}"] if rules else [])]


def _trust(home: Path, authority: Path) -> None:
    """Have the browser whose home this is trust a certificate authority."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    of_it = ("-d", f"sql:{database}")
    remedy = f"is {authority} a certificate in PEM?"
    process.run([CERTUTIL, *of_it, "-N", "--empty-password"], remedy=remedy)
    process.run([CERTUTIL, *of_it, "-A", "-t", "C,,", "-n", authority.name, "-i", authority], remedy=remedy)


def _is_gone(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException as error:  # in the moment in which one document replaces the other
        if "does not belong to the document" not in str(error):
            raise
        return True
    return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
