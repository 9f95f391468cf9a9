# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel and a package index on loopback that have each name in the versions that files ask for, and nothing else.

Packages have no content and no dependencies, except that those of conda whose distribution pip is asked for too depend
on Python and hold its metadata: so what both bring meets as it does with real channels. What is measured is how files
are read and how what they ask for goes through the solvers, whatever the real channels have.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lab.upstream.conda import conda_package

#: Of names that files ask for without a version.
ANY_VERSION = "1.0"
#: What the solvers add of themselves.
ALWAYS = ("python=3.11.9", "python=3.12.7", "pip=24.2", "setuptools=75.1.0", "wheel=0.44.0")
NOARCH = "noarch"
#: conda's packages whose distributions have another name.
DISTRIBUTIONS = {"dask-core": "dask", "msgpack-python": "msgpack", "pytables": "tables", "pytorch": "torch"}
#: conda's packages that are programs, not the distributions that have the same name.
PROGRAMS = frozenset({"cmake", "ffmpeg", "graphviz", "ninja", "nodejs", "pandoc", "python", "swig"})
_SPEC = re.compile(r"(?:[^\s\[\]]*::?)?(?P<name>[A-Za-z0-9_][\w.-]*)(?P<rest>.*)", re.S)
_VERSION = re.compile(r"(?P<operator>[<>=!~]*)\s*(?P<version>(?:\d+!)?\d[\w.+]*)")
_CONDA_VERSION = re.compile(r"(?:\d+!)?[A-Za-z0-9][A-Za-z0-9_.]*(?:\+[A-Za-z0-9_.]+)?")
_BUILD = re.compile(r"build\s*=\s*[\"']?(?P<build>[^\"'\],]+)")
_EXACT = re.compile(r"=*\s*(?P<version>[\w*][^=\s,|<>\[]*?)(?:\s*=\s*|\s+)(?P<build>[^=\s,|<>\]]+)\s*")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<rest>[^;@]*)")
_ARCHIVE = re.compile(r"(?P<name>[^/\s]+)-(?P<version>[^-/\s]+)-(?P<build>[^-/\s]+)\.(?:conda|tar\.bz2)")
_HASHED = re.compile(r"(?P<url>https?://\S+?\.(?:conda|tar\.bz2))#(?P<hash>[0-9a-f]{32})(?![0-9a-f])")
_HOST = re.compile(r"https?://(?:[^/\s@\"']*@)?([^/\s\"'#\\,\])]+)")


@dataclass
class Asked:
    """What files ask for."""

    #: Name, version and build of conda's packages.
    conda: set[tuple[str, str, str]] = field(default_factory=set)
    #: Folder and file to the MD5 that an explicit file has for it.
    archives: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Name to versions of pip's distributions.
    pip: dict[str, set[str]] = field(default_factory=dict)
    #: Name to extras.
    extras: dict[str, set[str]] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=lambda: {"repo.anaconda.com", "conda.anaconda.org"})

    def add_file(self, text: str) -> None:
        """Add what an environment, an explicit file or a file of requirements asks for; skip what is malformed."""
        self.hosts.update(host for host in _HOST.findall(text) if re.fullmatch(r"[\w.-]+(:\d+)?", host))
        for found in _HASHED.finditer(text):
            folder, file = found["url"].rsplit("/", 2)[1:]
            if _ARCHIVE.fullmatch(file):
                self.archives[folder, file] = found["hash"]
        content: Any = None
        with suppress(yaml.YAMLError, ValueError):
            content = yaml.safe_load(text)
        if not isinstance(content, dict):
            for line in text.splitlines():
                self.add_requirement(line)
            return
        for entry in content.get("dependencies") or () if isinstance(content.get("dependencies"), list) else ():
            if isinstance(entry, str):
                self.add_spec(entry)
            elif isinstance(entry, dict):
                for key, value in entry.items():
                    for one in value if isinstance(value, list) else [value]:
                        (self.add_requirement if key == "pip" else self.add_spec)(str(one))

    def add_spec(self, text: str) -> None:
        """Add a match specification of conda."""
        if not (spec := _SPEC.fullmatch(text.partition("#")[0].strip())) or not spec[0].isascii():
            return
        for version, build in versions_of_spec(spec["rest"]):
            if _CONDA_VERSION.fullmatch(version):
                self.conda.add((spec["name"].lower(), version, build))

    def add_requirement(self, text: str) -> None:
        """Add a requirement of pip; of options, only their URLs count."""
        text = text.partition(" #")[0].strip()
        requirement = _REQUIREMENT.match(text)
        if not requirement or text.startswith(("-", "#", "git+", "http:", "https:")) or "@EXPLICIT" in text:
            return
        name = canonicalize_name(requirement["name"])
        self.pip.setdefault(name, set()).update(versions_of_requirement(requirement["rest"]))
        self.extras.setdefault(name, set()).update(
            extra.strip() for extra in (requirement["extras"] or "").split(",") if extra.strip()
        )


