# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""An image in the OCI's layout: layers and settings upon a base. Equal parts make an equal image, to the bit."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_REFERENCE = "org.opencontainers.image.ref.name"
#: gzip's own header, with neither name nor time.
_GZIP = 31
_LEVEL = 6
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """A layer as a tar file, and its hash."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Settings:
    """What an image says beside its layers.

    Parameters
    ----------
    config
        How containers run, as the OCI's configuration has it. Labels and variables come to those of the base.
    labels
        Also the annotations of the manifest.
    made
        In seconds since 1970.
    """

    config: Mapping[str, Any]
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    made: int


def folder_of(name: str, directory: str) -> Path:
    """Return the folder of an image, by its name without a tag.

    Raises
    ------
    EvenkeelError
        Nothing can be written there, or no program finds a layout there.
    """
    folder = Path(directory).absolute() / name.replace(":", "-")
    if ":" in str(folder):
        raise EvenkeelError(
            f"No layout can be in {folder}: what is behind a colon would be its tag", "Name another by image_directory"
        )
    report_files.require_writable(folder, "image_directory", "image")
    return folder


def time_of(made: int) -> str:
    """Return a time as images have it.

    >>> time_of(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(folder: Path, layers: Sequence[Layer], settings: Settings, tag: str) -> str:
    """Put layers upon the one image of a layout, which becomes the result, and return its digest."""
    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(_blob(folder, index["manifests"][0]).read_text())
    config = json.loads(_blob(folder, manifest["config"]).read_text())
    with ThreadPoolExecutor() as pool:  # zlib lets other threads run
        packed = list(pool.map(partial(_packed, folder), layers))
    written = _add(folder, _CONFIG, configured(config, layers, settings))
    result = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": written,
        "layers": manifest["layers"] + packed,
        "annotations": dict(settings.labels),
    }
    described = _add(folder, _MANIFEST, result)
    kept = {entry["digest"] for entry in (described, written, *manifest["layers"], *packed)}
    for path in (folder / "blobs" / "sha256").iterdir():
        if f"sha256:{path.name}" not in kept:
            path.unlink()
    # Its annotations are no part of the image's digest.
    entry = {**described, "annotations": {_REFERENCE: tag}}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))
    return str(described["digest"])


def configured(base: Mapping[str, Any], layers: Sequence[Layer], settings: Settings) -> dict[str, Any]:
    """Return the configuration of an image by that of its base."""
    ours = base.get("config") or {}
    inherited = (one.partition("=") for one in ours.get("Env") or ())
    variables = {name: value for name, _sign, value in inherited} | dict(settings.variables)
    created = time_of(settings.made)
    config = {
        **ours,
        **settings.config,
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Labels": {**(ours.get("Labels") or {}), **settings.labels},
    }
    history = [{"created": created, "created_by": f"evenkeel {layer.name}"} for layer in layers]
    diff_ids = [*base["rootfs"]["diff_ids"], *(f"sha256:{layer.sha256}" for layer in layers)]
    return {
        **base,
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [*(base.get("history") or ()), *history],
    }


def _packed(folder: Path, layer: Layer) -> dict[str, Any]:
    """Add a layer to the blobs, and remove its tar file."""
    sha256, size = hashlib.sha256(), 0
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    draft = folder / "blobs" / "sha256" / f".{layer.name}"
    with layer.path.open("rb") as source, draft.open("wb") as target:
        while True:
            chunk = source.read(_CHUNK)
            data = packer.compress(chunk) if chunk else packer.flush()
            sha256.update(data)
            size += target.write(data)
            if not chunk:
                break
    draft.rename(draft.with_name(sha256.hexdigest()))
    layer.path.unlink()
    return {"mediaType": _LAYER, "digest": f"sha256:{sha256.hexdigest()}", "size": size}


def _add(folder: Path, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    data = _json(content)
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / "blobs" / "sha256" / sha256).write_bytes(data)
    return {"mediaType": kind, "digest": f"sha256:{sha256}", "size": len(data)}


def _blob(folder: Path, entry: Mapping[str, Any]) -> Path:
    return folder / "blobs" / str(entry["digest"]).replace(":", "/")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
