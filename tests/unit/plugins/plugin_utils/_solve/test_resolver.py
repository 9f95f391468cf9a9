# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file, locking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve, with_pip
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build, SourceRelease

from ..package_site import Site

NODE = (("__glibc", "2.36"),)
PYTHON = ("python", "3.11.2", "linux-64", ())
PIP = ("pip", "26.3", "noarch", ("python >=3.9",))
PYTORCH = ("pytorch", "2.0", "linux-64", ("python >=3.11",))


def test_pips_packages_come_around_condas(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], index: Callable[[], str], tmp_path: Path
) -> None:
    channel = make_channel([PYTHON, PIP, PYTORCH], {"pytorch": "torch"}, folder=tmp_path / "main")
    make_wheel(tmp_path / "wheels", "lightning", "1.0", ["torch>=2"])
    make_wheel(tmp_path / "wheels", "torch", "3.0")
    mirrors = mirrors_from(
        {
            "https://channel.example/main": channel,
            "https://index.example": index(),
            "https://files.example": (tmp_path / "wheels").as_uri(),
        }
    )
    problem = Problem(
        ("python=3.11", "pytorch"),
        ("https://channel.example/main",),
        "linux-64",
        NODE,
        pip=("lightning", "torch"),
        mirrors=mirrors,
        pip_index="https://index.example",
    )
    assert [(package.manager, package.name, package.url) for package in resolve(problem)] == [
        ("conda", "pip", "https://channel.example/main/noarch/pip-26.3-0.conda"),
        ("conda", "python", "https://channel.example/main/linux-64/python-3.11.2-0.conda"),
        ("conda", "pytorch", "https://channel.example/main/linux-64/pytorch-2.0-0.conda"),
        ("pip", "lightning", "https://files.example/lightning-1.0-py3-none-any.whl"),
    ]


def test_constraints_without_an_answer_are_named_with_their_files(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], index: Callable[[], str], tmp_path: Path
) -> None:
    channel = make_channel([PYTHON, PIP], {}, folder=tmp_path / "main")
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "app", version)
    (tmp_path / "team.txt").write_text("app<2\nother<1\n")
    (tmp_path / "fleet.txt").write_text("# of all\napp>=2\n")
    path = tmp_path / "environment.yml"
    lines = "".join(f"      - {line}\n" for line in ("app", "-c team.txt", "-c fleet.txt"))
    path.write_text(f"channels: [{channel}]\ndependencies:\n  - python=3.11\n  - pip:\n{lines}")
    (problem,) = locking.problems(environment_file.read(path), {"linux-64": dict(NODE)}, Mirrors(), index(), None, None)
    with pytest.raises(EvenkeelError) as error:
        resolve(problem)
    places = f"Constraints: app<2 ({tmp_path}/team.txt, line 1), app>=2 ({tmp_path}/fleet.txt, line 2)"
    assert error.value.what.endswith(f". {places}")
    with pytest.raises(EvenkeelError) as several:
        resolve(replace(problem, pip=("app", "gone==1")))
    assert several.value.what.startswith("What is asked of pip has 2 mistakes:")
    assert several.value.what.endswith(f"\n{places}\n")


def test_pip_without_python_is_told(make_channel: Callable[..., str]) -> None:
    channel = make_channel([("zlib", "1.0", "linux-64", ())])
    with pytest.raises(EvenkeelError, match=r"^pip's humanize need Python, and none of conda's packages is it"):
        resolve(Problem(("zlib",), (channel,), "linux-64", NODE, pip=("humanize",)))


def test_a_package_of_another_hash_than_its_requirement_names_is_refused(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], index: Callable[[], str], tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "tool", "1.0")
    problem = Problem(
        ("python=3.11",),
        (make_channel([PYTHON, PIP], folder=tmp_path / "main"),),
        "linux-64",
        NODE,
        pip=("tool",),
        pip_index=index(),
        hashes=(f"tool sha256:{'0' * 64}",),
    )
    with pytest.raises(EvenkeelError, match=r"name hashes \(--hash\), and these packages have others: tool 1\.0"):
        resolve(problem)


def test_the_hash_of_a_source_is_that_of_its_requirement(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], tmp_path: Path, index: Callable[[], str]
) -> None:
    (tmp_path / "wheels").mkdir()

    @contextlib.contextmanager
    def building(*_question: object) -> Iterator[Build]:
        yield lambda release: make_wheel(tmp_path / "store", release.name, "1.0")

    digest, other = "0" * 64, "1" * 64
    problem = Problem(
        ("python=3.11",),
        (make_channel([PYTHON, PIP]),),
        "linux-64",
        NODE,
        pip=(f"tool @ https://files.example/tool-1.0.tar.gz#sha256={digest}",),
        pip_index=index(),
        buildable=("tool",),
        hashes=(f"tool sha256:{digest}",),
    )
    assert resolve(problem, building)[-1].version == "1.0"
    with pytest.raises(EvenkeelError, match=rf"have others: tool \(tool-1\.0\.tar\.gz, sha256:{digest}\)"):
        resolve(replace(problem, hashes=(f"tool sha256:{other}",)), building)


