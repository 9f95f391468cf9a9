# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Ask uv once for the wheels that meet pip's requirements, around the distributions that conda brings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import stub_wheels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_credentials import with_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import SHARE
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease

with optional():
    from packaging.tags import Tag, compatible_tags, cpython_tags
    from packaging.utils import canonicalize_name, parse_wheel_filename
    from packaging.version import Version

#: For all that uv does; each of its requests has a shorter limit of uv's own.
SECONDS = 600
#: conda's platforms, as uv and wheels name the machine.
MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
#: The C libraries (minor versions of glibc 2) that uv can resolve for; wheels for an older one run as well.
GLIBCS: tuple[int, ...] = (17, 28, *range(31, 41))
#: Wheels' other names of a C library.
LEGACY_GLIBCS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
#: How many requirements a message names.
MOST_NAMED = 5
_MISSING_EXTRA = re.compile(r"The package `([^`]+)` does not have an extra named `([^`]+)`")
#: What uv writes before its last words, and in it: a distribution that it looks for, and a page of an index.
_LOG = re.compile(r"^(?:TRACE|DEBUG) .*\n?", re.MULTILINE)
_SEARCH = re.compile(r"DEBUG Searching for a compatible version of ([\w.-]+)")
_PAGE = re.compile(r" for: (https?://\S+/([\w.-]+)/)\s*$")
_NEED = re.compile(
    r"DEBUG Adding (?:direct dependency|transitive dependency for (?P<by>\S+)): "
    r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?(?:\{[^}]*\})?(?P<ranges>.*)"
)
_ERROR = re.compile(r"^error:", re.MULTILINE)
#: What uv advises: options of its own, which a lock is made without. That it has to log in stands there, too.
_HINT = re.compile(r"^ *hint:(?!.*(?:authenticat|Unauthorized|Forbidden)).*(\n(?! *hint:| *$).*)*", re.MULTILINE)
_PREAMBLE = "No solution found when resolving dependencies cause:"


@dataclass(frozen=True)
class Target:
    """Where the packages run."""

    #: Python's whole version, such as ``3.11.2``.
    python: str
    #: conda's name, such as ``linux-64``.
    platform: str
    #: Version of the C library, such as ``2.36``.
    glibc: str

    @property
    def machine(self) -> str:
        try:
            return MACHINES[self.platform]
        except KeyError:
            raise EvenkeelError(
                f"pip's packages cannot be resolved for {self.platform}", f"Supported: {', '.join(MACHINES)}"
            ) from None

    @property
    def glibc_minor(self) -> int:
        """The newest C library, up to the target's, that uv can resolve for."""
        fitting = [minor for minor in GLIBCS if Version(f"2.{minor}") <= Version(self.glibc)]
        if not fitting:
            raise EvenkeelError(
                f"pip's packages cannot be resolved for glibc {self.glibc}", f"Needed: glibc 2.{GLIBCS[0]} or newer"
            )
        return fitting[-1]

    @property
    def python_platform(self) -> str:
        """What uv calls it."""
        return f"{self.machine}-manylinux_2_{self.glibc_minor}".replace("_2_17", "2014")

    @property
    def environment(self) -> dict[str, str]:
        """What markers ask about it."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": self.python,
            "python_version": ".".join(self.python.split(".")[:2]),
            "sys_platform": "linux",
        }

    def tags(self) -> list[Tag]:
        """Return the tags of the wheels that run there, the most specific first."""
        python = Version(self.python).release[:2]
        platforms = [
            f"{name}_{self.machine}"
            for minor in range(self.glibc_minor, 4, -1)
            for name in (f"manylinux_2_{minor}", LEGACY_GLIBCS.get(minor))
            if name
        ]
        platforms.append(f"linux_{self.machine}")
        interpreter = "cp{}{}".format(*python)
        # Until 3.7, the name of the interface said how Python allocates memory; all that were released did it so.
        interface = interpreter if python >= (3, 8) else f"{interpreter}m"
        return [*cpython_tags(python, [interface], platforms), *compatible_tags(python, interpreter, platforms)]


@dataclass(frozen=True)
class Provided:
    """A distribution that one of conda's packages brings."""

    #: As conda's package says it, which Python may not understand.
    version: str
    #: Lines of its metadata: what its extras need. None where nobody has looked.
    extras: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Question:
    """What uv is asked."""

    #: As PEP 508 writes them.
    requirements: tuple[str, ...]
    #: Where they run.
    target: Target
    #: By name, what conda's packages bring; none of it is among the answer.
    provided: Mapping[str, Provided] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    #: URL of the simple index; empty for the one that uv is configured to ask.
    index: str = ""
    #: URLs of further indexes, asked in this order before ``index``: the first that has a name counts for it.
    indexes: tuple[str, ...] = ()
    #: URLs of pages and directories with links to wheels.
    find_links: tuple[str, ...] = ()
    #: Packages of an earlier answer that stay wherever they still fit.
    kept: tuple[Package, ...] = ()
    #: Releases that were built, and their wheels; each counts beside what the indexes have of its name.
    built: tuple[tuple[SourceRelease, Path], ...] = ()


