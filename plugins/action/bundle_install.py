# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: check a bundle, and bring a mirror those of its files that it lacks."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.path import unfrackpath
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import bundle_install, check, source
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.manifest import NAME, stored_path
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.source import Source
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring

#: How much a mirror has in its temporary folder at a time, as long as no file is larger.
PORTION_BYTES = 256 << 20
_NAMES = ("bundle_install_signers", "bundle_install_fingerprint", "bundle_install_unsigned")


class ActionModule(Action):
    """The whole bundle is checked on the control node before the first mirror is asked anything."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        options = self._task.args
        # Relative to the working directory, as the operator writes them, and not to the playbook.
        place = unfrackpath(options["bundle"], follow=False)
        signers = options.get("signers") or ""
        trust = Trust(
            unfrackpath(signers, follow=False) if signers else "",
            options.get("fingerprint") or "",
            boolean(options.get("unsigned") or False, strict=False),
        )
        trust.require_right(_NAMES)
        signer = _checked_once(place, trust)
        bundle = source.at(place)
        with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as work:
            handed = {"described": bring(self, _described(bundle, Path(work)))}
            result = yield Call("bundle_install", options, handed)
            while result.get("to_bring") and not self._task.check_mode:
                for hashes in _portions(bundle, result["to_bring"]):
                    portion = _packed(bundle, hashes, Path(work))
                    brought = f"{bring(self, [portion])}/{portion.name}"
                    portion.unlink()
                    result = yield Call("bundle_install", options, {**handed, "portion": brought})
                    if result.get("failed"):
                        return result
        result.pop("to_bring", None)
        return {**result, "signer": signer}


def _checked_once(place: str, trust: Trust) -> str:
    """Check the bundle, once for all mirrors; return who has signed it."""
    key = hashlib.sha256(repr((place, trust)).encode()).hexdigest()[:16]
    answer = Path(constants.DEFAULT_LOCAL_TMP, f"bundle-{key}.json")
    return str(computed_once(answer, lambda: check.check(source.at(place), trust).signer))


def _described(bundle: Source, work: Path) -> list[Path]:
    """Return files with what the bundle says of itself, and with the manifest of its copy."""
    with bundle.open(NAME) as stream:
        text = stream.read()
    contents = {bundle_install.BUNDLE: text, bundle_install.COPY: check.copy_of(bundle).text.encode()}
    for name, content in contents.items():
        (work / name).write_bytes(content)
    return [work / name for name in contents]


def _portions(bundle: Source, hashes: Sequence[str]) -> Iterator[list[str]]:
    sizes = bundle.sizes()
    portion: list[str] = []
    size = 0
    for sha256 in hashes:
        coming = sizes[stored_path(sha256)]
        if portion and size + coming > PORTION_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(sha256)
        size += coming
    yield portion


def _packed(bundle: Source, hashes: Sequence[str], work: Path) -> Path:
    sizes = bundle.sizes()
    place = work / bundle_install.PORTION
    with tarfile.open(place, "w") as tar:
        for sha256 in hashes:
            member = tarfile.TarInfo(sha256)
            member.size = sizes[stored_path(sha256)]
            with bundle.open(stored_path(sha256)) as stream:
                tar.addfile(member, stream)
    return place
