# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud images that distributions publish: what the lab's own disks of virtual machines stand in for."""

from __future__ import annotations

import functools
import hashlib
import http.client
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

import yaml

from lab import cache, locks, paths
from lab.errors import LabError

DATA = Path(__file__).with_suffix(".yml")
FOLDER = paths.DOWNLOADS / "cloud-images"
_ABOUT = "about.json"
_REMEDY = "name the file of a cloud image, or its URL"
_SILENCE_SECONDS = 30
_CHUNK = 1 << 20
#: More than any list of checksums has.
_MOST_OF_LIST = 1 << 20


@dataclass(frozen=True)
class Published:
    """What a distribution publishes for a release of machines, and what makes it a machine of the lab; see the data."""

    image: str
    checksums: str
    kernel: list[str]
    removed: list[str]
    at_hand: list[str]


@dataclass(frozen=True)
class Image:
    """An image on this machine: its file, the day it was made, and its checksum as ``algorithm:digest``."""

    path: str
    made: str
    digest: str


@functools.cache
def published() -> Mapping[str, Published]:
    """Return what there is, by the lab's releases of machines."""
    data = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    return {release: Published(**one) for release, one in data.items()}


def of(release: str) -> Published:
    """Return what there is for a release of machines.

    Raises
    ------
    LabError
        Nothing.
    """
    known = published()
    if release not in known:
        raise LabError(f"there is no cloud image of {release}", f"choose from {', '.join(known)}")
    return known[release]


def here(release: str, where: str, say: Callable[[str], None]) -> Path:
    """Return the file of an image, which a path or a URL names; what was fetched once is not fetched again.

    Raises
    ------
    LabError
        There is none.
    """
    if not _is_url(where):
        return _file(where)
    image = _stored(where) if cache.published(_home(where)) else newest(release, where, say)
    return Path(image.path)


def newest(release: str, where: str, say: Callable[[str], None]) -> Image:
    """Return the image that a path or a URL names: the newest, or the last one where its site does not answer.

    Raises
    ------
    LabError
        There is none, the newest can't be had, or its checksum is not the published one.
    """
    if not _is_url(where):
        return _local(where)
    home, sums = _home(where), urljoin(where, of(release).checksums)
    remedy = f"does this machine reach it (https_proxy)? Or name a file: EVENKEEL_OFFICIAL={release}=/path/of/the/image"
    with locks.held(f"cloud-image-{home.name}"):
        try:
            expected = _checksum(sums, where, remedy)
        except _SilentError:
            if not cache.published(home):
                raise
            return _stored(where)
        if cache.published(home) != expected[:16]:
            _fetch(where, sums, expected, remedy, say)
        return _stored(where)


class _SilentError(LabError):
    """A site does not answer, or not to the end."""


def _is_url(where: str) -> bool:
    return "://" in where


@contextmanager
def _asking(url: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _SilentError(f"{url} can't be fetched: {getattr(error, 'reason', error)}", remedy) from error


def _open(url: str, remedy: str) -> http.client.HTTPResponse:
    with _asking(url, remedy):
        found: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=_SILENCE_SECONDS)  # noqa: S310
    return found


def _chunks(answer: http.client.HTTPResponse, url: str, remedy: str) -> Iterator[bytes]:
    with _asking(url, remedy):
        while chunk := answer.read(_CHUNK):
            yield chunk
        if missing := getattr(answer, "length", None):
            raise ConnectionError(f"it ended {missing} bytes too early")


def _checksum(sums: str, where: str, remedy: str) -> str:
    """Return the checksum of a file out of a list in the form of ``sha256sum``."""
    content = b""
    with _open(sums, remedy) as answer:
        for chunk in _chunks(answer, sums, remedy):
            content += chunk
            if len(content) >= _MOST_OF_LIST:
                break
    for line in content.decode(errors="replace").splitlines():
        digest, _space, listed = line.partition(" ")
        if listed.strip(" *") == _name(where):
            return digest.lower()
    raise LabError(f"{sums} has no checksum of {_name(where)}", remedy)


def _fetch(where: str, sums: str, expected: str, remedy: str, say: Callable[[str], None]) -> None:
    algorithm = PurePosixPath(sums).name.lower().removesuffix("sums")
    with _stage(where) as stage:
        path = stage / _name(where)
        made, found = _download(where, path, algorithm, remedy, say)
        if found != expected:
            raise LabError(
                f"{where} has another checksum than {sums}: {algorithm}:{found}",
                "run it again: its site may just have got a newer one; where that remains, do not use it",
            )
        about = Image(path.name, f"{made:%Y-%m-%d}", f"{algorithm}:{expected}")
        (stage / _ABOUT).write_text(json.dumps(asdict(about)))
        cache.publish(stage, _home(where), expected[:16])


@contextmanager
def _stage(where: str) -> Iterator[Path]:
    """Have a folder for what a URL names, which goes in the end where it was not published."""
    try:
        stage = cache.staging(_home(where))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise LabError(
            f"{where} can't be kept in {FOLDER}: {error.strerror}",
            "free some space, or name a roomier place: export EVENKEEL_CACHE=/path",
        ) from error


def _download(where: str, path: Path, algorithm: str, remedy: str, say: Callable[[str], None]) -> tuple[datetime, str]:
    """Write what is at a URL to a file, and return the day it was made, and its checksum."""
    digest, size = hashlib.new(algorithm), 0
    with _open(where, remedy) as answer, path.open("wb") as file:
        for chunk in _chunks(answer, where, remedy):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            say(f"{size >> 20} MiB of {path.name}")
        return _day(answer.headers.get("Last-Modified")), digest.hexdigest()


def _day(text: str | None) -> datetime:
    """Return the day that a site says, or today where it says none."""
    try:
        return parsedate_to_datetime(text or "")
    except (TypeError, ValueError, OverflowError):
        return datetime.now(UTC)


def _home(where: str) -> Path:
    return FOLDER / f"{PurePosixPath(_name(where)).stem}-{cache.key(where)}"


def _name(where: str) -> str:
    """Return the name of the file that a URL names.

    Raises
    ------
    LabError
        It names none.
    """
    try:
        url = urlsplit(where)
    except ValueError as error:
        raise LabError(f"{where} names no file: {error}", _REMEDY) from error
    name = PurePosixPath(url.path).name
    if not url.scheme or name in ("", ".."):
        raise LabError(f"{where} names no file", _REMEDY)
    return name


def _stored(where: str) -> Image:
    folder = _home(where).resolve()
    about = json.loads((folder / _ABOUT).read_text())
    return Image(**{**about, "path": str(folder / about["path"])})


def _local(where: str) -> Image:
    path = _file(where)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Image(str(path), f"{made:%Y-%m-%d}", f"sha256:{digest}")


def _file(where: str) -> Path:
    path = Path(where).expanduser().absolute()
    if not path.is_file():
        raise LabError(f"{where} is no file", _REMEDY)
    return path
