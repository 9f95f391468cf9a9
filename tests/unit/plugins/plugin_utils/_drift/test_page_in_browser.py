# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a drift report as people use it: in Chromium, from a file, by mouse and keyboard, on phone and paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import quote

import axe_core_python
import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement

from lab.people import browser
from maintenance.made_up_fleet import fleet

AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text()
SAMPLE = Path(__file__).with_name("sample_report.json")
DESKTOP, PHONE = (1400, 1000), (360, 780)
SCHEMES = ("light", "dark")

#: Texts with the colour and the background that they have in fact, and the size that their contrast depends on.
TEXTS = """
const backgrounds = (element) => {
  const found = [];
  for (let one = element; one; one = one.parentElement) found.push(getComputedStyle(one).backgroundColor);
  return found;
};
const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
return [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !one.closest(".sr, .skip, script") && hasText(one))
  .map((one) => ({ text: one.textContent, color: getComputedStyle(one).color, backgrounds: backgrounds(one) }));
"""
VISIBLE = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility())"
MARKS = """
return [...document.querySelectorAll("fieldset .mark")].map((mark) => {
  const style = getComputedStyle(mark);
  return { sign: mark.textContent, color: style.color, background: style.backgroundColor,
    shape: [style.borderTopStyle, style.borderTopLeftRadius, style.borderTopColor === style.backgroundColor].join() };
});
"""
#: How people without one kind of cones see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
SIGHTS = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}

Found = dict[str, Any]
Colour = tuple[float, float, float]


class Page:
    """A page that is open in the browser."""

    def __init__(self, driver: Chrome, file: Path) -> None:
        self.driver = driver
        self._file = file

    def open(self, hash_: str = "", size: tuple[int, int] = DESKTOP, scheme: str = "light", media: str = "") -> None:
        """Load the page anew, as on a screen or paper of this kind."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        self.driver.get("about:blank")
        self.driver.get(f"{self._file.as_uri()}{hash_}")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return what it does."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Return what a selector finds and a person sees."""
        found: list[WebElement] = self.run(VISIBLE, selector)
        return found

    def texts(self, selector: str) -> list[str]:
        """Return the texts of what a selector finds and a person sees, each as one line."""
        found: list[str] = self.run(f"{VISIBLE}.map((one) => one.innerText.replace(/\\s+/g, ' ').trim())", selector)
        return found

    def one(self, selector: str) -> WebElement:
        """Return the only element that a selector finds and a person sees."""
        (found,) = self.all(selector)
        return found

    def link(self, host: str) -> WebElement:
        """Return the link of a host."""
        return self.one(f'tr[data-host="{host}"] th a')

    def cell(self, host: str, layer: str) -> WebElement:
        """Return the link of a host's layer."""
        return self.one(f'tr[data-host="{host}"] a[href$="at={quote(layer, safe="")}"]')

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def type(self, text: str) -> None:
        """Type into the field of texts, in place of what is in it."""
        field = self.one("input[type=search]")
        field.clear()
        field.send_keys(text)

    @property
    def hosts(self) -> list[str]:
        """The hosts that have a row of their own in sight."""
        found: list[str] = self.run(f"{VISIBLE}.map((row) => row.dataset.host)", "tr[data-host]")
        return found

    @property
    def count(self) -> str:
        """What is said of the number of hosts."""
        return self.one("#count").text

    @property
    def hash(self) -> str:
        """The end of the page's URL."""
        return str(self.run("return location.hash"))

    @property
    def focused(self) -> WebElement:
        """The element with the focus."""
        return self.driver.switch_to.active_element

    def faults(self) -> list[str]:
        """Return what axe-core finds."""
        self.run(AXE)
        self.driver.set_script_timeout(60)
        found = self.driver.execute_async_script("axe.run(document).then(arguments[0])")
        return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]

    def console(self) -> list[str]:
        """Return what the browser has said since it was asked last."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    with browser.opened() as opened:
        yield opened.driver


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sample report, with a history in which hosts began to differ on the days of their ``since``."""
    report = json.loads(SAMPLE.read_text())
    history = []
    for day in range(20, 29):
        created = f"2026-11-{day}T02:00:11+00:00"
        equal = {"state": "equal", "digest": "e" * 16}
        hosts = {name: host if (host["since"] or "3") <= created else equal for name, host in report["hosts"].items()}
        history.append({"created": created, "hosts": hosts})
    file = tmp_path_factory.mktemp("drift") / "report.html"
    file.write_text(page.render(report, history))
    return file


