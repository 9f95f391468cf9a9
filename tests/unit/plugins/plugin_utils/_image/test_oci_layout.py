# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers upon a base, as the OCI describes images."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image import oci_layout
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.oci_layout import Layer, Settings

SETTINGS = Settings(
    {"User": "1000:1000", "Cmd": ["shell"]},
    {"io.evenkeel.environment.ai.digest": "ab"},
    {"LANG": "C.UTF-8"},
    1_700_000_000,
)
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00Z",
    "config": {"Env": ["PATH=/bin", "LANG=C", "EMPTY"], "Labels": {"of": "base"}, "Entrypoint": ["/bin/sh"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:base"]},
    "history": [{"created_by": "base"}],
}


def put(folder: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A base image of one layer."""
    folder = tmp_path / "oci"
    (folder / "blobs" / "sha256").mkdir(parents=True)
    layer = put(folder, b"layer of the base")
    manifest = {"config": put(folder, json.dumps(CONFIG).encode()), "layers": [layer]}
    (folder / "index.json").write_text(json.dumps({"manifests": [put(folder, json.dumps(manifest).encode())]}))
    return folder


def built(layout: Path) -> str:
    tar = layout / "env.tar"
    tar.write_bytes(b"tar" * 1000)
    return oci_layout.build(layout, [Layer("environment-ai", tar, "d1ff")], SETTINGS, "1")


def read(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())


def test_what_an_image_is_made_of(layout: Path) -> None:
    digest = built(layout)
    index = json.loads((layout / "index.json").read_text())
    assert index["manifests"][0]["digest"] == digest
    assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "1"}
    manifest = read(layout, digest)
    assert manifest["annotations"] == SETTINGS.labels
    _base, own = manifest["layers"]
    data = (layout / "blobs" / own["digest"].replace(":", "/")).read_bytes()
    assert (len(data), gzip.decompress(data)) == (own["size"], b"tar" * 1000)
    config = read(layout, manifest["config"]["digest"])
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert config["rootfs"]["diff_ids"] == ["sha256:base", "sha256:d1ff"]
    assert [one["created_by"] for one in config["history"]] == ["base", "evenkeel environment-ai"]
    assert config["config"] == {
        "Env": ["PATH=/bin", "LANG=C.UTF-8", "EMPTY="],
        "Labels": {"of": "base", "io.evenkeel.environment.ai.digest": "ab"},
        "Entrypoint": ["/bin/sh"],
        "User": "1000:1000",
        "Cmd": ["shell"],
    }


def test_nothing_else_is_left(layout: Path) -> None:
    manifest = read(layout, built(layout))
    blobs = {f"sha256:{path.name}" for path in (layout / "blobs" / "sha256").iterdir()}
    (index,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert blobs == {index["digest"], manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])}
    assert not (layout / "env.tar").exists()


def test_equal_parts_make_an_equal_image(layout: Path, tmp_path: Path) -> None:
    shutil.copytree(layout, tmp_path / "again")
    assert built(layout) == built(tmp_path / "again")


def test_the_folder_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert oci_layout.folder_of("localhost:5000/team/ai", "images") == tmp_path / "images/localhost-5000/team/ai"
    (tmp_path / "file").touch()
    with pytest.raises(EvenkeelError, match=r"file is no folder, so no image can be in .*image_directory"):
        oci_layout.folder_of("ai", "file")
    with pytest.raises(EvenkeelError, match=r"what is behind a colon would be its tag.*image_directory"):
        oci_layout.folder_of("ai", str(tmp_path / "10:00"))
