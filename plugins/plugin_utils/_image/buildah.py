# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""buildah on the control node, and skopeo, which copies layouts."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_PREFIX = "evenkeel-image"
_NO_SPACE = "no space left on device"
_LEADING = re.compile(r'^(?:Error: |error |time="[^"]*" level=\w+ msg=)+')


@dataclass(frozen=True)
class Base:
    """An image as buildah's storage has it."""

    name: str
    id: str
    digest: str


def version() -> str:
    """Return the version of buildah.

    Raises
    ------
    EvenkeelError
        There is none.
    """
    return _run(["--version"], "buildah does not run", "Install it anew").split()[2]


def require_pusher() -> None:
    """Require what copies an image to a registry.

    Raises
    ------
    EvenkeelError
        There is none.
    """
    _run(["--version"], "skopeo does not run", "Install it anew", program="skopeo")


def base(name: str) -> Base:
    """Return an image, which is pulled where it is missing.

    Raises
    ------
    EvenkeelError
        It can't be had.
    """
    found = _inspected(name)
    if found is None:
        remedy = "Correct image_base, or bring the image with `buildah pull`, which says more"
        _run(["pull", "--quiet", name], f"The base image {name} is not there and can't be pulled", remedy)
        found = _inspected(name)
    if found is None:
        raise EvenkeelError(f"The base image {name} is not there", "Correct image_base")
    return found


def _inspected(name: str) -> Base | None:
    done = subprocess.run(
        ["buildah", "inspect", "--type=image", "--format={{.FromImageID}} {{.FromImageDigest}}", name],
        check=False,
        capture_output=True,
        text=True,
    )
    return None if done.returncode else Base(name, *done.stdout.split())


def container_name(image: str, process: str) -> str:
    """Return the name of the working container of an image and a process of this machine.

    >>> container_name("localhost/ai:1", "0a1b2c3d-1234 4711 99")
    'evenkeel-image-localhost-ai-1.0a1b2c3d-1234.4711.99'
    """
    return f"{_of_image(image)}.{process.replace(' ', '.')}"


def _of_image(image: str) -> str:
    return f"{_PREFIX}-{re.sub('[^a-z0-9]+', '-', image.lower()).strip('-')}"


def left_over(image: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the working containers of an image whose runs have ended, and those of runs that go on."""
    pattern = re.compile(rf"{re.escape(_of_image(image))}\.([0-9a-f-]+)\.(\d+)\.(\d+)")
    ours = {name: " ".join(match.groups()) for name in names if (match := pattern.fullmatch(name))}
    running = [name for name, process in ours.items() if process_identity.runs(process)]
    return [name for name in ours if name not in running], running


def containers() -> list[str]:
    """Return the names of all working containers."""
    listed = json.loads(_run(["containers", "--json"], "buildah does not list its containers", _STORAGE) or "[]")
    return [one["containername"] for one in listed or ()]


_STORAGE = "Look at its storage with `buildah info`"


def begin(name: str, image: Base) -> None:
    """Make a working container."""
    _run(
        ["from", "--quiet", "--pull-never", f"--name={name}", image.id],
        f"No working container of {image.name} can be made",
        _STORAGE,
    )


def remove(name: str) -> None:
    """Remove a working container."""
    _run(["rm", name], f"The working container {name} can't be removed", f"Remove it by hand: `buildah rm {name}`")


def export(image: Base, folder: Path) -> None:
    """Write an image as an OCI layout."""
    _run(
        ["push", "--quiet", "--format=oci", image.id, f"oci:{folder}:base"],
        f"The base image {image.name} can't be written to {folder}",
        _STORAGE,
    )


def load(folder: Path, tag: str, name: str) -> None:
    """Bring an image of an OCI layout into the storage, by this name."""
    what = f"The image can't be brought into the storage of this user's containers as {name}"
    # buildah takes the path of a layout, as it is given, for the name of the image.
    with tempfile.TemporaryDirectory(prefix="evenkeel-image-") as place:
        own = f"evenkeel-image-{secrets.token_hex(8)}"
        Path(place, own).symlink_to(folder)
        image = _run(["pull", "--quiet", f"oci:{own}:{tag}"], what, _STORAGE, place=place).split()[-1]
    try:
        _run(["tag", image, name], what, "Correct image_name")
    finally:
        _run(["rmi", f"localhost/{own}"], what, _STORAGE)


def push(folder: Path, tag: str, target: str) -> None:
    """Copy an image of an OCI layout, bit by bit, to a registry or wherever else skopeo copies to."""
    _run(
        ["copy", "--quiet", "--preserve-digests", f"oci:{folder}:{tag}", target],
        f"The image can't be pushed to {target}",
        "Log in with `skopeo login`, or correct image_push",
        program="skopeo",
    )


def _run(
    arguments: Sequence[str], what: str, remedy: str, *, program: str = "buildah", place: str | None = None
) -> str:
    try:
        done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True, cwd=place)
    except FileNotFoundError as error:
        raise EvenkeelError(
            f"The control node has no program {program}", f"Install the distribution's package {program} there"
        ) from error
    if done.returncode:
        said = done.stderr.strip() or f"{program} ends with status {done.returncode}"
        if _NO_SPACE in said:
            remedy = "Free some space there; `buildah rmi --prune` frees some where containers are stored"
        raise EvenkeelError(f"{what}: {_LEADING.sub('', said.splitlines()[-1])}", remedy)
    return done.stdout
