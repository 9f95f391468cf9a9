# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import environment_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import rattler as _rattler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import solve_with_rattler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

NODE = (("__glibc", "2.36"), ("__linux", "6.1.0"), ("__unix", "0"))
CANONICAL = "https://channel.example/main"


@pytest.fixture(scope="module")
def channel(make_channel: Callable[..., str]) -> str:
    """Return the URL of a channel with a handful of empty packages."""
    return make_channel(
        [
            ("hello", "2.9", "linux-64", ()),
            ("hello", "2024.01.1", "linux-64", ("world >=1",)),
            ("world", "1.0.post1", "noarch", ("__glibc >=2.17",)),
            ("gpu", "1.0", "linux-64", ("__cuda >=12",)),
            ("young", "1.0", "linux-64", ("__glibc >=2.39",)),
            ("broken", "1.0", "linux-64", ("nowhere >=3",)),
            ("old", "1.0", "linux-64", ("hello <2024",)),
            ("python", "3.11.2", "linux-64", ()),
            ("pip", "26.3", "noarch", ("python >=3.9",)),
        ]
    )


def ask(
    channel: str, *packages: str, platform: str = "linux-64", more: tuple[tuple[str, str], ...] = ()
) -> list[Package]:
    virtual_packages = (*NODE, *more)
    return solve_with_rattler(Problem(packages, (channel,), platform, virtual_packages))


@pytest.mark.parametrize(
    ("packages", "stems"),
    [
        (("hello",), {"hello-2024.01.1-0", "world-1.0.post1-0"}),
        (("hello<2024",), {"hello-2.9-0"}),
        (("hello=2.9", "world"), {"hello-2.9-0", "world-1.0.post1-0"}),
        (("python=3.11",), {"python-3.11.2-0", "pip-26.3-0"}),
        ((), set()),
    ],
)
def test_solution(channel: str, packages: tuple[str, ...], stems: set[str]) -> None:
    solution = ask(channel, *packages)
    assert {f"{package.name}-{package.version}-{package.build}" for package in solution} == stems
    for package in solution:
        assert package.url.startswith(f"{channel}/")
        assert package.url.endswith(f"/{package.name}-{package.version}-{package.build}.conda")
        assert len(bytes.fromhex(package.sha256)) == 32


def test_what_the_node_has_counts(channel: str) -> None:
    assert [package.name for package in ask(channel, "gpu", more=(("__cuda", "12.4"),))] == ["gpu"]
    with pytest.raises(EvenkeelError, match=r"(?s)__cuda >=12, for which no candidates were found.*support CUDA 11.8"):
        ask(channel, "gpu", more=(("__cuda", "11.8"),))


@pytest.mark.parametrize("package", ["gpu", "gpu=1.0=0"])
def test_cuda_that_is_not_known_is_named(channel: str, package: str) -> None:
    with pytest.raises(EvenkeelError, match=r"(?s)__cuda >=12, .*no CUDA version of the nodes is known.*set lock_cuda"):
        ask(channel, package)


def test_a_c_library_that_is_too_old_is_that_of_the_targets(channel: str) -> None:
    assert [package.name for package in ask(channel, "young", more=(("__glibc", "2.39"),))] == ["young"]
    with pytest.raises(
        EvenkeelError, match=r"(?s)__glibc >=2.39, .*\(lock_targets\) has glibc 2.36. If .* name them in"
    ):
        ask(channel, "young")


@pytest.mark.parametrize(
    ("package", "more", "has"),
    [
        ("gpu", (), "glibc 2.36 and no CUDA driver"),
        ("gpu", (("__cuda", "11.8"),), "glibc 2.36 and CUDA 11.8"),
        ("young", (), "glibc 2.36 and no CUDA driver"),
    ],
)
def test_without_a_lock_the_node_is_named_and_no_assumption(
    channel: str, package: str, more: tuple[tuple[str, str], ...], has: str
) -> None:
    problem = Problem((package,), (channel,), "linux-64", (*NODE, *more), seen_on_node=True)
    with pytest.raises(EvenkeelError) as error:
        solve_with_rattler(problem)
    assert error.value.remedy.startswith(f"The node has {has}: ask for builds")
    assert "lock_" not in str(error.value)


