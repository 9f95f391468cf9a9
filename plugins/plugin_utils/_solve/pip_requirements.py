# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Requirements of pip that mean the same package on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import carries_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

with optional():
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

#: A commit by its whole hash: a branch or a tag may move. Over ssh, the user is part of the address.
COMMIT_URL = re.compile(
    r"git\+(https://(?!-)[^@\s]+|ssh://(?!-)([\w.-]+@)?(?!-)[^@:/\s%]+(:\d+)?/[^@\s]+)@[0-9a-f]{40}(#subdirectory=[^\s&]+)?"
)
_BARE_URL = re.compile(r"(?P<url>(git|hg|svn|bzr)\+\S+?|[a-z]+://\S+?)(?P<marker>(;|\s+;)\s.*|\s+;.*)?", re.IGNORECASE)
_SCP = re.compile(r"(git\+)?(ssh://)?(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?!\d+/|//)(?P<path>[^\s@#]+)(?P<rest>\S*)")
_EGG = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[^\]]*\])?")
_PATH = re.compile(
    r"\.|\.\.|\.\[.*\]|(\.{0,2}/|~|[A-Za-z]:\\).*|[^\s@:;<>=!]+/[^\s@:;<>=!]*|"
    r"(?!https?:)[^\s@]*\.(whl|tar\.gz|zip|tar\.bz2|tgz)"
)
_ARCHIVES = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
_CONDA_VERSION = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*(\[[^\]]*\])?)\s*=\s*(?P<version>[^=\s]+)(=\S+)?")
_BRANCH = "it may be another program tomorrow"


def parse(text: str, where: str) -> Requirement:
    """Return a requirement as PEP 508 writes it.

    Parameters
    ----------
    text
        What stands there, such as ``humanize>=4``, ``tool @ git+https://host/tool@`` with 40 digits of a commit, or
        the same in pip's own spelling, ``git+https://host/tool@...#egg=tool``. Where it says no name, the repository's
        or the file's is taken; what is fetched is held against it.
    where
        Its file and key, for the error.

    Raises
    ------
    EvenkeelError
        It is malformed, or another machine may understand it otherwise: a local path, a branch or a tag, a source
        archive without a hash.
    """
    if scp := _SCP.search(text):
        raise _scp(scp, text, where)
    if _PATH.fullmatch(text):
        raise _local(text, where)
    try:
        bare = _BARE_URL.fullmatch(text)
        requirement = Requirement(_named(bare["url"], bare["marker"] or "") if bare else text)
    except InvalidRequirement as error:
        raise _malformed(text, where, str(error).splitlines()[0]) from None
    if requirement.url:
        requirement.url = _exact(requirement, text, where)
    return requirement


def normal(text: str) -> str:
    """Return a requirement in the one spelling of all that mean the same."""
    requirement = Requirement(text)
    requirement.name = canonicalize_name(requirement.name)
    requirement.extras = {canonicalize_name(extra) for extra in requirement.extras}
    return str(requirement)


def _named(text: str, marker: str) -> str:
    """Return pip's own spelling of a repository or an archive, and a marker, as PEP 508 writes it."""
    url, _unused, fragment = text.partition("#")
    options = dict(parse_qsl(fragment))
    egg = _EGG.fullmatch(options.get("egg", ""))
    if egg:
        return f"{egg['name']}{egg['extras'] or ''} @ {text} {marker}"
    path = unquote(urlsplit(url).path)
    if "+" in urlsplit(url).scheme:
        name = re.sub(r"@[^/]*$", "", path).rstrip("/").rpartition("/")[2].removesuffix(".git")
    else:
        name = re.split(r"-\d", path.rpartition("/")[2])[0]
    return f"{canonicalize_name(name) or 'name'} @ {text} {marker}"


def wheel_at_mirror(text: str, mirrors: Mirrors) -> str:
    """Return a requirement whose wheel, if it names one by URL, is at the mirror of that URL; others as they are."""
    requirement = Requirement(text)
    if not requirement.url or not urlsplit(requirement.url).path.endswith(".whl"):
        return text
    requirement.url = mirrors.mirrored(requirement.url)
    return str(requirement)


def hashes(name: str, digests: Iterable[str], where: str) -> list[str]:
    """Return the hashes that a requirement of ``name`` allows, as ``NAME sha256:DIGITS``.

    Raises
    ------
    EvenkeelError
        One is of another kind, which no lock records.
    """
    found = list(digests)
    for digest in found:
        if not re.fullmatch(r"sha256:[0-9a-fA-F]{64}", digest):
            raise EvenkeelError(
                f"{where}: {name} has the hash {digest!r}, which is no SHA-256", "Write it as --hash=sha256:DIGITS"
            )
    return [f"{canonicalize_name(name)} {digest.lower()}" for digest in found]


def require_hashes(packages: Iterable[Package], allowed: Iterable[str]) -> None:
    """Refuse packages of pip that have another hash than those that are allowed for their names.

    Parameters
    ----------
    packages
        What was resolved.
    allowed
        As of ``hashes``; a name that is not among them may have any.

    Raises
    ------
    EvenkeelError
        Names the packages.
    """
    known = set(allowed)
    names = {line.split()[0] for line in known}
    others = [
        f"{f'{package.name} {package.version}'.strip()} ({package.url.rpartition('/')[2]}, sha256:{package.sha256})"
        for package in packages
        if canonicalize_name(package.name) in names
        and f"{canonicalize_name(package.name)} sha256:{package.sha256}" not in known
    ]
    if others:
        raise EvenkeelError(
            f"The requirements name hashes (--hash), and these packages have others: {', '.join(others)}",
            "Find out who changed them. If the hashes are those of other files of the release, leave them out: the "
            "lock records its own",
        )


