# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Packages as locks of every format name them: by a URL and a hash."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import carries_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import COMMIT_URL

with optional():
    from packaging.utils import canonicalize_name

ANEW = "Lock again with the program that wrote it, or with Evenkeel's playbook lock.yml"
SUFFIXES = (".conda", ".tar.bz2")
#: A wheel that was built when the lock was made, by its path relative to the lock's folder.
_WHEEL = re.compile(r"(?![/~-])[^:\\\x00-\x1f\x7f-\x9f\u2028\u2029]+\.whl")
#: What may be in a URL, a requirement and the name of a folder alike, and is an option of no program.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.+!-]*)?")
_BUILD = re.compile(r"[A-Za-z0-9_.+]*")
#: White space, control characters, and a variable, whose value uv would put there.
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f]|\$\{")
#: A name, and what is asked of it, in one line.
_NEED = re.compile(r"[A-Za-z0-9_][^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
#: What has to be built before it can be installed.
_SOURCES = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
_DIGITS = {"md5": 32, "sha256": 64}


def conda_package(
    path: Path,
    url: str,
    md5: str | None,
    sha256: str | None,
    platform: str,
    depends: Iterable[str] = (),
    size: int = 0,
    *,
    hash_needed: bool = True,
) -> Package:
    """Return the package of conda that the lock at ``path`` names for a platform.

    Raises
    ------
    EvenkeelError
        The URL is no package's or another platform's, or there is no hash although one is needed, or one that is none.
    """
    require_fit_url(path, url)
    parsed = urlsplit(url)
    # A directory may be the channel of all nodes.
    if parsed.scheme not in ("http", "https") and not url.startswith("file:///"):
        raise EvenkeelError(f"{path}: {url!r} is not the URL of a package of conda", ANEW)
    file = unquote(parsed.path.rpartition("/")[2])
    suffix = next((suffix for suffix in SUFFIXES if file.endswith(suffix)), None)
    parts = file.removesuffix(suffix).rsplit("-", 2) if suffix else []
    if parsed.query or parsed.fragment or len(parts) != 3 or not all(parts):
        raise EvenkeelError(f"{path}: {url!r} is not the URL of a package of conda", ANEW)
    subdir = parsed.path.rsplit("/", 2)[-2]
    if subdir not in (platform, "noarch"):
        raise EvenkeelError(
            f"{path}: {url} is for {subdir}, not for {platform}", f"Lock again with {platform} among the platforms"
        )
    if hash_needed and not md5 and not sha256:
        raise EvenkeelError(f"{path}: {url} has no hash, so it cannot be verified", ANEW)
    name, version, build = parts
    _require_fit(path, url, name, version, build)
    needs = _needs(path, name, depends)
    return Package(
        name=name,
        version=version,
        build=build,
        sha256=_hash(path, url, "sha256", sha256),
        manager=CONDA,
        url=url,
        md5=_hash(path, url, "md5", md5),
        size=size,
        depends=needs,
    )


def pip_package(
    path: Path, name: str, version: str, url: str, sha256: str | None, depends: Iterable[str] = ()
) -> Package:
    """Return the package of pip that the lock at ``path`` names.

    Raises
    ------
    EvenkeelError
        Its content is not fixed: it is a directory, a branch or a tag, or has no hash or one that is none. Or its name,
        version or URL would be something else to a program that gets it.
    """
    name = canonicalize_name(name)
    _require_fit(path, url, name, version)
    needs = _needs(path, name, depends)
    if sha256 and _WHEEL.fullmatch(url):
        return Package(name, version, "", _hash(path, url, "sha256", sha256), PIP, url=url, depends=needs)
    require_fit_url(path, url)
    if COMMIT_URL.fullmatch(url):
        return Package(name, version, "", "", PIP, url=url, depends=needs)
    if "://" not in url or "+" in urlsplit(url).scheme:
        raise EvenkeelError(
            f"{path}: {name} is at {url!r}, whose content may change at any time",
            "Publish it as a wheel, or name a commit: NAME @ git+https://HOST/PROJECT@COMMIT; then lock again",
        )
    # A directory of wheels may be shared by all nodes.
    if urlsplit(url).scheme not in ("http", "https") and not (url.startswith("file:///") and url.endswith(".whl")):
        raise EvenkeelError(
            f"{path}: {name} is at {url!r}, which is not the same on every machine",
            "Publish it in an index, and lock again",
        )
    if not sha256:
        raise EvenkeelError(f"{path}: {url} has no SHA-256, so it cannot be verified", ANEW)
    return Package(name, version, "", _hash(path, url, "sha256", sha256), PIP, url=url, depends=needs)


def check(path: Path, packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return ``packages``, conda's first, each kind sorted.

    Raises
    ------
    EvenkeelError
        A package is listed twice.
    """
    found: dict[tuple[str, str], Package] = {}
    for package in packages:
        other = found.setdefault((package.manager, package.name), package)
        if other is not package:
            versions = " and ".join(f"{one.version} {one.build}".strip() for one in (other, package))
            raise EvenkeelError(f"{path} holds {package.name} twice: {versions}", ANEW)
    return tuple(found[key] for key in sorted(found))


def require_built(path: Path, packages: Iterable[Package]) -> None:
    """Refuse source archives and commits, which a node would have to build.

    Raises
    ------
    EvenkeelError
        The lock at ``path`` holds some.
    """
    sources = sorted(
        f"{one.name} {one.version}".rstrip() for one in packages if one.manager == PIP and _is_source(one.url)
    )
    if sources:
        raise EvenkeelError(
            f"{path} holds source archives or commits, and nodes build nothing: {', '.join(sources)}",
            "Lock its environment.yml with Evenkeel's playbook lock.yml, which builds wheels of them once: "
            f"lock_build: [{', '.join(source.split()[0] for source in sources)}]",
        )


def require_fit_url(path: Path, url: str) -> None:
    """Refuse what would be more than a URL in a file or on the command line of a program, and what is secret.

    Raises
    ------
    EvenkeelError
        It holds white space, a control character, a variable or a way up, its host begins like an option, or it
        carries credentials.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unfit(path, url) from None
    folders = re.split(r"[/\\]", unquote(parts.path))
    is_relative = not parts.scheme
    if (
        _UNFIT.search(url)
        or any(part.startswith("-") for part in unquote(parts.netloc).split("@"))
        or (".." in folders and not is_relative)
    ):
        raise _unfit(path, url)
    if carries_credentials(url):
        raise EvenkeelError(
            f"{path}: {url} carries credentials, which every reader of the lock and each node would see",
            "Write the lock without them, and keep them in the ~/.netrc of root on the nodes",
        )


def _unfit(path: Path, url: str) -> EvenkeelError:
    return EvenkeelError(f"{path}: {url!r} is not a URL that a lock may name", ANEW)


def _needs(path: Path, name: str, depends: Iterable[str]) -> tuple[str, ...]:
    """Return what a package depends on.

    Raises
    ------
    EvenkeelError
        One of them names no package.
    """
    found = tuple(depends)
    for text in found:
        if not _NEED.fullmatch(text):
            raise EvenkeelError(f"{path}: {name} depends on {text!r}, which names no package", ANEW)
    return found


def _require_fit(path: Path, url: str, name: str, version: str, build: str = "") -> None:
    for what, text, pattern in (("name", name, _NAME), ("version", version, _VERSION), ("build", build, _BUILD)):
        if not pattern.fullmatch(text):
            raise EvenkeelError(f"{path}: the package at {url!r} has the {what} {text!r}, which none can have", ANEW)


def _is_source(url: str) -> bool:
    return bool(COMMIT_URL.fullmatch(url)) or urlsplit(url).path.endswith(_SOURCES)


def _hash(path: Path, url: str, kind: str, value: str | None) -> str:
    if value and not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[kind]}}}", value):
        raise EvenkeelError(f"{path}: {url} has the {kind} {value!r}, which is not valid", ANEW)
    return (value or "").lower()