def versions_of_spec(rest: str) -> Iterator[tuple[str, str]]:
    """Yield versions and builds of which at least one fits what follows the name in a specification."""
    if exact := _EXACT.fullmatch(rest.strip()):
        yield exact["version"].replace(".*", "").replace("*", "") or ANY_VERSION, literal(exact["build"])
        return
    build = _BUILD.search(rest)
    of_build = literal(build["build"]) if build else "0"
    rest = _BUILD.sub("", rest)
    found = [(hit["operator"], hit["version"].strip(".")) for hit in _VERSION.finditer(rest)]
    for operator, version in found:
        yield version, of_build
        if operator in (">", "!="):
            yield f"{version}.1", of_build
    if not any("=" in operator and operator != "!=" for operator, _version in found):
        if any(operator == "<" for operator, _version in found):
            yield "0.0.1", of_build
        if not found:
            yield ANY_VERSION, of_build


def literal(pattern: str) -> str:
    """Return a build that a pattern such as ``*cuda*`` fits."""
    return re.sub(r"[^\w.+]", "", pattern) or "0"


def versions_of_requirement(rest: str) -> Iterator[str]:
    """Yield versions of which at least one fits what follows the name in a requirement."""
    rest = rest.partition(" --")[0]
    found = [(hit["operator"], hit["version"].removesuffix(".")) for hit in _VERSION.finditer(rest)]
    with suppress(InvalidSpecifier):
        found = [(one.operator, one.version.removesuffix(".*")) for one in SpecifierSet(rest.strip(" ()"))]
    texts = [version for _operator, version in found]
    texts += [f"{version}.1" for operator, version in found if operator in (">", "!=")]
    if found and all(operator.startswith(("<", "!")) for operator, _version in found):
        texts.append("0.0.1")
    for text in texts or [ANY_VERSION]:
        with suppress(InvalidVersion):
            yield str(Version(text))


def repodata(asked: Asked, folder: str) -> bytes:
    """Return the index of a channel's folder; a package has the MD5 that a file has for it, and an invented SHA-256."""
    always = Asked()
    for text in ALWAYS:
        always.add_spec(text)
    packages = {f"{'-'.join(one)}.conda": "" for one in always.conda | asked.conda if folder == NOARCH}
    for (of_file, file), md5 in asked.archives.items():
        if of_file == folder:
            packages.pop(file.replace(".tar.bz2", ".conda"), None)  # of two formats, the newer one alone would count
            packages[file] = md5
    index: dict[str, Any] = {"info": {"subdir": folder}, "packages": {}, "packages.conda": {}, "repodata_version": 1}
    for file, md5 in packages.items():
        if archive := _ARCHIVE.fullmatch(file):
            index["packages.conda" if file.endswith(".conda") else "packages"][file] = {
                "name": archive["name"],
                "version": archive["version"],
                "build": archive["build"],
                "build_number": 0,
                "depends": ["python"] if distribution(asked, archive["name"]) else [],
                "md5": md5 or hashlib.md5(file.encode(), usedforsecurity=False).hexdigest(),
                "sha256": hashlib.sha256(file.encode()).hexdigest(),
                "size": 1,
                "subdir": folder,
            }
    return json.dumps(index, ensure_ascii=False).encode()  # an escaped text is one that py-rattler can't read


