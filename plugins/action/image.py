# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: make an image of what roles have built in a working container."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image import (
    bill_of_materials,
    buildah,
    labels,
    oci_layout,
    provenance,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.oci_layout import Layer, Settings
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import declaring

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "base": {"type": "dict", "required": True},
    "environments": {"type": "list", "elements": "dict", "required": True},
    "default_environment": {"type": "str", "required": True},
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "distribution": {"type": "path", "default": "/opt/miniconda3"},
    "files": {"type": "list", "elements": "path", "default": []},
    "entry_point": {"type": "path", "required": True},
    "user": {"type": "str", "default": "evenkeel"},
    "uid": {"type": "int", "default": 1000},
    "labels": {"type": "dict", "default": {}},
    "directory": {"type": "path", "required": True},
    "site": {"type": "path", "required": True},
    "begun": {"type": "float", "required": True},
    "sbom": {"type": "bool", "default": True},
    "load": {"type": "bool", "default": True},
    "push": {"type": "str", "default": ""},
}
#: In the working container, where nothing else is.
_LAYERS = "/var/tmp/evenkeel-image"  # noqa: S108
_LAYOUT, _SBOM, _PROVENANCE = "oci", "sbom.cdx.json", "provenance.json"


class ActionModule(Action):
    """Have the module image_layers write layers in the container, and put them upon the base image here."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        name, tag = labels.split(arguments["name"])
        folder = oci_layout.folder_of(name, arguments["directory"])
        made = labels.made([path for one in arguments["environments"] if (path := declaring(one))], os.environ)
        written = yield Call("image_layers", _of_layers(arguments, made))
        if written.get("failed") or self._task.check_mode:
            return {**written, "changed": not written.get("failed")}
        base = buildah.Base(**arguments["base"])
        said = labels.of(arguments["labels"], base, written["environments"], made)
        with _replaced(folder / _LAYOUT) as layout:
            buildah.export(base, layout)
            layers = [self._fetched(layer, layout) for layer in written["layers"]]
            digest = oci_layout.build(layout, layers, _settings(arguments, said, made), tag)
        environments = [
            {"name": bill_of_materials.BASE, "digest": "", "origin": {}, "packages": written["base"]},
            *written["environments"],
        ]
        files = {}
        if arguments["sbom"]:
            about = {"name": base.name, "digest": base.digest}
            files[_SBOM] = bill_of_materials.written(name, digest, made, about, environments)
        built = provenance.Built(
            arguments["name"], digest, base, buildah.version(), own_version(), arguments["begun"], time.time()
        )
        sources = sorted({place for one in written["environments"] for place in one["origin"].get("sources") or ()})
        stated = provenance.statement(
            built, committed.of_site(Path(arguments["site"]).absolute()), written["environments"], sources
        )
        files[_PROVENANCE] = json.dumps(stated, indent=2, sort_keys=True) + "\n"
        report_files.replace_all(folder, {file: (text, 0o644) for file, text in files.items()})
        if arguments["load"]:
            buildah.load(folder / _LAYOUT, tag, arguments["name"])
        if arguments["push"]:
            buildah.push(folder / _LAYOUT, tag, arguments["push"])
        return {
            "changed": True,
            "image": arguments["name"],
            "digest": digest,
            "layout": str(folder / _LAYOUT),
            "files": [str(folder / file) for file in sorted(files)],
            "environments": {one["name"]: one["digest"] for one in written["environments"]},
        }

    def _fetched(self, layer: Mapping[str, Any], layout: Path) -> Layer:
        """Bring a layer here, and remove it from the container: there is room for one of them at a time."""
        path = layout / f"{layer['name']}.tar"
        try:
            self._connection.fetch_file(layer["path"], str(path))
        except OSError as error:
            raise from_os(error, str(layout)) from error
        self._low_level_execute_command(f"rm -f {layer['path']}")
        return Layer(layer["name"], path, layer["sha256"])


def _of_layers(arguments: Mapping[str, Any], made: int) -> dict[str, Any]:
    """Return the options of the module image_layers."""
    same = {option: arguments[option] for option in ("root", "distribution", "user", "uid")}
    return {
        **same,
        "environments": [one["name"] for one in arguments["environments"]],
        "files": [*arguments["files"], arguments["entry_point"]],
        "home": f"/home/{arguments['user']}",
        "made": made,
        "folder": _LAYERS,
    }


def _settings(arguments: Mapping[str, Any], said: Mapping[str, str], made: int) -> Settings:
    config = {
        "User": f"{arguments['uid']}:{arguments['uid']}",
        "WorkingDir": f"/home/{arguments['user']}",
        "Entrypoint": [arguments["entry_point"]],
        "Cmd": ["shell"],
        "ExposedPorts": {"8888/tcp": {}},
    }
    variables = {
        "LANG": "C.UTF-8",
        "HOME": f"/home/{arguments['user']}",
        "EVENKEEL_ENV": arguments["default_environment"],
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    return Settings(config, said, variables, made)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Yield a draft of a folder, which takes the folder's place at the end; what an interrupted run has left goes."""
    draft, former = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    try:
        if former.exists() and not folder.exists():  # that run ended between its renames
            former.rename(folder)
        for path in (draft, former):
            shutil.rmtree(path, ignore_errors=True)
        report_files.make_folder(folder.parent)
        draft.mkdir()
        yield draft
        with suppress(FileNotFoundError):
            folder.rename(former)
        draft.rename(folder)
        shutil.rmtree(former, ignore_errors=True)
    except OSError as error:
        raise from_os(error, str(folder.parent)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