@dataclass(frozen=True)
class Need:
    """A requirement that uv came upon."""

    #: Name and version of what has it, such as ``app==1.0``; empty for the question's own.
    by: str
    name: str
    #: Versions as uv writes them, such as ``>=4.9, <5 | >=6`` or ``*``.
    ranges: str


@dataclass(frozen=True)
class Answer:
    """What uv says."""

    #: Sorted by name; empty where nothing fits.
    packages: tuple[Package, ...] = ()
    #: Releases whose stub was chosen; they are not among the packages.
    sources: tuple[SourceRelease, ...] = ()
    #: Why nothing fits, in uv's words; empty where something does.
    failure: str = ""
    #: Name of a distribution, and extra that it does not have.
    missing_extras: tuple[tuple[str, str], ...] = ()
    #: By name of each distribution of which a version was looked for, URLs of the pages that were asked for, in order.
    looked_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Also of versions that it has dropped again.
    needs: tuple[Need, ...] = ()


def ask(question: Question, sources: Iterable[SourceRelease] = ()) -> Answer:
    """Return the wheels that meet the requirements together with what conda provides; nothing is built.

    Parameters
    ----------
    question
        What is asked.
    sources
        Releases that are taken for wheels that need nothing.

    Raises
    ------
    EvenkeelError
        uv does not answer in time, or what it chose has no hash.
    """
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        lock = work / "pylock.toml"
        if preferences := _preferences(question.kept):
            lock.write_text(f'lock-version = "1.0"\ncreated-by = "evenkeel"\n{preferences}')
        constraints = [*_of_conda(question.provided, work / "conda"), *question.constraints]
        (work / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints))
        stubs = {_stub(release, work / "sources"): release for release in sources}
        wheels = {_linked(wheel, work / "wheels"): wheel for _release, wheel in question.built}
        target = question.target
        command = [
            *(uv(), "pip", "compile", "-", "--verbose", "--no-progress", "--color", "never", "--no-header"),
            *("--no-python-downloads", "--output-file", str(lock), "--format", "pylock.toml"),
            *("--only-binary", ":all:", "--index-strategy", "first-index"),
            *("--python", sys.executable, "--python-version", target.python),
            *("--python-platform", target.python_platform),
            *("--constraints", str(work / "constraints.txt")),
            *(argument for name in question.provided for argument in ("--no-emit-package", name)),
        ]
        folders = [work / name for name, there in (("sources", stubs), ("wheels", wheels)) if there]
        done = _run(command, question.requirements, work, {**_impatience(), **places(question, folders)})
        log = _LOG.findall(done.stderr)
        looked_for = _looked_for(log)
        if done.returncode:
            return Answer(failure=_words(done.stderr), looked_for=looked_for, needs=_needs(log))
        entries = tomllib.loads(lock.read_text()).get("packages", [])
    if not looked_for and any("wheels" in entry for entry in entries):
        raise EvenkeelError(
            "uv does not say which packages it has considered",
            "Install the version of uv that the collection's requirements.txt names",
        )
    tags = {tag: rank for rank, tag in enumerate(target.tags())}
    found = [(unquote(package.url), package) for package in sorted(_package(entry, tags) for entry in entries)]
    return Answer(
        packages=tuple(
            replace(package, url=str(wheels[url])) if url in wheels else package
            for url, package in found
            if url not in stubs
        ),
        sources=tuple(stubs[url] for url, _package in found if url in stubs),
        missing_extras=tuple(
            (canonicalize_name(re.split("[ =@]", package)[0]), extra)
            for package, extra in _MISSING_EXTRA.findall(done.stderr)
        ),
        looked_for=looked_for,
        needs=_needs(log),
    )


def places(question: Question, folders: Iterable[Path] = ()) -> dict[str, str]:
    """Return the variables that say where uv looks; its arguments would show credentials to every user.

    Parameters
    ----------
    question
        What names the places.
    folders
        Further ones, with wheels.
    """
    links = [*map(with_credentials, question.find_links), *(folder.as_uri() for folder in folders)]
    found = {
        "UV_DEFAULT_INDEX": with_credentials(question.index),
        "UV_INDEX": " ".join([*map(with_credentials, question.indexes), os.environ.get("UV_INDEX", "")]).strip(),
        "UV_FIND_LINKS": ",".join(filter(None, [*links, os.environ.get("UV_FIND_LINKS", "")])),
    }
    return {name: value for name, value in found.items() if value}


