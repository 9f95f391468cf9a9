# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import passed_over, pip_resolution, pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Provided, Question, Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build, SourceRelease

from ..package_site import PASSWORD, USER, Site

NODE = Target("3.11.2", "linux-64", "2.36")
NATIVE = [
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp311-cp311-manylinux_2_28_x86_64",
    "cp311-cp311-manylinux_2_39_x86_64",
    "cp311-cp311-manylinux_2_28_aarch64",
    "cp311-cp311-musllinux_1_2_x86_64",
    "cp39-abi3-manylinux_2_5_x86_64",
    "cp313-cp313-manylinux_2_28_x86_64",
]


#: By distribution of conda, what its extras need.
EXTRAS = {"server": ("Provides-Extra: fast", "Provides-Extra: all", "Requires-Dist: loop>=2; extra == 'fast'")}


def resolve(
    requirements: Iterable[str],
    target: Target,
    provided: Mapping[str, str],
    index: str,
    kept: Iterable[Package] = (),
    build: Build | None = None,
    buildable: Iterable[str] = (),
    hashes: Collection[str] = (),
    **more: Any,
) -> list[Package]:
    of_conda = {name: Provided(version) for name, version in provided.items()}
    question = Question(tuple(requirements), target, of_conda, index=index, kept=tuple(kept), **more)
    return pip_resolution.resolve(question, lambda name: EXTRAS.get(name, ()), build, buildable, hashes)


@pytest.fixture
def wheels(tmp_path: Path, make_wheel: Callable[..., Path]) -> Callable[..., Path]:
    return lambda *arguments, **more: make_wheel(tmp_path / "wheels", *arguments, **more)


def versions(packages: list[Package]) -> dict[str, str]:
    return {package.name: package.version for package in packages}


def test_a_wheel_is_told_with_its_hash_and_what_it_needs_comes_too(
    wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheel = wheels("app", "1.0", ["lib>=1", "tool; python_version < '3.9'", "gone; platform_machine == 'aarch64'"])
    lib = wheels("lib", "2.0")
    assert resolve(["app"], NODE, {}, index()) == [
        Package("app", "1.0", "", hashlib.sha256(wheel.read_bytes()).hexdigest(), "pip"),
        Package("lib", "2.0", "", hashlib.sha256(lib.read_bytes()).hexdigest(), "pip"),
    ]
    assert resolve(["app"], NODE, {}, index())[0].url == wheel.as_uri()


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        (NODE, "cp311-cp311-manylinux_2_28_x86_64"),
        (Target("3.11.2", "linux-64", "2.41"), "cp311-cp311-manylinux_2_39_x86_64"),
        (Target("3.11.2", "linux-64", "2.17"), "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"),
        (Target("3.11.2", "linux-aarch64", "2.36"), "cp311-cp311-manylinux_2_28_aarch64"),
        (Target("3.12.1", "linux-64", "2.36"), "cp39-abi3-manylinux_2_5_x86_64"),
        (Target("3.13.0", "linux-64", "2.36"), "cp313-cp313-manylinux_2_28_x86_64"),
    ],
)
def test_the_wheel_fits_the_target_and_not_this_machine(
    wheels: Callable[..., Path], index: Callable[[], str], target: Target, tag: str
) -> None:
    for of_wheel in NATIVE:
        wheels("native", "1.0", tag=of_wheel)
    assert [package.url.rpartition("/")[2] for package in resolve(["native"], target, {}, index())] == [
        f"native-1.0-{tag}.whl"
    ]


