# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Pages of a package index that name exactly the files of a copy, in both forms of the standard, with hashes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin

#: By form, the name of its file in a project's folder; an Accept header chooses.
HTML, JSON = "index.html", "index.json"
ROOT = "pypi/simple"
_MEDIA = {"api-version": "1.0"}
_LINK = re.compile(r"""<a\s[^>]*?href=["']([^"']+)["']""", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, order=True)
class Release:
    """A file of a project, beside its page."""

    project: str
    name: str
    sha256: str
    size: int = 0


def normal(project: str) -> str:
    """Return a project's name as its page has it.

    >>> normal("Ruamel.YAML_x")
    'ruamel-yaml-x'
    """
    return _SEPARATORS.sub("-", project).lower()


def path(project: str, name: str) -> str:
    """Return where a file of a project is."""
    return "%s/%s/%s" % (ROOT, normal(project), name)


def link(page: str, base: str, sha256: str) -> str:
    """Return the URL of the file with a hash in a project's page of an upstream; empty where it has none.

    >>> link('<a href="../../files/a.whl#sha256=00">a</a>', "http://m/simple/a/", "00")
    'http://m/files/a.whl'
    """
    for found in map(html.unescape, _LINK.findall(page)):
        url, _hash, fragment = found.partition("#")
        if fragment == "sha256=%s" % sha256:
            return urljoin(base, url)
    return ""


def pages(releases: Iterable[Release]) -> dict[str, str]:
    """Return the text of each page by its path: one for each project, and one of all projects, in both forms."""
    projects: dict[str, list[Release]] = {}
    for one in sorted(releases):
        projects.setdefault(normal(one.project), []).append(one)
    if not projects:
        return {}
    names = sorted(projects)
    found = {
        "%s/%s" % (ROOT, HTML): _html("Simple index", [("%s/" % name, name) for name in names]),
        "%s/%s" % (ROOT, JSON): _json({"meta": _MEDIA, "projects": [{"name": name} for name in names]}),
    }
    for project, files in projects.items():
        links = [("%s#sha256=%s" % (quote(one.name), one.sha256), one.name) for one in files]
        found["%s/%s/%s" % (ROOT, project, HTML)] = _html(project, links)
        listed = [{"filename": one.name, "url": quote(one.name), "hashes": {"sha256": one.sha256}} for one in files]
        content = {"meta": _MEDIA, "name": project, "files": listed}
        found["%s/%s/%s" % (ROOT, project, JSON)] = _json(content)
    return found


def _html(title: str, links: Iterable[tuple[str, str]]) -> str:
    lines = "".join('<a href="%s">%s</a><br>\n' % (html.escape(link), html.escape(name)) for link, name in links)
    head = '<!DOCTYPE html>\n<html><head><meta name="pypi:repository-version" content="1.0"><title>%s</title></head>\n'
    return "%s<body>\n%s</body></html>\n" % (head % html.escape(title), lines)


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n"
