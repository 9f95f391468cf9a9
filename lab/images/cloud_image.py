# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud images that distributions publish: what the lab's own disks of virtual machines stand in for."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from collections.abc import Callable
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
_SILENCE_SECONDS = 30
_CHUNK = 1 << 20


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


def published() -> dict[str, Published]:
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
        There is none, or its checksum is not the published one.
    """
    if not _is_url(where):
        return _local(where)
    sums = urljoin(where, of(release).checksums)
    remedy = f"does this machine reach it (https_proxy)? Or name a file: EVENKEEL_OFFICIAL={release}=/path/of/the/image"
    with locks.held(f"cloud-image-{_home(where).name}"):
        try:
            with _open(sums) as answer:
                expected = _checksum(answer.read().decode(errors="replace"), sums, where, remedy)
            if cache.published(_home(where)) != expected[:16]:
                _fetch(where, sums, expected, say)
        except (OSError, http.client.HTTPException) as error:
            if not cache.published(_home(where)):
                raise LabError(f"{where} can't be fetched: {getattr(error, 'reason', error)}", remedy) from error
    return _stored(where)


def _is_url(where: str) -> bool:
    return "://" in where


def _open(url: str) -> http.client.HTTPResponse:
    found: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=_SILENCE_SECONDS)  # noqa: S310
    return found


def _checksum(text: str, sums: str, where: str, remedy: str) -> str:
    """Return the checksum of a file in the form of ``sha256sum``."""
    name = PurePosixPath(urlsplit(where).path).name
    for line in text.splitlines():
        digest, _space, listed = line.partition(" ")
        if listed.strip(" *") == name:
            return digest.lower()
    raise LabError(f"{sums} has no checksum of {name}", remedy)


def _fetch(where: str, sums: str, expected: str, say: Callable[[str], None]) -> None:
    stage = cache.staging(_home(where))
    algorithm = PurePosixPath(sums).name.lower().removesuffix("sums")
    path, digest, size = stage / PurePosixPath(urlsplit(where).path).name, hashlib.new(algorithm), 0
    with _open(where) as answer, path.open("wb") as file:
        made = answer.headers.get("Last-Modified")
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            say(f"{size >> 20} MiB of {path.name}")
    if digest.hexdigest() != expected:
        raise LabError(
            f"{where} has another checksum than {sums}: {algorithm}:{digest.hexdigest()}",
            "run it again: its site may just have got a newer one; where that remains, do not use it",
        )
    day = parsedate_to_datetime(made) if made else datetime.now(UTC)
    about = Image(path.name, f"{day:%Y-%m-%d}", f"{algorithm}:{expected}")
    (stage / _ABOUT).write_text(json.dumps(asdict(about)))
    cache.publish(stage, _home(where), expected[:16])


def _home(where: str) -> Path:
    return FOLDER / PurePosixPath(urlsplit(where).path).stem


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
        raise LabError(f"{where} is no file", "name the file of a cloud image, or its URL")
    return path