def test_what_conda_provides_counts_and_does_not_come_again(
    wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheels("app", "1.0", ["numpy>=1"])
    wheels("app", "2.0", ["numpy>=3"])
    for version in ("1.5", "2.0", "3.0"):
        wheels("numpy", version)
    provided = {"numpy": "2.0", "only-in-conda": "1.0+cu12", "no-version": "of_the_day"}
    assert versions(resolve(["app"], NODE, {}, index())) == {"app": "2.0", "numpy": "3.0"}
    assert versions(resolve(["app", "only-in-conda", "numpy>1"], NODE, provided, index())) == {"app": "1.0"}


@pytest.mark.parametrize(
    ("requirements", "constraints", "said"),
    [
        (["numpy==1.24.0"], (), "conda brings numpy 2.0, pip asks for numpy==1.24.0. One environment"),
        (
            ["numpy<2", "pandas>1; python_version > '3'", "six>9; python_version < '3'"],
            (),
            "conda brings numpy 2.0, pip asks for numpy<2; conda brings pandas 1.0, pip asks for pandas>1;",
        ),
        (
            ["numpy @ git+https://git.example/numpy@main"],
            (),
            "conda brings numpy 2.0, pip asks for numpy @ git+https://git.example/numpy@main. One",
        ),
        (["app"], (), "conda brings numpy 2.0, app needs numpy>=3. One environment"),
        (["top"], (), "conda brings numpy 2.0, app needs numpy>=3. One environment"),
        (["numpy"], ("numpy<2", "pandas<1"), "conda brings numpy 2.0, a constraint of pip asks for numpy<2. One"),
    ],
)
def test_a_conflict_with_conda_leads_with_both_sides(
    wheels: Callable[..., Path],
    index: Callable[[], str],
    requirements: list[str],
    constraints: tuple[str, ...],
    said: str,
) -> None:
    wheels("top", "1.0", ["app"])
    wheels("app", "2.0", ["numpy>=3"])
    wheels("numpy", "3.0")
    provided = {"numpy": "2.0", "pandas": "1.0", "six": "1.0"}
    with pytest.raises(EvenkeelError) as error:
        resolve(requirements, NODE, provided, index(), constraints=constraints)
    assert str(error.value).startswith(said)


def test_a_conflict_among_pips_own_names_what_conda_brings_of_it(
    wheels: Callable[..., Path], index: Callable[[], str]
) -> None:
    wheels("one", "1.0", ["lib<2"])
    wheels("two", "1.0", ["lib>2"])
    for version in ("1.0", "3.0"):
        wheels("lib", version)
    with pytest.raises(EvenkeelError, match=r"^The pip packages one, two cannot be resolved: Because .*lib"):
        resolve(["one", "two"], NODE, {"numpy": "2.0"}, index())


def test_constraints_count_and_bring_nothing(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    for version in ("1.0", "2.0"):
        wheels("app", version)
    assert versions(resolve(["app"], NODE, {"numpy": "2.0"}, index(), constraints=("app<2", "gone==1", "numpy<1"))) == {
        "app": "1.0"
    }


def test_what_an_extra_of_conda_needs_comes_around_conda(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("app", "1.0", ["server[fast]", "lib[never-was]"])
    wheels("lib", "1.0")
    wheels("loop", "2.0", ["numpy"])
    provided = {"server": "1.0", "numpy": "2.0"}
    assert versions(resolve(["app"], NODE, provided, index())) == {"app": "1.0", "lib": "1.0", "loop": "2.0"}
    assert versions(resolve(["server[fast]"], NODE, provided, index())) == {"loop": "2.0"}
    assert versions(resolve(["server[all]"], NODE, provided, index())) == {}
    assert versions(resolve(["server[fast]"], NODE, {**provided, "loop": "2.5"}, index())) == {}


def test_an_extra_that_is_none_is_named(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("lib", "1.0")
    for name, said in (("server", " beside conda's server 1.0. "), ("lib", ". ")):
        with pytest.raises(EvenkeelError) as error:
            resolve([f"{name}[slow]"], NODE, {"server": "1.0"}, index())
        assert str(error.value).startswith(f"{name} has no extra 'slow'{said}")


def test_only_what_is_asked_moves(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    for name in ("one", "two"):
        wheels(name, "1.0")
    before = resolve(["one", "two"], NODE, {}, index())
    for name in ("one", "two"):
        wheels(name, "2.0")
    kept = [package for package in before if package.name == "one"]
    assert versions(resolve(["one", "two"], NODE, {}, index(), kept)) == {"one": "1.0", "two": "2.0"}
    assert versions(resolve(["one>1", "two"], NODE, {}, index(), kept)) == {"one": "2.0", "two": "2.0"}


@pytest.fixture
def sources(tmp_path: Path) -> Callable[..., SourceRelease]:
    def make(name: str, version: str) -> SourceRelease:
        (tmp_path / "wheels").mkdir(exist_ok=True)
        path = tmp_path / "wheels" / f"{name}-{version}.tar.gz"
        path.write_bytes(b"")
        return SourceRelease(name, version, path.as_uri())

    return make


@pytest.mark.parametrize(
    ("requirements", "said", "remedy"),
    [
        (
            ["deep"],
            "The index has only the source of deep 0.19. With wheels alone deep 0.3 would be taken instead of 0.19.",
            "which has wheels built once; or ask for the older ones in the environment's pip section: deep==0.3.",
        ),
        (
            ["config"],
            "The index has only the source of antlr 4.9. With wheels alone config 0.1 would be taken instead of 1.3.",
            "lock_build: [antlr], which has wheels built once; or ask for the older ones in the environment's",
        ),
        (["deep>1"], "The pip packages deep>1 cannot be resolved: ", "Change the environment's pip section"),
        (
            ["only", "nope"],
            "What is asked of pip has 2 mistakes:\n- The pip packages nope cannot be resolved: nope was not",
            "- The index has only the source of only 1.0: Because only==1.0 has no usable wheels",
        ),
        (
            ["only"],
            "The index has only the source of only 1.0: Because only==1.0 has no usable wheels",
            "[only], which has wheels built once.",
        ),
        (
            ["config>1", "strict"],
            "The index has only the source of antlr 4.9: Because",
            "lock_build: [antlr], which has wheels built once.",
        ),
        (["deep<0.19", "other"], "", ""),
        (
            ["deep", "config<1", "only"],
            "The index has only the source of deep 0.19, only 1.0: ",
            "[deep, only], which has wheels built once.",
        ),
        (
            ["stack"],
            "The index has only the source of deep 0.19. With wheels alone deep 0.3",
            "[deep], which has wheels built once; or ask",
        ),
    ],
)
def test_a_release_that_is_passed_over_for_want_of_a_wheel_is_named(
    wheels: Callable[..., Path],
    sources: Callable[..., SourceRelease],
    index: Callable[[], str],
    requirements: list[str],
    said: str,
    remedy: str,
) -> None:
    wheels("deep", "0.3")
    wheels("deep", "0.20", tag="cp311-cp311-win_amd64")
    wheels("config", "1.3", ["antlr<4.10"])
    wheels("config", "0.1")
    wheels("antlr", "5.0")
    wheels("other", "1.0", ["antlr"])
    wheels("strict", "1.0", ["antlr<5"])
    wheels("stack", "1.0", ["deep"])
    for name, version in (("deep", "0.19"), ("antlr", "4.9"), ("only", "1.0"), ("deep", "0.2"), ("stack", "0.9")):
        sources(name, version)
    if not said:
        assert versions(resolve(requirements, NODE, {}, index())) == {"deep": "0.3", "other": "1.0", "antlr": "5.0"}
        return
    with pytest.raises(EvenkeelError) as error:
        resolve(requirements, NODE, {}, index())
    assert str(error.value).startswith(said)
    assert remedy in str(error.value)


def test_what_may_be_built_is_built_and_its_own_needs_count(
    tmp_path: Path,
    make_wheel: Callable[..., Path],
    wheels: Callable[..., Path],
    sources: Callable[..., SourceRelease],
    index: Callable[[], str],
) -> None:
    wheels("deep", "0.3")
    wheels("lib", "1.0")
    deep, ninja = sources("deep", "0.19"), sources("ninja", "2.0")
    asked = []

    def build(release: SourceRelease) -> Path:
        asked.append(release)
        needs = {"deep": ["lib", "ninja"]}.get(release.name, [])
        return make_wheel(tmp_path / "store" / release.name, release.name, release.version, needs)

    with pytest.raises(EvenkeelError, match=r"only the source of ninja 2\.0.*lock_build: \[deep, ninja\]"):
        resolve(["deep"], NODE, {}, index(), build=build, buildable=["Deep"])
    assert asked == [deep]
    found = resolve(["deep"], NODE, {}, index(), build=build, buildable=["all"])
    assert versions(found) == {"deep": "0.19", "lib": "1.0", "ninja": "2.0"}
    assert asked == [deep, deep, ninja]
    wheel = tmp_path / "store/deep/deep-0.19-py3-none-any.whl"
    assert (found[0].url, found[0].sha256) == (str(wheel), hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_nothing_is_built_for_what_is_refused_anyway(
    wheels: Callable[..., Path], sources: Callable[..., SourceRelease], index: Callable[[], str]
) -> None:
    wheels("good", "1.0")
    sources("deep", "0.19")
    commit = f"git+https://git.example/tool@{'ab' * 20}"
    built: list[SourceRelease] = []

    def build(release: SourceRelease) -> Path:
        built.append(release)
        raise AssertionError

    with pytest.raises(EvenkeelError) as error:
        resolve(["good", "deep", f"tool @ {commit}", "gone"], NODE, {}, index(), build=build, buildable=["deep"])
    assert built == []
    assert f"tool ({commit}) are sources" in str(error.value)
    assert "lock_build: [deep, tool]" in str(error.value)


@pytest.mark.parametrize("constraint", [False, True])
def test_without_a_builder_a_commit_is_refused(index: Callable[[], str], constraint: bool) -> None:
    commit = f"git+https://git.example/tool@{'ab' * 20}"
    with pytest.raises(EvenkeelError, match=r"are sources, of which a wheel must be built.*lock_build: \[tool\]"):
        resolve(
            ["tool"] if constraint else [f"tool @ {commit}"],
            NODE,
            {},
            index(),
            constraints=[f"tool @ {commit}"] if constraint else [],
            buildable=["tool"],
        )


def test_commits_and_releases_without_a_wheel_are_one_message(
    sources: Callable[..., SourceRelease], index: Callable[[], str]
) -> None:
    sources("deep", "0.19")
    commit = f"git+https://git.example/tool@{'ab' * 20}"
    with pytest.raises(EvenkeelError) as error:
        resolve(["deep", f"tool @ {commit}"], NODE, {}, index(), build=lambda _release: Path("/nowhere"))
    assert f"tool ({commit}) are sources" in str(error.value)
    assert "only the source of deep 0.19" in str(error.value)
    assert "lock_build: [deep, tool]" in str(error.value)


@pytest.mark.parametrize("wrong", ["first", "second", "pinned"])
def test_hashes_are_compared_before_anything_is_built(
    wheels: Callable[..., Path], sources: Callable[..., SourceRelease], index: Callable[[], str], wrong: str
) -> None:
    files = {name: Path(urlsplit(sources(name, "1.0").url).path) for name in ("first", "second")}
    files["pinned"] = wheels("pinned", "1.0")
    found = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    simple = index()
    for name, file in files.items():
        page = Path(urlsplit(simple).path) / name / "index.html"
        page.write_text(page.read_text().replace(file.as_uri(), f"{file.as_uri()}#sha256={found[name]}"))
    requirements = [f"{name}==1.0" for name in files]
    built: list[SourceRelease] = []

    def build(release: SourceRelease) -> Path:
        built.append(release)
        raise EvenkeelError("it is built", "Look at it")

    def asked(hashes: dict[str, str]) -> None:
        lines = [f"{name} sha256:{digest}" for name, digest in hashes.items()]
        resolve(requirements, NODE, {}, simple, build=build, buildable=["all"], hashes=lines)

    with pytest.raises(EvenkeelError, match=rf"name hashes \(--hash\), and these packages have others: {wrong} 1\.0"):
        asked({**found, wrong: "0" * 64})
    assert built == []
    with pytest.raises(EvenkeelError, match="it is built"):
        asked(found)


def test_what_was_built_and_does_not_fit_is_a_conflict_and_no_other_is_tried(
    tmp_path: Path,
    make_wheel: Callable[..., Path],
    wheels: Callable[..., Path],
    sources: Callable[..., SourceRelease],
    index: Callable[[], str],
) -> None:
    wheels("lib", "1.0")
    for version in ("0.6", "0.7"):
        sources("deep", version)
    asked = []

    def build(release: SourceRelease) -> Path:
        asked.append(release.version)
        return make_wheel(tmp_path / "store", release.name, release.version, ["lib>9"])

    with pytest.raises(EvenkeelError, match=r"^The pip packages deep cannot be resolved: .*depends on lib>9"):
        resolve(["deep"], NODE, {}, index(), build=build, buildable=["deep"])
    assert asked == ["0.7"]


def test_what_an_extra_needs_counts_as_asked_for(
    wheels: Callable[..., Path], sources: Callable[..., SourceRelease], index: Callable[[], str]
) -> None:
    wheels("app", "1.0", ["deep<1; extra == 'deep'\nProvides-Extra: deep"])
    wheels("deep", "2.0")
    sources("deep", "0.9")
    with pytest.raises(EvenkeelError, match=r"^The index has only the source of deep 0\.9"):
        resolve(["app[deep]"], NODE, {}, index())


def test_an_ancient_source_is_no_way_out_of_a_conflict(
    wheels: Callable[..., Path], sources: Callable[..., SourceRelease], index: Callable[[], str]
) -> None:
    for version in ("2.0", "3.0"):
        wheels("new", version, [f"lib=={version}"])
        wheels("lib", version)
    wheels("new", "4.0", ["old<1", "nope"])
    wheels("old", "1.0", ["lib<3\nProvides-Extra: fast"])
    for version in ("0.1", "0.2"):
        sources("old", version)
    # With 0.2, of whose needs nobody knows, new could be 3.0.
    assert versions(resolve(["new", "old"], NODE, {}, index())) == {"lib": "2.0", "new": "2.0", "old": "1.0"}
    for old in ("old", "old[fast]"):
        with pytest.raises(EvenkeelError) as error:
            resolve(["new==3", old], NODE, {}, index())
        assert str(error.value).startswith(f"The pip packages new==3, {old} cannot be resolved: Because ")
        assert "lib<3" in str(error.value)
    with pytest.raises(EvenkeelError, match=r"^conda brings lib 3\.0, old>=1\.0 needs lib<3\. "):
        resolve(["old"], NODE, {"lib": "3.0"}, index())
    with pytest.raises(EvenkeelError, match=r"^The index has only the source of old 0\.2"):
        resolve(["new", "old<1"], NODE, {}, index())
    with pytest.raises(EvenkeelError, match=r"^The index has only the source of old 0\.2"):
        resolve(["old"], NODE, {}, index(), constraints=("old<1",))


def test_what_is_locked_stays_although_there_is_a_newer_source(
    wheels: Callable[..., Path], sources: Callable[..., SourceRelease], index: Callable[[], str]
) -> None:
    wheels("deep", "0.3")
    before = resolve(["deep"], NODE, {}, index())
    sources("deep", "0.19")
    assert resolve(["deep"], NODE, {}, index(), before) == before
    with pytest.raises(EvenkeelError, match=r"only the source of deep 0\.19"):
        resolve(["deep"], NODE, {}, index())


@pytest.mark.parametrize(
    ("url", "release"),
    [
        (
            f"git+https://git.example/tool@{'0' * 40}#subdirectory=x",
            SourceRelease("tool", "", f"git+https://git.example/tool@{'0' * 40}#subdirectory=x"),
        ),
        (
            f"https://files.example/tool-1.0.tar.gz#sha256={'ab' * 32}",
            SourceRelease("tool", "", "https://files.example/tool-1.0.tar.gz", "ab" * 32),
        ),
    ],
)
def test_sources_by_url_are_built_where_that_is_allowed(
    tmp_path: Path,
    make_wheel: Callable[..., Path],
    wheels: Callable[..., Path],
    index: Callable[[], str],
    url: str,
    release: SourceRelease,
) -> None:
    wheels("lib", "1.0")
    asked = []

    def build(release: SourceRelease) -> Path:
        asked.append(release)
        return make_wheel(tmp_path / "store", "tool", "1.5", ["lib; extra == 'more'\nProvides-Extra: more"])

    requirement = f"Tool[more] @ {url}"
    with pytest.raises(EvenkeelError, match=r"tool \(.*\) are sources, .*lock_build: \[other, tool\]"):
        resolve([requirement], NODE, {}, index(), build=build, buildable=["other"])
    assert asked == []
    _lib, tool = resolve([requirement], NODE, {}, index(), build=build, buildable=["tool"])
    assert asked == [release]
    wheel = tmp_path / "store/tool-1.5-py3-none-any.whl"
    assert (tool.name, tool.version, tool.url) == ("tool", "1.5", str(wheel))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("3.11.2", "osx-arm64", "2.36"), "cannot be resolved for osx-arm64"),
        (Target("3.11.2", "linux-64", "2.12"), "cannot be resolved for glibc 2.12"),
    ],
)
def test_targets_that_are_not_supported(index: Callable[[], str], target: Target, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        resolve(["app"], target, {}, index())


def test_what_the_index_has_not(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("app", "1.0")
    with pytest.raises(EvenkeelError, match=r"^The pip packages nope cannot be resolved: nope was not found"):
        resolve(["app", "nope"], NODE, {}, index())


def test_an_index_that_does_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip_solver, "SECONDS", 0)
    with pytest.raises(EvenkeelError, match="could not be resolved in 0 seconds"):
        resolve(["app"], NODE, {}, "http://127.0.0.1:9/simple")


def test_a_preflight_has_uv_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    def run(_command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        given.update(how)
        return subprocess.CompletedProcess([], 1, "", "error: no answer")

    monkeypatch.setattr(pip_solver.subprocess, "run", run)
    with patience.asking_once(10, 60), pytest.raises(EvenkeelError, match="no answer"):
        resolve(["app"], NODE, {}, "http://127.0.0.1:9/simple")
    wanted = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10", "UV_HTTP_CONNECT_TIMEOUT": "10"}
    assert wanted.items() <= given["env"].items()
    assert given["timeout"] <= 30


# Several indexes


def test_the_first_index_that_has_a_name_counts_and_is_recorded(
    tmp_path: Path, make_wheel: Callable[..., Path], site: Site
) -> None:
    folders = {name: tmp_path / name for name in ("first", "second", "own", "links")}
    cuda = make_wheel(folders["first"], "torch", "2.4.0+cu121", ["lib", "tool"])
    for folder, name, version in (
        ("second", "torch", "2.5.0+cu124"),
        ("second", "lib", "1.0"),
        ("own", "torch", "2.9"),
        ("own", "lib", "3.0"),
        ("own", "app", "1.0"),
        ("links", "tool", "1.0"),
    ):
        make_wheel(folders[folder], name, version, ["torch"] if name == "app" else [])
    wheel = cuda.name
    first, second, own = (site.index(name, folders[name]) for name in ("first", "second", "own"))
    links = folders["links"].rename(site.folder / "links")
    (site.folder / "links.html").write_text('<a href="links/tool-1.0-py3-none-any.whl">')
    found = resolve(["app"], NODE, {}, own, indexes=(f"{first}/", second), find_links=(f"{site.url}/links.html",))
    assert [(one.name, one.version, one.index) for one in found] == [
        ("app", "1.0", ""),
        ("lib", "1.0", second),
        ("tool", "1.0", f"{site.url}/links.html"),
        ("torch", "2.4.0+cu121", first),
    ]
    assert found[3].url.replace("%2B", "+") == f"{site.url}/first/files/{wheel}"
    asked = resolve(["torch==2.4.0+cu121", "tool"], NODE, {}, own, indexes=(first,), find_links=(links.as_uri(),))
    assert [(one.name, one.index) for one in asked] == [("lib", ""), ("tool", links.as_uri()), ("torch", first)]
    (lib,) = resolve(["lib"], NODE, {}, own, indexes=(own,))
    assert lib.index == ""


@pytest.mark.parametrize("fragment", ["", "#sha256={sha256}"])
def test_a_wheel_by_url_is_pinned_to_its_folder(
    tmp_path: Path, make_wheel: Callable[..., Path], site: Site, fragment: str
) -> None:
    wheel = make_wheel(site.folder / "by-hand", "tool", "1.0", ["lib"])
    make_wheel(tmp_path / "own", "tool", "2.0")
    make_wheel(tmp_path / "own", "lib", "1.0")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    url = f"{site.url}/by-hand/{wheel.name}"
    lib, tool = resolve(
        [f"Tool @ {url}{fragment.format(sha256=sha256)}"], NODE, {}, site.index("own", tmp_path / "own")
    )
    assert (tool.version, tool.url, tool.index, tool.sha256) == ("1.0", url, f"{site.url}/by-hand", sha256)
    assert lib.index == ""


def test_a_source_archive_by_url_is_built_by_its_hash(
    tmp_path: Path, make_wheel: Callable[..., Path], index: Callable[[], str]
) -> None:
    asked = []

    def build(release: SourceRelease) -> Path:
        asked.append(release)
        return make_wheel(tmp_path / "store", "tool", "1.5")

    url = "https://files.example/tool-1.0.tar.gz"
    (tool,) = resolve([f"tool @ {url}#sha256={'0' * 64}"], NODE, {}, index(), build=build, buildable=["tool"])
    assert asked == [SourceRelease("tool", "", url, "0" * 64)]
    assert tool.url == str(tmp_path / "store/tool-1.5-py3-none-any.whl")


def test_an_index_of_uvs_own_configuration_is_recorded_where_nodes_have_another(
    tmp_path: Path, make_wheel: Callable[..., Path], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "more", "app", "1.0", ["lib"])
    make_wheel(tmp_path / "own", "lib", "1.0")
    more, own = site.index("more", tmp_path / "more"), site.index("own", tmp_path / "own")
    monkeypatch.setenv("UV_INDEX", more)
    named = own.replace("127.0.0.1", "LOCALHOST")
    assert [one.index for one in resolve(["app"], NODE, {}, named)] == [more, ""]
    monkeypatch.setenv("UV_DEFAULT_INDEX", own)
    assert [one.index for one in resolve(["app"], NODE, {}, "")] == ["", ""]


def test_a_directory_can_be_an_index(wheels: Callable[..., Path], index: Callable[[], str], site: Site) -> None:
    wheels("app", "1.0")
    (app,) = resolve(["app"], NODE, {}, site.url, indexes=(index(),))
    assert app.index == index()


def test_the_source_of_a_later_index_does_not_count(
    tmp_path: Path, make_wheel: Callable[..., Path], site: Site
) -> None:
    make_wheel(tmp_path / "first", "deep", "0.3")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "deep-0.19.tar.gz").touch()
    first, own = site.index("first", tmp_path / "first"), site.index("own", tmp_path / "own")
    assert versions(resolve(["deep"], NODE, {}, own, indexes=(first,))) == {"deep": "0.3"}
    with pytest.raises(EvenkeelError, match=r"^The index has only the source of deep 0\.19"):
        resolve(["deep"], NODE, {}, own)


@pytest.mark.parametrize(
    ("place", "way"),
    [
        *((place, way) for place in ("index", "indexes") for way in ("netrc", "url", "uv.toml", "pip.conf")),
        *(("find_links", way) for way in ("netrc", "url", "pip.conf")),
    ],
)
def test_credentials_are_used_and_appear_nowhere(
    tmp_path: Path,
    make_wheel: Callable[..., Path],
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    place: str,
) -> None:
    make_wheel(tmp_path / "own", "app", "1.0")
    (tmp_path / "own" / "deep-1.0.tar.gz").touch()
    index = site.index("private", tmp_path / "own")
    with_user = index.replace("://", f"://{USER}:{PASSWORD}@")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    config = {
        "netrc": (".netrc", f"machine 127.0.0.1 login {USER} password {PASSWORD}"),
        "uv.toml": (".config/uv/uv.toml", f'[[index]]\nname = "x"\nurl = "{with_user}"\n'),
        "pip.conf": (".config/pip/pip.conf", f"[global]\nextra-index-url = {with_user}\n"),
    }
    for file, text in [config[way]] if way in config else []:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    asked = with_user if way == "url" else index
    if place == "find_links":
        asked = asked.replace("/simple", "/files/links.html")
        (site.folder / "private/files/links.html").write_text('<a href="app-1.0-py3-none-any.whl">')
    commands = []
    run = subprocess.run
    monkeypatch.setattr(pip_solver.subprocess, "run", lambda argv, **how: commands.append(argv) or run(argv, **how))
    places: dict[str, Any] = {place: asked if place == "index" else (asked,)}
    (app,) = resolve(["app"], NODE, {}, **{"index": "", **places})
    assert PASSWORD not in str((app, commands))
    assert app.url == f"{site.url}/private/files/app-1.0-py3-none-any.whl"
    assert app.index == ("" if place == "index" else asked.replace(f"{USER}:{PASSWORD}@", ""))
    with pytest.raises(EvenkeelError) as error:
        resolve(["app>1", "deep"], NODE, {}, **{"index": "", **places})
    assert PASSWORD not in str(error.value)


def test_an_index_that_refuses_is_named_and_no_other_takes_its_place(
    tmp_path: Path, make_wheel: Callable[..., Path], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make_wheel(tmp_path / "private", "app", "1.0")
    make_wheel(tmp_path / "own", "app", "2.0")
    private, own = site.index("private", tmp_path / "private"), site.index("own", tmp_path / "own")
    with pytest.raises(EvenkeelError, match=rf"{private}.* could not be queried .*401 Unauthorized"):
        resolve(["app"], NODE, {}, own, indexes=(private,))


def test_an_index_that_has_gone_away_is_named_first_although_uv_knows_it_from_its_cache(
    wheels: Callable[..., Path], index: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels("app", "1.0")
    gone = EvenkeelError("http://wheels.example/simple/app/ did not deliver (refused)", "Check the index")

    def pages(_places: object) -> None:
        raise gone

    monkeypatch.setattr(passed_over, "pages", pages)
    with pytest.raises(EvenkeelError) as error:
        resolve(["app>1"], NODE, {}, index())
    assert str(error.value).startswith(f"{gone.what}. Without it, the pip packages app>1 cannot be resolved: ")
    assert error.value.remedy == gone.remedy


@pytest.mark.parametrize(
    ("many", "named"), [(2, "p0, p1"), (5, "p0, p1, p2, p3, p4"), (7, "p0, p1, p2, p3, p4 and 2 more")]
)
def test_a_message_names_only_a_few_requirements(many: int, named: str) -> None:
    assert pip_solver.shortened(f"p{number}" for number in range(many)) == named


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("Because torch was not found hint: (401 Unauthorized)", "The index asks for a login: keep it in"),
        ("Request failed after 3 retries cause: dns error", "Check the index's URL, and that the control node"),
        ("Because there is no version of torch==2.1.0+cu118", "Versions with +cu118 are in an index of their own"),
        ("Because other==1 depends on lib>9", "Change the environment's pip section"),
    ],
)
def test_the_way_out_fits_the_cause(why: str, remedy: str) -> None:
    assert pip_resolution._way_out(Question(("torch==2.1.0+cu118", "lib"), NODE), why).startswith(remedy)


def test_all_that_has_no_answer_is_named_at_once(
    wheels: Callable[..., Path], sources: Callable[..., SourceRelease], index: Callable[[], str]
) -> None:
    for name in ("app", "good", "pinned_name"):
        wheels(name, "1.0", ["nowhere>1"] if name == "app" else [])
    sources("only", "1.0")
    requirements = ["gone==1", "good", "Pinned_Name==9", "app", "numpy<2", "only", "good2"]
    with pytest.raises(EvenkeelError) as error:
        resolve(requirements, NODE, {"numpy": "2.0"}, index())
    first, *lines = str(error.value).splitlines()
    said = "\n".join(lines)
    assert (first, len(lines)) == ("What is asked of pip has 6 mistakes:", 6)
    for words in (
        "- conda brings numpy 2.0, pip asks for numpy<2. One environment",
        "gone was not found",
        "- The pip packages Pinned_Name==9 cannot be resolved: there is no version of pinned-name==9.",
        "- The pip packages app cannot be resolved: Because nowhere was not found",
        "- The index has only the source of only 1.0: Because only==1.0 has no usable wheels",
        "good2 was not found",
    ):
        assert words in said
    assert "packages good " not in said
    assert said.endswith("lock_build: [only], which has wheels built once. Correct them, then run again.")


def test_what_is_wrong_alone_is_no_list(wheels: Callable[..., Path], index: Callable[[], str]) -> None:
    wheels("good", "1.0")
    with pytest.raises(EvenkeelError, match=r"^The pip packages gone==1 cannot be resolved: gone was not found"):
        resolve(["good", "gone==1"], NODE, {}, index())


def test_the_list_of_what_has_no_answer_has_an_end(
    index: Callable[[], str], wheels: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels("good", "1.0")
    monkeypatch.setattr(pip_resolution, "MOST_REFUSALS", 3)
    with pytest.raises(EvenkeelError, match="has 3 mistakes"):
        resolve([f"gone{number}" for number in range(8)], NODE, {}, index())


@pytest.mark.parametrize(
    ("requirements", "remedy"),
    [
        (["old"], "Write among conda's packages, and not below pip: `- setuptools>=40,<60`."),
        (["pip==23.1"], "Write among conda's packages, and not below pip: `- pip=23.1`."),
        (["setuptools<60", "wheel"], "Write among conda's packages, and not below pip: `- setuptools<60`."),
        (
            ["numpy<1", "pip==23.1"],
            "Write among conda's packages, and not below pip: `- pip=23.1`. Leave each of the other",
        ),
    ],
)
def test_tools_of_python_are_conda_s(
    wheels: Callable[..., Path], index: Callable[[], str], requirements: list[str], remedy: str
) -> None:
    wheels("old", "1.0", ["setuptools<60,>=40"])
    wheels("setuptools", "59.0")
    provided = {"pip": "26.3", "setuptools": "80.9", "wheel": "0.45", "numpy": "2.0"}
    with pytest.raises(EvenkeelError, match="conda brings") as error:
        resolve(requirements, NODE, provided, index())
    assert remedy in str(error.value)
    assert resolve(["pip>20", "setuptools>=60", "wheel"], NODE, provided, index()) == []


def test_hints_about_options_of_uv_are_left_out() -> None:
    said = "error: no version\n\nhint: Wheels are required\n  (--no-build)\n\nhint: An index asks (401 Unauthorized)\n"
    assert pip_solver._words(said) == "no version hint: An index asks (401 Unauthorized)"


@pytest.mark.parametrize(("python", "abi"), [("3.6.9", "cp36m"), ("3.7.1", "cp37m"), ("3.8.0", "cp38")])
def test_the_interface_of_old_pythons_has_another_name(python: str, abi: str) -> None:
    interpreter = abi.removesuffix("m")
    tags = {str(tag) for tag in Target(python, "linux-64", "2.28").tags()}
    assert {f"{interpreter}-{abi}-manylinux2014_x86_64", f"{interpreter}-abi3-manylinux2014_x86_64"} <= tags
