# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _builder as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

LINKED = frozenset({"lib/a.pyc"})
JOB: Any = SimpleNamespace(prefix="/opt/x", pkgs="/opt/pkgs")
TOOLS: Any = object()


class Steps:
    """What is called, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, problem: Exception | None = None) -> None:
        self.called: list[Any] = []
        self.problem = problem
        self.ahead = threading.Event()
        for name in ("link_ahead", "install", "compile_environment", "note_files_of_scripts"):
            monkeypatch.setattr(builder, name, getattr(self, name))
        monkeypatch.setattr(builder.private_caches, "make", lambda pkgs: self.called.append("caches"))
        monkeypatch.setattr(builder.modes, "share", lambda prefix: self.called.append("share"))

    def link_ahead(self, job: Any) -> frozenset[str]:
        self.called.append("ahead")
        self.ahead.set()
        return LINKED

    def install(self, job: Any, installer: str, tools: Any) -> None:
        if installer == "rattler":
            assert self.ahead.wait(60), "nothing is linked beside the installer"
        self.called.append(installer)
        if self.problem:
            raise self.problem

    def compile_environment(self, job: Any, linked: frozenset[str] = frozenset()) -> None:
        self.called.append(linked)

    def note_files_of_scripts(self, prefix: str) -> None:
        self.called.append(prefix)


@pytest.mark.parametrize(
    ("installer", "called"),
    [
        ("rattler", ["caches", "ahead", "rattler", LINKED, "/opt/x", "share"]),
        ("conda", ["caches", "conda", frozenset(), "/opt/x", "share"]),
    ],
)
def test_order(monkeypatch: pytest.MonkeyPatch, installer: str, called: list[Any]) -> None:
    steps = Steps(monkeypatch)
    builder.build(JOB, installer, TOOLS)
    assert steps.called == called


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_nothing_is_compiled_after_a_failure(monkeypatch: pytest.MonkeyPatch, installer: str) -> None:
    steps = Steps(monkeypatch, EvenkeelError("The mirror is gone", "Wait"))
    with pytest.raises(EvenkeelError, match="The mirror is gone"):
        builder.build(JOB, installer, TOOLS)
    assert set(steps.called) <= {"caches", "ahead", installer}