def source(url: str, option: str, where: str) -> str:
    """Return the URL of an index, or of a page or directory of links, as it may stand in a lock.

    Raises
    ------
    EvenkeelError
        It is a path of one machine, or carries credentials.
    """
    if "://" not in url:
        raise EvenkeelError(
            f"{where}: {option} names {url!r}, which is a path on one machine",
            "Write the URL of what every machine reaches",
        )
    if carries_credentials(url) or "$" in url:
        raise EvenkeelError(
            f"{where}: {option} is written with credentials or a variable, which everybody could read",
            "Write the URL without them, and keep the credentials in the control node's own ~/.netrc",
        )
    return url


def _exact(requirement: Requirement, text: str, where: str) -> str:
    """Return the URL of a commit or an archive, without what says nothing about its content."""
    base, _unused, fragment = str(requirement.url).partition("#")
    options = dict(parse_qsl(fragment))
    if carries_credentials(base):
        raise _secret(text, where)
    if urlsplit(base).scheme in ("https", "http"):
        return _archive(base, options, text, where)
    found = base + (f"#subdirectory={options['subdirectory']}" if "subdirectory" in options else "")
    if COMMIT_URL.fullmatch(found):
        return found
    parts = urlsplit(base)
    if "+" not in parts.scheme:
        raise _local(text, where)
    if parts.scheme not in ("git+https", "git+ssh"):
        raise EvenkeelError(
            f"{where}: {text!r} is at an address of the kind {parts.scheme}, and only git+https and git+ssh are taken",
            f"Write it as {requirement.name} @ git+https://HOST/PROJECT@COMMIT, or publish it as a package",
        )
    address = base.removeprefix("git+")
    reference = parts.path.rpartition("@")[2] if "@" in parts.path else ""
    if re.fullmatch(r"[0-9a-f]{40}", reference):
        what = "names a host or a path that no repository has"
    elif re.fullmatch(r"[0-9a-f]{7,39}", reference):
        what = f"names a commit by {len(reference)} digits, and another one may get the same"
    else:
        what = f"names {reference!r}, which may move, so {_BRANCH}" if reference else f"names no commit, so {_BRANCH}"
    repository = (address.rpartition("@")[0] if reference else address).rstrip("/")
    raise EvenkeelError(
        f"{where}: {text!r} {what}",
        f"Name the commit by its 40 hexadecimal digits, which `git ls-remote {repository}` shows for each branch and "
        f"tag: {requirement.name} @ git+{repository}@COMMIT",
    )


def _archive(url: str, options: dict[str, str], text: str, where: str) -> str:
    """Return the URL of a wheel, whose hash a lock records, or of a source archive with its hash."""
    digest = options.get("sha256", "").lower()
    path = urlsplit(url).path
    if path.endswith(".whl") or (path.endswith(_ARCHIVES) and re.fullmatch(r"[0-9a-f]{64}", digest)):
        return f"{url}#sha256={digest}" if digest else url
    if path.endswith(_ARCHIVES):
        raise EvenkeelError(
            f"{where}: {text!r} is a source archive without a hash, and its content may change at any time",
            f"Add the hash that `curl -L {url} | sha256sum` shows: NAME @ {url}#sha256=HASH",
        )
    raise EvenkeelError(
        f"{where}: {text!r} is neither a wheel nor a source archive",
        "Name a version, or a commit: NAME @ git+https://HOST/PROJECT@COMMIT",
    )


def _secret(text: str, where: str) -> EvenkeelError:
    return EvenkeelError(
        f"{where}: {text!r} carries credentials, which every reader of the file and of a lock would see",
        "Write the URL without them, and keep them in the control node's own ~/.netrc or git credential helper",
    )


def _scp(match: re.Match[str], text: str, where: str) -> EvenkeelError:
    return EvenkeelError(
        f"{where}: {text!r} is an address as scp writes it, which pip takes for another one",
        f"Write it as a URL: NAME @ git+ssh://{match['user']}@{match['host']}/{match['path']}@COMMIT",
    )


def _local(text: str, where: str) -> EvenkeelError:
    return EvenkeelError(
        f"{where}: {text!r} is a path on one machine",
        "Publish it and name its version, or name a commit: NAME @ git+https://HOST/PROJECT@COMMIT. What `pip freeze` "
        "writes so came from conda: `pip list --format=freeze` writes its version",
    )


def _malformed(text: str, where: str, reason: str) -> EvenkeelError:
    of_conda = _CONDA_VERSION.fullmatch(text)
    return EvenkeelError(
        f"{where}: {text!r} is not a requirement that every machine understands: {reason}",
        f"Write it as pip does: {of_conda['name']}=={of_conda['version']}"
        if of_conda
        else "Write it as NAME>=VERSION or NAME @ git+https://HOST/PROJECT@COMMIT",
    )
