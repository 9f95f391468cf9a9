# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from maintenance import corpus
from maintenance.corpus import CRASHED, ENVIRONMENT, EXPLICIT, LOCK, LOCKED, REFUSED, REQUIREMENTS, Options, Outcome

ROOT = Path(__file__).parents[3]
GOOD = "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip:\n      - humanize>=4\n"
BOTH = "channels: [conda-forge]\ndependencies:\n  - python\n  - {of_conda}\n  - pip:\n      - {of_pip}\n"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("environment.yml", GOOD, ENVIRONMENT),
        ("environment-gpu.yaml", GOOD, ENVIRONMENT),
        ("my_env.yml", "dependencies: [python]\n", ENVIRONMENT),
        ("conda.yaml", "dependencies: [python]\n", ENVIRONMENT),
        ("gpu.yml", GOOD, ENVIRONMENT),
        ("gpu.yml", "dependencies: [python]\n", None),
        ("environment.yml", "jobs:\n  dependencies: []\n", None),
        ("conda-lock.yml", "version: 1\n", LOCK),
        ("gpu.conda-lock.yml", "version: 1\n", LOCK),
        ("pixi.lock", "version: 6\n", LOCK),
        ("spec-file.txt", "# platform: linux-64\n@EXPLICIT\n", EXPLICIT),
        ("conda-linux-64.lock", "@EXPLICIT\n", EXPLICIT),
        ("requirements-dev.txt", "numpy\n", REQUIREMENTS),
        ("dev_Requirements.txt", "numpy\n", REQUIREMENTS),
        ("notes.txt", "numpy\n", None),
        ("yarn.lock", "x\n", None),
    ],
)
def test_which_files_count(name: str, text: str, kind: str | None) -> None:
    assert corpus.kind_of(Path(name), text) == kind


def test_files_are_found_at_any_depth_but_not_in_a_repositorys_own_folder(tmp_path: Path) -> None:
    for place in ("environment.yml", "a/b/environment.yml", "a/.git/environment.yml"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(GOOD)
    found = [path.relative_to(tmp_path).as_posix() for path, _kind in corpus.found_below(tmp_path)]
    assert found == ["a/b/environment.yml", "environment.yml"]


def test_a_file_as_powershell_writes_it_counts(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(GOOD, encoding="utf-16")
    assert [kind for _path, kind in corpus.found_below(tmp_path)] == [ENVIRONMENT]


@pytest.mark.parametrize(
    ("what", "reasons"),
    [
        ("/w/environment.yml: the key 'x' is unknown", ("the key 'x' is unknown. Fix it.",)),
        ("/w/environment.yml has 2 mistakes:\n- one\n- /w/environment.yml: two\n", ("one", "two")),
        ("The solver says:\nno", ("The solver says: no. Fix it.",)),
    ],
)
def test_each_reason_of_a_refusal_is_one(what: str, reasons: tuple[str, ...]) -> None:
    assert corpus.reasons_of(EvenkeelError(what, "Fix it"), Path("/w/environment.yml")) == reasons


def test_reasons_of_one_kind_are_counted_together() -> None:
    one = corpus.kind_of_reason("dependencies.pip: 'numpy 1' is no requirement (see https://a.example/b)")
    assert one == corpus.kind_of_reason("dependencies.pip: 'torch' is no requirement (see https://c.example/d)")
    assert one == corpus.kind_of_reason(
        "dev/requirements.txt, line 7: 'torch' is no requirement (see https://c.example/d)"
    )
    assert one != corpus.kind_of_reason("dependencies.pip: 'torch' is a path")


def test_the_table_and_its_summary() -> None:
    outcomes = [
        Outcome("a/environment.yml", LOCKED, (), 1.25),
        Outcome("b/environment.yml", REFUSED, ("the key 'x' is unknown", "the key 'y' is unknown", "no channels"), 0.5),
        Outcome("c/environment.yml", CRASHED, ("Traceback\nValueError",), 0.1),
    ]
    assert "\n".join(map(corpus.row, outcomes)).splitlines() == [
        "locked      1.2 s  a/environment.yml",
        "refused     0.5 s  b/environment.yml",
        "                    the key 'x' is unknown",
        "                    the key 'y' is unknown",
        "                    no channels",
        "crashed     0.1 s  c/environment.yml",
        "                    Traceback",
        "                    ValueError",
    ]
    assert corpus.summary(outcomes) == [
        "    3 files",
        "    1 locked",
        "    1 refused",
        "    1 crashed",
        "    1 refused: the key … is unknown",
        "    1 refused: no channels",
    ]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (EvenkeelError("no", "Fix it"), REFUSED),
        (EvenkeelError("KeyError: 'x'", "Report it as an error in Evenkeel itself"), CRASHED),
        (KeyError("x"), CRASHED),
    ],
)
def test_what_is_a_crash(monkeypatch: pytest.MonkeyPatch, error: Exception, state: str) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(corpus, "lock", fail)
    outcome = corpus.outcome_of(Path("environment.yml"), ENVIRONMENT, Options())
    assert outcome.state == state
    assert ("Traceback" in outcome.reasons[0]) == isinstance(error, KeyError)