def _run(
    command: list[str], requirements: Iterable[str], work: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    seconds = patience.in_all(SECONDS, SHARE)
    try:
        with limited(FILE_BYTES):
            return subprocess.run(
                command,
                input="\n".join(requirements),
                cwd=work,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                env={**{name: value for name, value in os.environ.items() if name != "RUST_LOG"}, **variables},
                check=False,
                restore_signals=False,
            )
    except subprocess.TimeoutExpired:
        raise EvenkeelError(
            f"The pip packages {shortened(requirements)} could not be resolved in {seconds:.0f} seconds",
            "Check that the control node reaches the index, or choose a nearer one",
        ) from None


def _looked_for(log: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return names and pages of indexes in uv's log."""
    names: dict[str, dict[str, None]] = {}
    urls: dict[str, dict[str, None]] = {}
    for line in log:
        if found := _SEARCH.match(line):
            names.setdefault(canonicalize_name(found[1]), {})
        elif found := _PAGE.search(line):
            urls.setdefault(canonicalize_name(found[2]), {})[found[1]] = None
    return {name: tuple(urls.get(name, ())) for name in names}


def _needs(log: Iterable[str]) -> tuple[Need, ...]:
    """Return the requirements in uv's log, each once."""
    matches = (found for line in log if (found := _NEED.match(line)))
    needs = (Need(one["by"] or "", canonicalize_name(one["name"]), one["ranges"]) for one in matches)
    return tuple(dict.fromkeys(needs))


def _words(log: str) -> str:
    """Return what uv says at its end, in one line."""
    text = log[found.start() :] if (found := _ERROR.search(log)) else _LOG.sub("", log)
    line = " ".join(_HINT.sub("", text).removeprefix("error:").split())
    return line.removeprefix(_PREAMBLE).strip()


def _impatience() -> dict[str, str]:
    """Return what has uv ask once, where that is wanted."""
    if not patience.asks_once():
        return {}
    seconds = str(max(int(patience.for_answer(SECONDS)), 1))
    return {"UV_HTTP_TIMEOUT": seconds, "UV_HTTP_CONNECT_TIMEOUT": seconds, "UV_HTTP_RETRIES": "0"}


def shortened(requirements: Iterable[str]) -> str:
    """Return the first of some requirements, and how many more there are; a file may have hundreds."""
    texts = list(requirements)
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return ", ".join(texts[:MOST_NAMED]) + more


def uv() -> str:
    """Return the path of the program uv."""
    from uv import find_uv_bin

    return str(find_uv_bin())


def _of_conda(provided: Mapping[str, Provided], folder: Path) -> Iterable[str]:
    """Yield a constraint for each distribution of conda, on a stub of it."""
    for name, distribution in sorted(provided.items()):
        if version := stub_wheels.normal(distribution.version):
            yield f"{name} @ {stub_wheels.write(folder, name, version, distribution.extras or ()).as_uri()}"


def _stub(release: SourceRelease, folder: Path) -> str:
    """Return the URL of a stub of a release, as uv writes it."""
    return f"file://{stub_wheels.write(folder, release.name, release.version)}"


def _linked(wheel: Path, folder: Path) -> str:
    """Return the URL, as uv writes it, of a link to a wheel in a folder that holds only what may be taken."""
    folder.mkdir(exist_ok=True)
    link = folder / wheel.name
    link.symlink_to(wheel.resolve())
    return f"file://{link}"


def _preferences(kept: Iterable[Package]) -> str:
    """Return the packages of a lock as uv writes it; uv prefers their versions."""
    return "".join(
        f"[[packages]]\nname = {json.dumps(package.name)}\nversion = {json.dumps(package.version)}\n"
        for package in kept
        if package.manager == PIP
    )


def _package(entry: Mapping[str, Any], tags: Mapping[Tag, int]) -> Package:
    name, version = entry["name"], entry["version"]
    wheels = entry.get("wheels", [])
    if archive := entry.get("archive"):
        wheels = [{**archive, "url": archive.get("url", "").partition("#")[0] or archive["path"]}]
    ranked = {(rank, wheel["url"]): wheel for wheel in wheels if (rank := _rank(wheel["url"], tags)) is not None}
    if not ranked:
        raise EvenkeelError(
            f"The index has no wheel of {name} {version} for the target", "Choose a version that has one"
        )
    wheel = ranked[min(ranked)]
    if "sha256" not in wheel["hashes"]:
        raise EvenkeelError(
            f"The index has no SHA-256 of {wheel['url']}", "Choose an index that has one for each of its files"
        )
    return Package(name, version, "", wheel["hashes"]["sha256"], PIP, url=wheel["url"], size=wheel.get("size", 0))


def _rank(url: str, tags: Mapping[Tag, int]) -> tuple[int, int] | None:
    """Return how well a wheel fits, the best lowest; None when it does not."""
    _name, _version, build, its_tags = parse_wheel_filename(unquote(urlsplit(url).path.rpartition("/")[2]))
    ranks = [tags[tag] for tag in its_tags if tag in tags]
    return (min(ranks), -build[0] if build else 0) if ranks else None