ZEROS = "0" * 32


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize(
    ("package", "kind"),
    [
        (f"{{}}/linux-64/hello-2.9-0.conda#{ZEROS}", "MD5"),
        (f"{{}}/linux-64/hello-2.9-0.conda#sha256:{ZEROS * 2}", "SHA-256"),
        (f"hello[md5={ZEROS}, version=2.9]", "MD5"),
        (f"{{}}::hello[version=2.9, sha256={ZEROS * 2}, build=0]", "SHA-256"),
    ],
)
def test_a_package_of_another_hash_may_have_been_replaced(
    channel: str, package: str, kind: str, is_mirrored: bool
) -> None:
    name = CANONICAL if is_mirrored else channel
    mirrors = mirrors_from({CANONICAL: channel} if is_mirrored else {})
    with pytest.raises(EvenkeelError) as error:
        solve_with_rattler(Problem((package.format(name),), (name,), "linux-64", NODE, mirrors=mirrors))
    there = f"with another hash than the one that is asked for, on linux-64: {name}/linux-64/hello-2.9-0.conda has"
    assert f"{there} the {kind} " in error.value.what
    assert f", not {ZEROS}" in error.value.what
    assert error.value.what.endswith("Somebody may have replaced it")


def test_a_version_with_a_build_is_exact_and_its_releases_have_a_spelling_that_works(channel: str) -> None:
    wider = "hello=2.*=0*"
    with pytest.raises(EvenkeelError) as error:
        ask(channel, "hello=2=0*")
    assert f"; with a build, hello=2 is this very version, so write {wider} for its releases" in error.value.remedy
    assert [package.version for package in ask(channel, wider)] == ["2.9"]
    with pytest.raises(EvenkeelError) as error:
        ask(channel, "hello=7=0*")
    assert "so write" not in error.value.remedy


@pytest.mark.parametrize("package", ["{}::nope", "{}/linux-64::hello>3000", f"{{}}::nope[md5={ZEROS}]"])
def test_a_channel_has_its_own_name_in_reasons(channel: str, package: str) -> None:
    mirrors = mirrors_from({CANONICAL: channel})
    packages = (package.format(CANONICAL),)
    with pytest.raises(EvenkeelError) as error:
        solve_with_rattler(Problem(packages, (CANONICAL,), "linux-64", NODE, mirrors=mirrors))
    assert str(error.value).startswith("No candidates were found for ")
    assert CANONICAL in error.value.what.partition(". The channels are")[0]
    assert channel not in str(error.value)


def test_a_channel_whose_name_begins_as_another_keeps_its_own(make_channel: Callable[..., str], tmp_path: Path) -> None:
    for name in ("a", "a-more"):
        make_channel([("hello", "1.0", "linux-64", ())], folder=tmp_path / name)
    channels = ("https://channel.example/first", "https://channel.example/second")
    mirrors = mirrors_from(dict(zip(channels, [(tmp_path / name).as_uri() for name in ("a", "a-more")], strict=True)))
    with pytest.raises(EvenkeelError) as error:
        solve_with_rattler(Problem((f"{channels[1]}::nope",), channels, "linux-64", NODE, mirrors=mirrors))
    assert "second" in error.value.what.partition(". The channels are")[0]
    assert tmp_path.as_uri() not in str(error.value)