@pytest.fixture
def sheet(chromium: Chrome, written: Path) -> Page:
    found = Page(chromium, written)
    found.open()
    found.console()
    return found


@pytest.fixture(scope="module")
def large(chromium: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of 500 hosts, 50 of which differ."""
    file = tmp_path_factory.mktemp("large") / "report.html"
    file.write_text(page.render(*fleet(500, 50)))
    return Page(chromium, file)


def test_the_page_loads_without_a_word_in_the_console(sheet: Page) -> None:
    sheet.open()
    assert sheet.console() == []
    assert sheet.run("return document.documentElement.classList.contains('live')")


@pytest.mark.parametrize(
    "script",
    [
        "const one = document.createElement('script'); one.text = 'window.broken = 1'; document.body.append(one)",
        "document.body.innerHTML = '<img src=x onerror=\"window.broken = 1\">'",
        "const one = document.createElement('a'); one.setAttribute('onclick', 'window.broken = 1'); "
        "document.body.append(one); one.click()",
        "location.href = 'javascript:window.broken=1'",
    ],
)
def test_what_gets_into_the_page_does_not_run(sheet: Page, script: str) -> None:
    sheet.run(f"try {{ {script} }} catch (error) {{ if (!(error instanceof TypeError)) throw error }}")
    assert sheet.run("return window.broken") is None
    assert [
        line
        for line in sheet.console()
        if "Content Security Policy" in line or "TrustedHTML" in line or "Trusted" in line
    ]


def test_nothing_is_asked_for_outside(sheet: Page) -> None:
    asked = """
      const done = arguments[0], refused = [];
      addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
      const image = new Image(); image.src = "http://wheels.example/a.png";
      const sheet = document.createElement("link"); sheet.rel = "stylesheet"; sheet.href = "http://wheels.example/a.css";
      document.head.append(sheet);
      fetch("http://wheels.example/").catch(() => setTimeout(() => done(refused.sort())));
    """
    assert sheet.run("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    assert sheet.driver.execute_async_script(asked) == ["connect-src", "img-src", "style-src-elem"]


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>window.broken=1</script>",
        "<img src=x onerror=window.broken=1>",
        "\"'><svg onload=window.broken=1>",
        "<!--<script>\u2028&lt;&amp;%3C#&=+",
        "\u202egnp.exe",
    ],
)
def test_what_nodes_say_is_text(chromium: Chrome, tmp_path: Path, text: str) -> None:
    report = json.loads(SAMPLE.read_text())
    host = report["hosts"].pop("gpu5")
    host["layers"]["driver"]["changes"][0] = {"what": text, "why": [text], "diff": f"-{text}\n+{text}"}
    host["layers"]["driver"].update(problems=[text], unknown=[text], notes=[text], found={text: text})
    host.update(reboot=[text], restarts=[text], groups=[text], release=text)
    report["hosts"][text] = host
    file = tmp_path / "report.html"
    file.write_text(page.render(report, []))
    sheet = Page(chromium, file)
    sheet.open()
    sheet.console()
    sheet.run("[...document.querySelectorAll('th bdi')].find((one) => one.textContent === arguments[0]).click()", text)
    shown = sheet.run("return document.querySelector('section.detail').textContent")
    assert shown.count(text) >= 10
    address = sheet.hash
    sheet.open(address)
    assert sheet.run("return document.querySelector('section.detail h3').textContent").count(text) == 1
    assert sheet.run("return window.broken") is None
    assert sheet.console() == []


def test_hosts_stand_by_digest_and_the_line_of_a_group_says_what_differs(sheet: Page) -> None:
    lines = sheet.texts("tr.group")
    assert len(lines) == 7
    assert lines[0].startswith("Largest group 3 of 12")
    assert "unlike ae04eb79 Environment ai-dev: 27aa96a0 instead of 47e9658b" in lines[2]
    assert lines[-1] == "Not surveyed 2 of 12"


@pytest.mark.parametrize(
    ("states", "layer", "text", "hosts"),
    [
        (["drifted"], "", "", ["gpu3", "gpu4", "gpu5"]),
        (["unknown", "unreachable"], "", "", ["gpu9", "gpu12", "gpu6", "gpu11"]),
        (["pending"], "", "", ["gpu4", "gpu5"]),
        ([], "Driver", "", ["gpu5", "gpu6", "gpu11"]),
        (["equal"], "Environment llm", "", ["gpu1", "gpu2", "gpu3", "gpu4", "gpu5"]),
        (["drifted"], "Environment ai-dev", "", ["gpu3", "gpu4"]),
        ([], "", "Ampere", ["gpu7", "gpu8", "gpu10", "gpu9", "gpu12"]),
        ([], "", "numpy 2.3.5", ["gpu3", "gpu4"]),
        ([], "", "no route to HOST", ["gpu6"]),
        ([], "", "570.195.03", ["gpu5"]),
        (["equal"], "", "hopper gpu1", ["gpu1"]),
        ([], "", "no such thing", []),
    ],
)
def test_filters(sheet: Page, states: list[str], layer: str, text: str, hosts: list[str]) -> None:
    for state in states:
        sheet.one(f"input[value={state}]").click()
    if layer:
        sheet.one("select").send_keys(layer)
    if text:
        sheet.type(text)
    assert sheet.hosts == hosts
    assert sheet.count == f"{len(hosts)} of 12 hosts"
    address = sheet.hash
    sheet.open(address)
    assert (sheet.hosts, sheet.hash) == (hosts, address)
    assert [one.get_attribute("value") for one in sheet.all("input:checked")] == sorted(
        states, key=[*page.MARKS, "pending"].index
    )
    sheet.one("button[type=reset]").click()
    assert (len(sheet.hosts), sheet.count) == (12, "12 hosts")


def test_the_number_of_hosts_is_announced(sheet: Page) -> None:
    assert sheet.one("#count").get_attribute("role") == "status"


@pytest.mark.parametrize("way", ["click", "Enter"])
def test_the_difference_opens_and_closes(sheet: Page, way: str) -> None:
    link = sheet.cell("gpu5", "driver")
    if way == "click":
        link.click()
    else:
        sheet.run("arguments[0].focus()", link)
        sheet.press(Keys.ENTER)
    detail = sheet.one("section.detail")
    assert "+nvidia-driver-580-server-open 580.178.04-0ubuntu0.24.04.1" in detail.text
    assert "condarc" not in detail.text
    assert link.get_attribute("aria-expanded") == "true"
    assert sheet.hash == "#host=gpu5&at=driver"
    if way == "click":
        link.click()
    else:
        sheet.press(Keys.TAB)
        sheet.press(Keys.ESCAPE)
    assert sheet.all("section.detail") == []
    assert sheet.hash == ""
    assert link.get_attribute("aria-expanded") is None
    assert sheet.focused == link


def test_the_button_closes_and_gives_the_focus_back(sheet: Page) -> None:
    link = sheet.link("gpu6")
    link.click()
    sheet.one("button.close").click()
    assert sheet.all("section.detail") == []
    assert sheet.focused == link


def test_a_host_opens_with_all_that_is_known(sheet: Page) -> None:
    sheet.link("gpu5").click()
    text = sheet.one("section.detail").text
    words = [
        "The kernel 6.8.0-88-generic is installed, and 6.8.0-71-generic runs",
        "2026-11-22 02:00 UTC",
        "Ubuntu 24.04",
        "8x H100 80GB HBM3",
        "gpu_nodes, hopper, rack_a",
        "570.195.03",
        "580.178.04",
        '-  - https://conda.example/<script>alert("&amp;")</script>/\\u202egnp.lmth',
        "lin: /home/lin is full",
        "12.8, 13.0",
    ]
    assert [word for word in words if word not in text] == []
    sheet.link("gpu3").click()
    text = sheet.one("section.detail").text
    assert "environments/ai-dev/conda-lock.yml, commit 6e610d36fcba, SHA-256 72f0332c42fa" in text
    sheet.link("gpu1").click()
    assert "applied at 2026-11-29 01:41 UTC, has fbae041b02c4" in sheet.one("section.detail").text


def test_the_timeline_of_a_host(sheet: Page) -> None:
    sheet.open("#host=gpu5")
    assert [line.replace("\u2013", "to") for line in sheet.texts(".stretches li")] == [
        "≠ drifted 2026-11-22 02:00 to 2026-11-29 02:00 8 reports 28091189",
        "= equal 2026-11-20 02:00 to 2026-11-21 02:00 2 reports eeeeeeee",
    ]
    widths = [part.size["width"] for part in sheet.all(".strip .mark")]
    assert widths[1] > 2 * widths[0]


def test_an_environment_says_where_its_build_came_from(sheet: Page) -> None:
    sheet.cell("gpu3", "environment:ai-dev").click()
    said = "Built 2026-11-20 14:05 UTC by Evenkeel 0.2.0 of environments/ai-dev/conda-lock.yml, commit 1a1a1a1a1a1a, "
    assert said + "signed by ana@site.example, from http://mirror.site" in sheet.one("section.detail").text


def test_a_permalink_opens_what_it_opened(sheet: Page) -> None:
    sheet.one("input[value=drifted]").click()
    sheet.cell("gpu5", "condarc").click()
    address = sheet.hash
    before = sheet.one("section.detail").text
    sheet.open(address, size=(1400, 400))
    assert sheet.one("section.detail").text == before
    assert sheet.hosts == ["gpu3", "gpu4", "gpu5"]
    top = sheet.run("return document.querySelector('section.detail').getBoundingClientRect().top")
    assert 0 <= top < 400
    sheet.run(
        "const moved = new Promise((done) => addEventListener('hashchange', () => done(), { once: true }));"
        "location.hash = '#host=gpu9'; return moved"
    )
    assert "It took longer than 60 seconds" in sheet.one("section.detail").text
    assert len(sheet.hosts) == 12


@pytest.mark.parametrize(
    "hash_", ["#host=gone", "#host=gpu1&at=gone", "#state=gone", "#layer=gone", "#%", "#host=gpu1&state=drifted"]
)
def test_a_permalink_that_leads_nowhere_breaks_nothing(sheet: Page, hash_: str) -> None:
    sheet.open(hash_)
    sheet.one("button[type=reset]").click()
    assert len(sheet.hosts) == 12
    assert sheet.console() == []


def test_hosts_that_are_alike_are_one_row_until_it_is_opened(large: Page) -> None:
    large.open()
    assert "450 hosts alike" in large.texts("tr.bundle")[0]
    assert len(large.hosts) < 50
    button = large.all("tr.bundle button")[0]
    assert button.get_attribute("aria-expanded") == "false"
    large.run("arguments[0].focus()", button)
    large.press(Keys.ENTER)
    assert button.get_attribute("aria-expanded") == "true"
    assert len(large.hosts) >= 450
    large.press(Keys.ENTER)
    assert len(large.hosts) < 50


def test_a_host_that_is_in_no_row_of_its_own_is_found_and_opens(large: Page) -> None:
    large.open()
    (name, *_) = large.run(
        "return [...document.querySelectorAll('tr[data-host][hidden]')].map((row) => row.dataset.host)"
    )
    large.type(name)
    assert large.hosts == [name]
    assert large.count == "1 of 500 hosts"
    large.open(f"#host={name}")
    assert name in large.one("section.detail h3").text
    assert "450" in large.one("tr.bundle:has(+ .names + .detail)").text


def test_five_hundred_hosts_need_few_elements_and_details_come_when_they_are_opened(large: Page) -> None:
    large.open()
    before = large.run("return document.querySelectorAll('*').length")
    assert before < 500 * 40
    assert large.all(".diff") == []
    large.all("#hosts td a")[0].click()
    assert large.run("return document.querySelectorAll('*').length") < before + 500
    large.one("button.close").click()
    assert large.run("return document.querySelectorAll('*').length") == before


@pytest.mark.parametrize("scheme", SCHEMES)
def test_states_differ_by_sign_and_shape_and_to_all_eyes(sheet: Page, scheme: str) -> None:
    sheet.open(scheme=scheme)
    marks = sheet.run(MARKS)
    assert len({mark["sign"] for mark in marks}) == 5
    equal, *others, _ = marks
    assert len({mark["shape"] for mark in others}) == 3
    assert equal["background"] == "rgba(0, 0, 0, 0)"
    seen = [rgb(mark["background"]) or rgb(mark["color"]) for mark in others]
    for matrix in SIGHTS.values():
        for one, other in combinations([seen_as(colour, matrix) for colour in seen if colour], 2):
            assert sum((a - b) ** 2 for a, b in zip(lab(one), lab(other), strict=True)) ** 0.5 > 20


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_texts_have_contrast(sheet: Page, scheme: str, size: tuple[int, int]) -> None:
    sheet.open("#state=drifted,unknown,unreachable&host=gpu5", size, scheme)
    texts = sheet.run(TEXTS)
    assert len(texts) > 100
    poor = []
    for one in texts:
        background = next(filter(None, map(rgb, one["backgrounds"])))
        ratio = contrast(rgb(one["color"]) or (0, 0, 0), background)
        if ratio < 4.5:
            poor.append((round(ratio, 2), one["text"]))
    assert poor == []


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("hash_", ["", "#host=gpu5", "#host=gpu6&text=route", "#text=nothing%20such"])
def test_axe_finds_nothing(sheet: Page, hash_: str, size: tuple[int, int], scheme: str) -> None:
    sheet.open(hash_, size, scheme)
    assert sheet.faults() == []


def test_what_a_screen_reader_needs(sheet: Page) -> None:
    sheet.open("#host=gpu5")
    assert sheet.run("return document.documentElement.lang") == "en"
    assert sheet.run("return [...document.querySelectorAll('table')].every((table) => table.caption || table.tHead)")
    assert (
        sheet.run(
            "return [...document.querySelectorAll('th')].filter((head) => !head.scope).map((one) => one.outerHTML)"
        )
        == []
    )
    for selector in ("header", "main", "footer", "form[role=search]"):
        assert (
            sheet.run("return document.querySelectorAll(arguments[0]).length", f"body > {selector}, main > {selector}")
            == 1
        )
    names = sheet.run("return [...document.querySelectorAll('#hosts td a')].map((link) => link.textContent)")
    assert "≠Driver: drifted, gpu5" in names
    assert len(set(names)) == len(names)


def test_everything_is_reached_by_the_keyboard_and_seen_there(sheet: Page) -> None:
    sheet.open("#host=gpu5")
    stops = "a[href], button, input, select, [tabindex='0']"
    expected = len([one for one in sheet.all(stops) if one.get_attribute("class") != "skip"]) + 1
    reached: list[WebElement] = []
    sheet.press(Keys.TAB)
    while sheet.focused.tag_name != "body" and len(reached) <= expected:
        reached.append(sheet.focused)
        style = sheet.run(
            "const s = getComputedStyle(arguments[0]); return [s.outlineStyle, s.outlineWidth]", sheet.focused
        )
        assert style == ["solid", "2px"], sheet.focused.get_attribute("outerHTML")
        sheet.press(Keys.TAB)
    assert len(reached) == expected
    assert reached[0].get_attribute("class") == "skip"


def test_what_has_the_focus_is_not_hidden_below_the_head(large: Page) -> None:
    large.open("#state=drifted", (1400, 500))
    link = large.all("tr.bundle button")[-1]
    large.run("scrollBy(0, arguments[0].getBoundingClientRect().top - 60)", link)
    top = "return arguments[0].getBoundingClientRect().top"
    head = large.run("return document.querySelector('.matrix thead th').getBoundingClientRect().bottom")
    assert large.run(top, link) < head
    large.run("arguments[0].focus()", link)
    assert large.run(top, link) >= head


@pytest.mark.parametrize("hash_", ["", "#host=gpu5", "#host=gpu3", "#host=gpu6"])
def test_a_phone_scrolls_down_only(sheet: Page, hash_: str) -> None:
    sheet.open(hash_, PHONE)
    assert sheet.run("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    right = sheet.run(
        "return Math.max(...[...document.querySelectorAll('#hosts *, form *')].filter((one) => one.checkVisibility()"
        " && !one.closest('.sr, thead')).map((one) => one.getBoundingClientRect().right))"
    )
    assert right <= 360
    assert sheet.texts('tr[data-host="gpu5"] td .layer') == ["Driver", "Kernel", ".condarc", "Jupyter"]


@pytest.mark.parametrize("hash_", ["", "#state=drifted&text=gpu"])
def test_a_phone_shows_a_large_fleet(large: Page, hash_: str) -> None:
    large.open(hash_, PHONE)
    assert large.run("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    assert large.all(".names") == []


def test_a_phone_bears_long_names(chromium: Chrome, tmp_path: Path) -> None:
    report = json.loads(SAMPLE.read_text())
    report["hosts"] = {f"{name}.{'very-long-name' * 12}.example": host for name, host in report["hosts"].items()}
    report["site"]["path"] = "/srv/" + "inventories" * 12
    file = tmp_path / "report.html"
    file.write_text(page.render(report, []))
    sheet = Page(chromium, file)
    sheet.open(f"#host={next(iter(report['hosts']))}", PHONE)
    assert sheet.run("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    sheet.open()
    assert sheet.run("return document.documentElement.scrollWidth <= innerWidth")


def test_paper_has_all_that_differs_and_no_controls(sheet: Page) -> None:
    sheet.open("#host=gpu3", media="print")
    sheet.run("dispatchEvent(new Event('beforeprint'))")
    text = sheet.one("body").text
    words = [
        "+numpy 2.3.5 py313hf6604e3_0",
        "+nvidia-driver-580-server-open",
        "It took longer than 60 seconds on the node",
        "conda-lock.yml is older than environment.yml",
        "No route to host",
        "Incorrect sudo password",
        "jupyter@ada.service (environment ai-dev)",
        "2026-11-29 02:00 UTC",
        "3 drifted",
    ]
    assert [word for word in words if word not in re.sub(r"\s+", " ", text)] == []
    assert sheet.all("button:not(.bundle button), select, input, .skip, #hosts .detail") == []
    assert len(sheet.all(".paper section.detail")) == 7
    sheet.run("dispatchEvent(new Event('afterprint'))")
    assert sheet.all(".paper") == []


def test_paper_names_the_hosts_of_a_folded_row_and_has_their_difference_once(large: Page) -> None:
    large.open(media="print")
    large.run("dispatchEvent(new Event('beforeprint'))")
    names = large.all(".names")[0].text
    assert names.count("gpu-") == 450
    behind = large.run("return [...document.querySelectorAll('.paper section.detail')].map((one) => one.textContent)")
    assert len(behind) == len([row for row in large.all("tr[data-bundle]") if "450 hosts" not in row.text])


def test_printing_fills_the_paper(sheet: Page) -> None:
    sheet.run("addEventListener('beforeprint', () => { window.before = (window.before || 0) + 1 })")
    printed = sheet.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert printed["data"]
    assert sheet.run("return window.before") == 1
    assert sheet.run("return document.querySelectorAll('.paper').length") == 0


def test_without_javascript_the_matrix_is_whole(sheet: Page) -> None:
    sheet.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        sheet.open()
        assert len(sheet.all("tr[data-host]")) == 12
        assert sheet.all("select, input, tr.bundle") == []
        assert "Without JavaScript" in sheet.one(".without").text
    finally:
        sheet.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def rgb(text: str) -> Colour | None:
    """Return a colour as a browser writes it, from 0 to 1; None where nothing is to be seen of it."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    if len(numbers) == 4 and numbers[3] == 0:
        return None
    assert len(numbers) == 3, f"{text} is transparent in part"
    return numbers[0] / 255, numbers[1] / 255, numbers[2] / 255


def linear(colour: Colour) -> list[float]:
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]


def luminance(colour: Colour) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def seen_as(colour: Colour, matrix: tuple[Colour, Colour, Colour]) -> list[float]:
    """Return a colour in linear RGB as somebody sees it."""
    parts = linear(colour)
    return [min(1.0, max(0.0, sum(a * b for a, b in zip(row, parts, strict=True)))) for row in matrix]


def lab(parts: list[float]) -> Colour:
    """Return CIE L*a*b* of linear sRGB, in which distances are as people see them."""
    red, green, blue = parts
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