def distribution(asked: Asked, package: str) -> str | None:
    """Return the distribution that a package of conda brings; None where pip is not asked for it."""
    name = canonicalize_name(DISTRIBUTIONS.get(package, package))
    return name if name in asked.pip and package not in PROGRAMS else None


def package(asked: Asked, folder: str, file: str) -> bytes | None:
    """Return a package of conda that brings a distribution, with nothing but its metadata; None for another file."""
    found = _ARCHIVE.fullmatch(file)
    name = distribution(asked, found["name"]) if found else None
    if not found or not name:
        return None
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory, "tree")
        about = tree / "site-packages" / f"{name.replace('-', '_')}-{found['version']}.dist-info" / "METADATA"
        about.parent.mkdir(parents=True)
        about.write_text(metadata(asked, name, found["version"]))
        if file.endswith(".tar.bz2"):
            return _old_archive(tree, about)
        written = conda_package.Package(found["name"], found["version"], found["build"], 0, folder, ("python",))
        return conda_package.write(written, tree, Path(directory)).read_bytes()


def _old_archive(tree: Path, file: Path) -> bytes:
    """Return an archive of one file below a folder, and the list of it."""
    paths = json.dumps({"paths": [conda_package.path_entry(tree, file)], "paths_version": 1}).encode()
    listed = tarfile.TarInfo("info/paths.json")
    listed.size = len(paths)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:bz2") as archive:
        archive.addfile(listed, io.BytesIO(paths))
        archive.add(file, file.relative_to(tree).as_posix())
    return content.getvalue()


def page(asked: Asked, name: str) -> str | None:
    """Return the index's page of a project; None for one that nobody asks for."""
    if name not in asked.pip:
        return None
    links = []
    for version in sorted(asked.pip[name]):
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        text = hashlib.sha256(metadata(asked, name, version).encode()).hexdigest()
        digest = hashlib.sha256(file.encode()).hexdigest()
        links.append(f'<a href="/wheels/{file}#sha256={digest}" data-core-metadata="sha256={text}">{file}</a>')
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"


def metadata(asked: Asked, name: str, version: str) -> str:
    """Return what a wheel says of itself."""
    extras = "".join(f"Provides-Extra: {extra}\n" for extra in sorted(asked.extras.get(name, ())))
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}"


def answer(asked: Asked, path: str) -> bytes | None:
    """Return what is at a path; None when nothing is."""
    parts = unquote(urlsplit(path).path).strip("/").split("/")
    if parts[-1] == "repodata.json" and len(parts) > 1:
        return repodata(asked, parts[-2])
    if len(parts) > 1 and (content := package(asked, parts[-2], parts[-1])):
        return content
    if parts[0] == "wheels" and parts[-1].endswith(".whl.metadata"):
        name, version = parts[-1].split("-")[:2]
        return metadata(asked, canonicalize_name(name), version).encode()
    if parts[-1].endswith((".html", ".whl", ".zst", ".bz2", ".msgpack", ".conda")):
        pages = (page(asked, name) for name in asked.pip) if parts[-1].endswith(".html") else ()
        return "".join(filter(None, pages)).encode() or None
    found = page(asked, canonicalize_name(parts[-1]))
    return found.encode() if found else None


@contextmanager
def serving(asked: Asked) -> Iterator[str]:
    """Serve the channel, as each of the hosts, and the index; yield the URL without a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(ConnectionError):  # a client that was ended
                super().handle()

        def do_GET(self) -> None:
            found = answer(asked, self.path)
            self.send_response(200 if found is not None else 404)
            kind = "application/json" if self.path.endswith(".json") else "text/html"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found or b"")

        do_HEAD = do_GET

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def mirrors(hosts: Iterable[str], url: str) -> Mapping[str, str]:
    """Return what to ask in place of each host, as the option ``mirrors`` has it."""
    return {f"{scheme}://{host}": f"{url}/{host}" for host in sorted(hosts) for scheme in ("https", "http")}