@pytest.mark.parametrize(
    ("kind", "seconds", "reason"),
    [("killed", 60, f"Its process ended with status {-signal.SIGKILL}"), ("endless", 1, "It did not end in 1 seconds")],
)
def test_a_process_that_dies_or_does_not_end_is_a_crash(
    monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float, reason: str
) -> None:
    monkeypatch.setattr(corpus, "_tell", die if kind == "killed" else wait)
    outcome = corpus.in_process((Path("environment.yml"), ENVIRONMENT), Options(seconds=seconds))
    assert (outcome.state, outcome.reasons) == (CRASHED, (reason,))


def die(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait(*arguments: object) -> None:
    signal.pause()


def test_a_folder_is_put_through_the_pipeline_and_stays_as_it_was(tmp_path: Path) -> None:
    files = {
        "good/environment.yml": GOOD,
        "bad/environment.yml": GOOD + "nobody: knows\n",
        "explicit/spec.txt": "@EXPLICIT\nhttps://conda.example/main/linux-64/xz-5.2.4-0.tar.bz2\n",
        "pip/requirements.txt": "requests[socks]==2.32.0\n",
        "both/environment.yml": BOTH.format(of_conda="numpy=1.26.4", of_pip="numpy==1.24.0"),
        "renamed/environment.yml": BOTH.format(of_conda="pytorch=2.1", of_pip="torch==2.0"),
        "extra/environment.yml": BOTH.format(of_conda="uvicorn=0.30", of_pip="uvicorn[standard]>=0.30"),
        "program/environment.yml": BOTH.format(of_conda="graphviz=9.0", of_pip="graphviz==0.20"),
        "old/environment.yml": BOTH.format(of_conda="attrs=19.1=py_0", of_pip="attrs==20.1"),
        "old/spec.txt": f"@EXPLICIT\nhttps://conda.example/main/noarch/attrs-19.1-py_0.tar.bz2#{'0' * 32}\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "maintenance.corpus", str(tmp_path), "--synthetic", "--jobs", "2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    states = {line.split()[-1]: line.split()[0] for line in done.stdout.splitlines() if " s  " in line}
    assert states["good/environment.yml"] == LOCKED, done.stdout
    assert states["bad/environment.yml"] == REFUSED
    assert states["both/environment.yml"] == states["renamed/environment.yml"] == REFUSED, done.stdout
    assert "conda brings numpy 1.26.4, pip asks for numpy==1.24.0" in done.stdout
    assert "conda brings torch 2.1, pip asks for torch==2.0" in done.stdout
    assert "conda brings attrs 19.1, pip asks for attrs==20.1" in done.stdout
    assert states["extra/environment.yml"] == states["program/environment.yml"] == LOCKED, done.stdout
    assert CRASHED not in states.values()
    assert "nobody" in done.stdout
    assert done.returncode == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(files)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maintenance.corpus", str(tmp_path / "nowhere")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere is not a folder" in done.stderr