def test_a_screen_of_the_reasons_is_shown_and_all_of_them_are_kept(
    make_channel: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    packages = [("app", f"1.{number}", "noarch", (f"lib{number} >=1",)) for number in range(40)]
    channel = make_channel(packages, folder=tmp_path / "channel")
    with pytest.raises(EvenkeelError) as caught:
        ask(channel, "app")
    lines = str(caught.value).splitlines()
    assert len(lines) < 25
    (kept,) = (tmp_path / "cache" / "evenkeel" / "unsolved").iterdir()
    assert f"All that the solver says is in {kept}" in lines
    assert all(f"lib{number} >=1" in kept.read_text() for number in range(40))


def test_another_platform_has_its_own_packages(channel: str) -> None:
    assert [package.name for package in ask(channel, "world", platform="linux-aarch64")] == ["world"]
    with pytest.raises(EvenkeelError, match="No candidates were found for hello"):
        ask(channel, "hello", platform="linux-aarch64")


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        (
            ("nope", "hello", "world>=7"),
            r"^No candidates were found for nope \(no channel has it\); world >=7 \(the newest are 1.0.post1\), "
            "on linux-64. The channels are {channel}. ",
        ),
        (("hello", "hello>=3000"), r"No candidates were found for hello >=3000 \(the newest are 2024.01.1, 2.9\)"),
        (("hello=*=cuda*",), r"for hello \* cuda\* \(the newest are 2024.01.1 0, 2.9 0\)"),
        (("pip", "python<3.9"), "No candidates were found for python <3.9"),
        (("old", "hello>2024"), "\n   └─ hello <2024, which hello >2024 excludes.\n"),
        (("broken",), "broken 1.0 would require.*nowhere >=3, for which no candidates were found"),
        (
            ("hello<2024", "hello>2024"),
            "^Not all that is asked for fits together on linux-64: .*\nThe channels are {channel}. ",
        ),
        (("hello", "hello =>= 1 ]"), "^'hello =>= 1 ]' is not a package specification: "),
        (("hello", "wor ld["), r"^'wor ld\[' is not a package specification: "),
        (("hello", ""), "^'' is not a package specification: "),
        (("*",), r"^'\*' is not a package specification: "),
    ],
)
def test_what_cannot_be_solved_is_explained(channel: str, packages: tuple[str, ...], message: str) -> None:
    with pytest.raises(EvenkeelError, match="(?s)" + message.replace("{channel}", channel)):
        ask(channel, *packages)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{tmp}/missing", "^The index of {tmp}/missing could not be read: .*No such file"),
        ("http://127.0.0.1:9/main", "^The index of http://127.0.0.1:9/main could not be read: .*refused"),
        ("http://[", r"^Not all of the channels http://\[ can be understood: "),
    ],
    ids=["missing", "nobody listens", "no URL"],
)
def test_a_channel_that_cannot_be_read_is_named(tmp_path: Path, url: str, message: str) -> None:
    tmp = tmp_path.as_uri()
    with pytest.raises(EvenkeelError, match="(?s)" + message.replace("{tmp}", tmp)):
        ask(url.replace("{tmp}", tmp), "hello")


def test_an_index_that_is_no_index(tmp_path: Path) -> None:
    for subdir in ("noarch", "linux-64"):
        (tmp_path / subdir).mkdir()
        (tmp_path / subdir / "repodata.json").write_text("<html>Log in</html>")
    with pytest.raises(EvenkeelError, match=f"^The index of {tmp_path.as_uri()} could not be read: "):
        ask(tmp_path.as_uri(), "hello")


def test_packages_are_told_whole(channel: str) -> None:
    hello, world = ask(channel, "hello")
    assert (hello.name, hello.depends, world.depends) == ("hello", ("world >=1",), ("__glibc >=2.17",))
    archive = Path(hello.url.removeprefix("file://"))
    assert (hello.size, len(bytes.fromhex(hello.md5))) == (archive.stat().st_size, 16)


def test_python_is_told_as_the_index_tells_it(channel: str) -> None:
    assert [package.depends for package in ask(channel, "python") if package.name == "python"] == [()]


# mirrors


def mirrored(channel: str, *packages: str) -> list[Package]:
    mirrors = mirrors_from({"https://channel.example": channel.rpartition("/")[0], CANONICAL: channel})
    return solve_with_rattler(Problem(packages, (CANONICAL,), "linux-64", NODE, mirrors=mirrors))


