# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of buildah, and what its answers mean; with a program in its place."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image import buildah
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.buildah import Base

BASE = Base("debian:12", "1d", "sha256:d1")


class Program:
    """A buildah, or another program, that notes its calls and answers by a script."""

    def __init__(self, folder: Path, name: str = "buildah") -> None:
        self.calls, self.file = folder / "calls", folder / name

    def does(self, script: str) -> None:
        self.file.write_text(f'#!/bin/sh\necho "$*" >>{self.calls}\n{script}\n')
        self.file.chmod(0o755)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Program(tmp_path)


def test_where_there_is_none_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvenkeelError, match=r"has no program buildah\. Install the distribution's package buildah"):
        buildah.version()


def test_its_version(program: Program) -> None:
    program.does("echo 'buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)'")
    assert buildah.version() == "1.28.2"


def test_an_image_that_is_there_is_not_pulled(program: Program) -> None:
    program.does("echo 1d sha256:d1")
    assert buildah.base("debian:12") == BASE
    assert "pull" not in program.calls.read_text()


def test_an_image_that_nobody_has_is_named_with_the_reason(program: Program) -> None:
    program.does('echo "Error: initializing source docker://nowhere: no such host" >&2; exit 125')
    with pytest.raises(
        EvenkeelError, match=r"base image nowhere .*: initializing source .*no such host\. Correct image_base"
    ):
        buildah.base("nowhere")


def test_a_full_disk_has_a_remedy_of_its_own(program: Program) -> None:
    program.does('echo "Error: writing layer: write /x: no space left on device" >&2; exit 125')
    with pytest.raises(EvenkeelError, match=r"no space left on device\. Free some space there"):
        buildah.begin("evenkeel-image-ai", BASE)


def test_of_the_containers_only_those_of_ended_runs_of_the_image_are_left_over() -> None:
    mine = process_identity.of(os.getpid())
    gone = " ".join([mine.split(" ")[0], str(os.getpid()), "1"])
    names = [
        *(
            buildah.container_name(image, process)
            for image in ("localhost/ai:1", "localhost/ai")
            for process in (mine, gone)
        ),
        "evenkeel-image-localhost-ai-1",
        "debian-working-container",
    ]
    assert buildah.left_over("localhost/ai:1", names) == ([names[1]], [names[0]])


def test_storage_without_containers(program: Program) -> None:
    program.does("echo null")
    assert buildah.containers() == []
    program.does("""echo '[{"containername": "a"}, {"containername": "b"}]'""")
    assert buildah.containers() == ["a", "b"]


def test_the_loaded_image_gets_its_name_alone_wherever_its_layout_is(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "Images: mine"
    program.does(f'[ "$1" != pull ] || {{ place=${{3#oci:}}; readlink "${{place%:*}}" >>{program.calls}; echo 1d; }}')
    buildah.load(folder, "1", "localhost/ai:1")
    pull, place, tag, untag = program.calls.read_text().splitlines()
    name = pull.removeprefix("pull --quiet oci:").removesuffix(":1")
    assert (place, tag, untag) == (str(folder), "tag 1d localhost/ai:1", f"rmi localhost/{name}")
    assert re.fullmatch(r"evenkeel-image-[0-9a-f]{16}", name)


def test_a_registry_gets_the_layout_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    skopeo = Program(tmp_path, "skopeo")
    skopeo.does("true")
    buildah.push(tmp_path / "oci", "1", "docker://registry.example/ai:1")
    assert skopeo.calls.read_text() == (
        f"copy --quiet --preserve-digests oci:{tmp_path}/oci:1 docker://registry.example/ai:1\n"
    )


def test_without_skopeo_nothing_can_be_pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvenkeelError, match=r"has no program skopeo\. Install the distribution's package skopeo"):
        buildah.require_pusher()
