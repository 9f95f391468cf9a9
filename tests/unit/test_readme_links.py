# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative links of the documentation lead to files of the artifact and to headings in them."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted(page for pattern in ("*.md", "docs/*.md", "roles/*/README.md") for page in ROOT.glob(pattern))
FOLDERS = ("tests", "molecule")
GENERATED = "<!-- ANSIBLE DOCSMITH MAIN START -->"
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text().partition(GENERATED)[0])


def links(page: Path) -> list[tuple[Path, str]]:
    """Return the targets of a page's relative links: a path and an anchor, which may be empty."""
    found = [link.partition("#") for link in LINK.findall(prose(page)) if "://" not in link]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in found]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub derives from a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(page))}


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert [path for path, _ in links(page) if not path.exists()] == []
    assert [(path, anchor) for path, anchor in links(page) if anchor and anchor not in anchors(path)] == []


def test_links_lead_to_files_of_the_artifact(page: Path) -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    tops = [path.relative_to(ROOT).parts[0] for path, _ in links(page)]
    assert [top for top in tops if any(fnmatch(top, pattern) for pattern in ignored)] == []


def test_links_of_generated_references_lead_to_their_anchors(page: Path) -> None:
    generated = page.read_text().partition(GENERATED)[2]
    assert set(re.findall(r"\]\(#([^)]+)\)", generated)) <= set(re.findall(r'<a id="([^"]+)">', generated))


def test_files_that_are_named_exist(page: Path) -> None:
    files = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    assert set(re.findall(r"`(?:[\w/]+/)?(test_\w+\.py)`", prose(page))) <= files


def test_readme_names_every_playbook_and_its_inputs() -> None:
    specs = yaml.safe_load((ROOT / "playbooks" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    rows = re.findall(r"^\| \[?`(\w+)\.yml`.*\| (.*) \|$", README.read_text(), re.MULTILINE)
    named = {playbook: set(re.findall(r"`(\w+)`", cell)) for playbook, cell in rows}
    wanted = {playbook: set(spec["options"]) for playbook, spec in specs.items()}
    assert named == wanted