@pytest.mark.parametrize("spec", ["hello", f"{CANONICAL}::hello"])
def test_a_mirror_is_asked_and_never_told(channel: str, spec: str) -> None:
    assert mirrored(channel, spec) == ask(channel, "hello")
    assert [package.url for package in mirrored(channel, spec)] == [
        f"{CANONICAL}/linux-64/hello-2024.01.1-0.conda",
        f"{CANONICAL}/noarch/world-1.0.post1-0.conda",
    ]


def test_a_channel_may_be_named_with_the_package(channel: str) -> None:
    with pytest.raises(EvenkeelError, match=r"(?s)not in requested channel: 'conda-forge'.*The channels are"):
        mirrored(channel, "conda-forge::hello")


@pytest.mark.parametrize(
    ("spec", "file"),
    [
        ("hello[channel={canonical}]", "linux-64/hello-2024.01.1-0.conda"),
        ("hello[version='<2024', channel={canonical}]", "linux-64/hello-2.9-0.conda"),
        ("{canonical}/linux-64::hello=2.9", "linux-64/hello-2.9-0.conda"),
        ("{canonical}/linux-64/hello-2.9-0.tar.bz2", "linux-64/hello-2.9-0.conda"),
        ("{canonical}/linux-64/hello-2.9-0.conda#sha256:{sha256}", "linux-64/hello-2.9-0.conda"),
    ],
)
def test_however_a_package_names_its_channel_the_mirror_is_asked(channel: str, spec: str, file: str) -> None:
    (old,) = ask(channel, "hello=2.9")
    found = mirrored(channel, spec.format(canonical=CANONICAL, sha256=old.sha256))
    assert [package.url for package in found if package.name == "hello"] == [f"{CANONICAL}/{file}"]


def test_a_package_of_another_hash_is_not_taken(channel: str) -> None:
    with pytest.raises(EvenkeelError, match="hello"):
        mirrored(channel, f"{CANONICAL}/linux-64/hello-2.9-0.conda#sha256:{'0' * 64}")


# priority and what stays


def test_what_conda_would_ask_besides_is_named_where_a_package_is_in_no_channel(channel: str) -> None:
    hint = "conda would ask those that it is configured with too: `- defaults`, as Miniconda is configured"
    with pytest.raises(EvenkeelError) as error:
        ask(channel, "nope")
    assert hint in error.value.remedy
    mirrors = mirrors_from({"https://conda.anaconda.org/conda-forge": channel})
    with pytest.raises(EvenkeelError) as error:
        solve_with_rattler(
            Problem(("nope",), ("https://conda.anaconda.org/conda-forge",), "linux-64", NODE, mirrors=mirrors)
        )
    assert hint not in error.value.remedy


def test_the_channel_of_a_package_comes_last(make_channel: Callable[..., str], tmp_path: Path) -> None:
    main = make_channel([("tool", "1.0", "linux-64", ()), ("lib", "1.0", "linux-64", ())])
    extra = make_channel(
        [("tool", "2.0", "linux-64", ("lib", "only")), ("lib", "2.0", "linux-64", ()), ("only", "1.0", "linux-64", ())]
    )
    file = tmp_path / "environment.yml"
    file.write_text(f"channels: ['{main}']\ndependencies: ['{extra}::tool']\n")
    environment = environment_file.read(file)
    found = solve_with_rattler(Problem(environment.packages, environment.channels, "linux-64", NODE))
    assert [(package.name, package.version) for package in found] == [("lib", "1.0"), ("only", "1.0"), ("tool", "2.0")]


def test_the_first_channel_that_has_a_package_is_the_only_one(make_channel: Callable[..., str]) -> None:
    first = make_channel([("hello", "1.0", "linux-64", ())])
    second = make_channel([("hello", "2.0", "linux-64", ()), ("world", "1.0", "linux-64", ())])
    found = solve_with_rattler(Problem(("hello", "world"), (first, second), "linux-64", NODE))
    assert [(package.name, package.version) for package in found] == [("hello", "1.0"), ("world", "1.0")]


