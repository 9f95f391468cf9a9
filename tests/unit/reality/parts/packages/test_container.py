# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import platform as machine
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from reality import programs
from reality.claims import OutOfTimeError, Result, SkippedError
from reality.parts import packages
from reality.parts.packages import container, sets
from reality.reach import TroubleError
from reality.world import World

HERE = Platform("Debian", "12", machine.machine())
ASKED = {"kernels": ["a"], "sets": []}
ELSEWHERE = Platform("Debian", "12", "x86_64" if machine.machine() == "aarch64" else "aarch64")
#: A container tool that says what it is called with, and answers as a test wants it to.
TOOL = """\
#!/bin/sh
echo "$*" >>"{calls}"
case $1 in
pull) {pull} ;;
run) for word; do case $word in *:/srv/answers) folder=${{word#--volume=}} folder=${{folder%:*}} ;; esac; done
    printf '{{"key": "a", "problem": "", "detail": ""}}\\n' >>"$folder/answers.jsonl" ;;
wait) {wait} ;;
logs) echo its words ;;
ps) {ps} ;;
rm) {rm} ;;
esac
"""


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, **does: str) -> Path:
    calls, tool = folder / "calls", folder / "bin" / "podman"
    tool.parent.mkdir()
    tool.write_text(TOOL.format(**{"calls": calls, "pull": ":", "wait": "echo 0", "ps": ":", "rm": ":", **does}))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return calls


def test_what_is_asked_of_a_container(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = made(tmp_path, monkeypatch)
    assert container.answers(world, HERE, "debian:12", ASKED) == {"a": {"key": "a", "problem": "", "detail": ""}}
    lines = calls.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["pull", "ps", "run", "wait", "logs", "rm"]
    name = lines[-1].split()[-1]
    assert f"--name={name} " in lines[2]
    assert name.endswith(f"-{os.getpid()}")


def test_what_has_all_answers_needs_no_container(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, asked = made(tmp_path, monkeypatch), {"kernels": ["a"], "sets": [{"key": "b"}]}
    listed = world.folder / "packages" / sets.name_of(HERE) / "answers" / "answers.jsonl"
    listed.parent.mkdir(parents=True)
    listed.parent.with_name("asked.json").write_text(json.dumps(asked))
    listed.write_text(
        '{"key": "headers/a", "problem": "", "detail": ""}\n{"key": "resolves/b", "problem": "", "absent": "b"}\n'
    )
    assert sorted(container.answers(world, HERE, "debian:12", asked)) == ["headers/a", "resolves/b"]
    assert not calls.exists()
    listed.write_text(listed.read_text() + '{"key": "resolves/b", "problem": "no answer"}\n')
    container.answers(world, HERE, "debian:12", asked)
    assert calls.exists()


def test_answers_to_something_else_do_not_stand(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, monkeypatch)
    folder = world.folder / "packages" / sets.name_of(HERE)
    (folder / "answers").mkdir(parents=True)
    (folder / "answers" / "answers.jsonl").write_text('{"key": "headers/a", "problem": "", "detail": "1.0"}\n')
    (folder / "asked.json").write_text('{"kernels": ["a"], "sets": [{"key": "b"}]}')
    assert sorted(container.answers(world, HERE, "debian:12", ASKED)) == ["a"]


@pytest.mark.parametrize(
    ("platform", "fails", "error", "says"),
    [
        (HERE, {"pull": "echo no route; exit 1"}, TroubleError, "debian:12 can't be fetched: no route"),
        (HERE, {"wait": "echo 100"}, TroubleError, "in debian:12: its words"),
        (HERE, {"pull": "echo exec format error; exit 1"}, TroubleError, "can't be fetched"),
        (ELSEWHERE, {"pull": "echo exec format error; exit 1"}, SkippedError, "install qemu-user-static"),
    ],
)
def test_what_fails(
    platform: Platform,
    fails: dict[str, str],
    error: type[Exception],
    says: str,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made(tmp_path, monkeypatch, **fails)
    with pytest.raises(error, match=says):
        container.answers(world, platform, "debian:12", ASKED)


def test_an_interrupted_run_removes_its_container(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = made(tmp_path, monkeypatch, wait="exec sleep 60")
    run = world.run

    def interrupted(argv: Any, **more: Any) -> Any:
        if argv[1] == "wait":
            world.reach.stop.set()
        return run(argv, **more)

    monkeypatch.setattr(world, "run", interrupted)
    with pytest.raises(OutOfTimeError):
        container.answers(world, HERE, "debian:12", ASKED)
    assert calls.read_text().splitlines()[-1].startswith("rm --force")


def test_warnings_of_a_container_tool_are_no_status(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, monkeypatch, wait="echo 'cgroups of version 1' >&2; echo 0")
    assert container.answers(world, HERE, "debian:12", ASKED) == {"a": {"key": "a", "problem": "", "detail": ""}}


@pytest.mark.parametrize("hangs", ["ps", "rm"])
def test_a_container_tool_that_hangs_keeps_no_run_from_its_end(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    calls = made(tmp_path, monkeypatch, **{hangs: "exec sleep 60", "wait": "exec sleep 60"})
    monkeypatch.setattr(container, "_REMOVE_SECONDS", 0.2)
    monkeypatch.setattr(programs, "_STEPS", ("TERM:50",))
    run = world.run

    def soon(argv: Any, **more: Any) -> Any:
        return run(argv, **more, seconds=0.5 if argv[1] in ("ps", "wait") else 60)

    monkeypatch.setattr(world, "run", soon)
    with pytest.raises(OutOfTimeError):
        container.answers(world, HERE, "debian:12", ASKED)
    assert calls.read_text().splitlines()[-1].startswith(hangs)


def test_without_a_container_tool(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    claim = next(iter(packages.claims(world)))
    with pytest.raises(SkippedError, match="no podman or docker: install podman"):
        packages.check(claim, world)


def test_containers_of_runs_that_have_ended_are_left() -> None:
    gone, here = "evenkeel-reality-a-4194399", f"evenkeel-reality-a-{os.getpid()}"
    assert container.left([gone, here]) == [gone]


def said(key: str, answers: dict[str, Any], world: World) -> tuple[str, str]:
    try:
        result = packages.verdict(key, "debian:12", answers, world)
    except TroubleError as error:
        return "unreachable", str(error)
    except SkippedError as error:
        return "skipped", str(error)
    assert isinstance(result, Result)
    return result.state, result.detail


@pytest.mark.parametrize(
    ("key", "answers", "result"),
    [
        ("a", {"a": {"problem": "", "detail": "9 packages"}}, ("proven", "9 packages")),
        ("a", {"a": {"problem": "no package b"}}, ("differs", "no package b")),
        ("a", {}, ("differs", "the container gave no answer")),
        (
            "a",
            {"a": {"problem": "", "absent": "no repository has b"}},
            ("skipped", "in debian:12: no repository has b"),
        ),
        (
            "a",
            {"a": {"problem": "The lists could not be fetched"}},
            ("unreachable", "in debian:12: The lists could not be fetched"),
        ),
    ],
)
def test_what_answers_say(key: str, answers: dict[str, Any], result: tuple[str, str], world: World) -> None:
    assert said(key, answers, world) == result