def test_the_index_of_a_package_is_recorded_by_its_original_url(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], tmp_path: Path, site: Site
) -> None:
    """A file of environments asks for ``torch==2.4.0+cu121`` from an index of its own."""
    channel = make_channel([PYTHON, PIP])
    make_wheel(tmp_path / "cuda", "torch", "2.4.0+cu121", ["lib"])
    make_wheel(tmp_path / "own", "lib", "1.0")
    make_wheel(tmp_path / "own", "torch", "2.4.0")
    site.index("whl/cu121", tmp_path / "cuda")
    problem = Problem(
        ("python=3.11",),
        (channel,),
        "linux-64",
        NODE,
        pip=("torch==2.4.0+cu121",),
        mirrors=mirrors_from({"https://wheels.example": site.url}),
        pip_index=site.index("own", tmp_path / "own"),
        indexes=("https://wheels.example/whl/cu121/simple",),
    )
    _pip, _python, lib, torch = resolve(problem)
    assert (lib.version, lib.index) == ("1.0", "")
    assert (torch.version, torch.index) == ("2.4.0+cu121", "https://wheels.example/whl/cu121/simple")
    assert torch.url.startswith("https://wheels.example/whl/cu121/files/torch-2.4.0")


def test_a_wheel_by_url_comes_from_a_mirror_and_is_recorded_by_its_original_url(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], tmp_path: Path, site: Site
) -> None:
    wheel = make_wheel(site.folder / "releases", "tool", "1.0")
    make_wheel(tmp_path / "own", "other", "1.0")
    problem = Problem(
        ("python=3.11",),
        (make_channel([PYTHON, PIP]),),
        "linux-64",
        NODE,
        pip=(f"tool @ https://files.example/releases/{wheel.name}",),
        mirrors=mirrors_from({"https://files.example": site.url}),
        pip_index=site.index("own", tmp_path / "own"),
    )
    *_of_conda, tool = resolve(problem)
    assert (tool.url, tool.index) == (
        f"https://files.example/releases/{wheel.name}",
        "https://files.example/releases",
    )


def test_extras_of_what_conda_brings_are_resolved_around_it(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], index: Callable[[], str], tmp_path: Path
) -> None:
    """jupyter-events asks for ``jsonschema[format-nongpl]``, and conda brings jsonschema."""
    jsonschema = ("jsonschema", "4.0", "noarch", ("python >=3.11", "idna"))
    metadata = """\
Metadata-Version: 2.1
Requires-Dist: rpds-py>=1
Requires-Dist: idna ; extra == "format-nongpl"
Requires-Dist: webcolors>=1; extra == "format-nongpl"
Requires-Dist: old; python_version < "3" and extra == "format-nongpl"
Provides-Extra: format-nongpl

Requires-Dist: of-the-description; extra == "format-nongpl"
"""
    channel = make_channel(
        [PYTHON, PIP, jsonschema, ("idna", "3.0", "noarch", ("python",))],
        {"jsonschema": "jsonschema", "idna": "idna"},
        metadata={"jsonschema": metadata},
        folder=tmp_path / "main",
    )
    make_wheel(tmp_path / "wheels", "jupyter_events", "1.0", ["jsonschema[format-nongpl]>=4"])
    for name in ("webcolors", "idna"):
        make_wheel(tmp_path / "wheels", name, "9.0")
    problem = Problem(
        ("python=3.11", "jsonschema"), (channel,), "linux-64", NODE, pip=("jupyter-events",), pip_index=index()
    )
    assert [package.name for package in resolve(problem) if package.manager == "pip"] == ["jupyter-events", "webcolors"]
    for package in (tmp_path / "main").rglob("jsonschema-*"):
        package.unlink()
    of_conda = [package for package in resolve(replace(problem, pip=())) if package.manager == "conda"]
    assert [package.name for package in with_pip(problem, of_conda)[len(of_conda) :]] == ["jupyter-events", "webcolors"]


def test_what_builds_is_open_while_something_may_be_built(
    make_channel: Callable[..., str], make_wheel: Callable[..., Path], index: Callable[[], str], tmp_path: Path
) -> None:
    channel = make_channel([PYTHON, PIP])
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "tool-1.0.tar.gz").touch()
    seen: list[object] = []

    def build(release: SourceRelease) -> Path:
        seen.append(release.name)
        return make_wheel(tmp_path / "store", release.name, release.version)

    @contextlib.contextmanager
    def building(
        target: Target, of_conda: tuple[Package, ...], mirrors: Mirrors, places: Mapping[str, str]
    ) -> Iterator[Build]:
        seen.extend((target.python, [one.name for one in of_conda], mirrors, places["UV_DEFAULT_INDEX"]))
        yield build
        seen.append("closed")

    problem = Problem(("python=3.11",), (channel,), "linux-64", NODE, pip=("tool",), pip_index=index())
    with pytest.raises(EvenkeelError, match=r"lock_build: \[tool\]"):
        resolve(problem, building)
    seen.clear()
    tool = resolve(replace(problem, buildable=("tool",)), building)[-1]
    assert tool.url == str(tmp_path / "store/tool-1.0-py3-none-any.whl")
    assert seen == ["3.11.2", ["pip", "python"], Mirrors(), index(), "tool", "closed"]