@pytest.fixture
def moved(make_channel: Callable[..., str], tmp_path: Path) -> tuple[str, tuple[Package, ...]]:
    """Return a channel, and the answer that it gave before it got newer packages."""
    old = [("app", "1.0", "noarch", ("lib >=1", "core")), ("lib", "1.0", "noarch", ()), ("core", "1.0", "noarch", ())]
    channel = make_channel(old, folder=tmp_path)
    before = tuple(ask(channel, "app"))
    newer = [("app", "2.0", "noarch", ("lib >=2", "core")), ("lib", "2.0", "noarch", ()), ("core", "2.0", "noarch", ())]
    make_channel(newer, folder=tmp_path)
    return channel, before


@pytest.mark.parametrize(
    ("moving", "versions"),
    [
        ((), {"app": "1.0", "lib": "1.0", "core": "1.0"}),
        (("core",), {"app": "1.0", "lib": "1.0", "core": "2.0"}),
        (("app",), {"app": "2.0", "lib": "2.0", "core": "1.0"}),
        (("app", "lib", "core"), {"app": "2.0", "lib": "2.0", "core": "2.0"}),
    ],
)
def test_only_what_is_asked_moves_and_what_it_needs(
    moved: tuple[str, tuple[Package, ...]], moving: tuple[str, ...], versions: dict[str, str]
) -> None:
    channel, before = moved
    kept = tuple(package for package in before if package.name not in moving)
    after = solve_with_rattler(Problem(("app",), (channel,), "linux-64", NODE, kept=kept))
    assert {package.name: package.version for package in after} == versions


def test_an_answer_of_which_all_stays_is_the_same_answer(channel: str) -> None:
    before = ask(channel, "python")
    after = solve_with_rattler(Problem(("python",), (channel,), "linux-64", NODE, kept=tuple(before)))
    assert [vars(package) for package in after] == [vars(package) for package in before]
    assert [package.name for package in after] == ["pip", "python"]


def test_a_package_that_was_built_anew_under_its_name_does_not_stay(
    moved: tuple[str, tuple[Package, ...]],
) -> None:
    channel, before = moved
    kept = tuple(replace(package, sha256="ab" * 32) for package in before)
    after = solve_with_rattler(Problem(("app",), (channel,), "linux-64", NODE, kept=kept))
    assert {package.version for package in after} == {"2.0"}


# channels that do not answer


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/main"


@pytest.mark.parametrize(("limit", "reason"), [("REQUEST_SECONDS", ": .*timed out"), ("ALL_SECONDS", " in 1 seconds")])
def test_a_channel_that_stalls_is_named_in_bounded_time(
    silent: str, limit: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rattler, "ALL_SECONDS", 60)
    monkeypatch.setattr(_rattler, limit, 1)
    with pytest.raises(EvenkeelError, match=f"(?s)^The index of {silent} could not be read{reason}"):
        ask(silent, "hello")


def test_a_channel_is_asked_once_by_a_preflight(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, int]] = []
    monkeypatch.setattr("rattler.networking.Client.default_client", lambda **how: given.append(how))
    _rattler.client()
    with patience.asking_once(10, 60):
        _rattler.client()
    assert given[0] == {"max_retries": 3, "timeout": 90}
    assert given[1]["max_retries"] == 0
    assert given[1]["timeout"] <= 30


def test_of_several_channels_the_one_that_fails_is_named(channel: str) -> None:
    gone = "http://127.0.0.1:9/main"
    with pytest.raises(EvenkeelError, match=f"^The index of {gone} could not be read"):
        solve_with_rattler(Problem(("hello",), (channel, gone), "linux-64", NODE))


def test_a_truncated_index(make_channel: Callable[..., str], tmp_path: Path) -> None:
    url = make_channel([("hello", "1.0", "linux-64", ())], folder=tmp_path)
    for index in (tmp_path / "linux-64").glob("repodata*"):
        index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])
    with pytest.raises(EvenkeelError, match=f"^The index of {url} could not be read: "):
        ask(url, "hello")


def test_a_virtual_package_that_is_none(channel: str) -> None:
    with pytest.raises(EvenkeelError, match="The virtual package __cuda twelve! cannot be understood"):
        ask(channel, "hello", more=(("__cuda", "twelve!"),))
