# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._environment import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solver import Problem, solve_once, solve_with_rattler

from lab import channel as lab_channel
from lab import conda_package

PROBLEM = Problem(
    packages=("hello",),
    channels=("https://mirror.example/main",),
    platform="linux-64",
    virtual_packages=(("__glibc", "2.36"), ("__linux", "6.1.0"), ("__unix", "0")),
)
ANSWER = [
    Package("hello", "2.12", "0", "ab" * 32, "https://mirror.example/main/linux-64/hello-2.12-0.conda"),
    Package("world", "1.0", "0", "cd" * 32, "https://mirror.example/main/noarch/world-1.0-0.conda"),
]
OTHERS = [
    replace(PROBLEM, packages=("hello", "world")),
    replace(PROBLEM, channels=("https://other.example/main",)),
    replace(PROBLEM, platform="linux-aarch64"),
    replace(PROBLEM, virtual_packages=(*PROBLEM.virtual_packages, ("__cuda", "12.4"))),
]


class Solver:
    """Counts how often it is asked."""

    def __init__(self, outcome: list[Package] | BaseException) -> None:
        self.outcome = outcome
        self.asked: list[Problem] = []

    def __call__(self, problem: Problem) -> list[Package]:
        self.asked.append(problem)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


# solve_once


def test_equal_problems_are_solved_once(tmp_path: Path) -> None:
    solver = Solver(ANSWER)
    for problem in (PROBLEM, replace(PROBLEM)):
        assert solve_once(problem, tmp_path, solver) == ANSWER
    assert solver.asked == [PROBLEM]


@pytest.mark.parametrize("other", OTHERS, ids=["packages", "channels", "platform", "virtual packages"])
def test_other_problems_are_solved_for_themselves(tmp_path: Path, other: Problem) -> None:
    solver = Solver(ANSWER)
    for problem in (PROBLEM, other):
        solve_once(problem, tmp_path, solver)
    assert solver.asked == [PROBLEM, other]


def test_another_run_solves_again(tmp_path: Path) -> None:
    solver = Solver(ANSWER)
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        solve_once(PROBLEM, tmp_path / run, solver)
    assert len(solver.asked) == 2


def test_no_packages_are_an_answer_too(tmp_path: Path) -> None:
    solver = Solver([])
    assert [solve_once(PROBLEM, tmp_path, solver) for _ in range(2)] == [[], []]
    assert len(solver.asked) == 1


def test_an_unsolvable_problem_is_told_to_all_in_the_same_words(tmp_path: Path) -> None:
    solver = Solver(EvenkeelError("nope is nowhere", "Change it"))
    for _ in range(2):
        with pytest.raises(EvenkeelError, match=r"^nope is nowhere\. Change it\.$"):
            solve_once(PROBLEM, tmp_path, solver)
    assert len(solver.asked) == 1


def test_an_interrupted_solve_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        solve_once(PROBLEM, tmp_path, Solver(KeyboardInterrupt()))
    assert solve_once(PROBLEM, tmp_path, Solver(ANSWER)) == ANSWER


def test_workers_that_ask_at_once_wait_for_one_of_them(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")  # as Ansible's workers are
    start, answers = context.Barrier(4), context.SimpleQueue()
    solves, second = context.Value("i", 0), context.Event()

    def solve(problem: Problem) -> list[Package]:
        with solves.get_lock():
            solves.value += 1
            if solves.value > 1:
                second.set()
        second.wait(0.3)
        return ANSWER

    def work() -> None:
        start.wait(30)
        answers.put(solve_once(PROBLEM, tmp_path, solve))

    workers = [context.Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [answers.get() for _ in workers] == [ANSWER] * 4
    assert solves.value == 1


# solve_with_rattler


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a channel with a handful of empty packages."""
    directory = tmp_path_factory.mktemp("channel")
    tree = tmp_path_factory.mktemp("tree")
    for name, version, subdir, depends in [
        ("hello", "2.9", "linux-64", ()),
        ("hello", "2024.01.1", "linux-64", ("world >=1",)),
        ("world", "1.0.post1", "noarch", ("__glibc >=2.17",)),
        ("gpu", "1.0", "linux-64", ("__cuda >=12",)),
        ("broken", "1.0", "linux-64", ("nowhere >=3",)),
        ("python", "3.11.2", "linux-64", ()),
        ("pip", "26.3", "noarch", ("python >=3.9",)),
    ]:
        package = conda_package.Package(name, version, "0", 0, subdir, depends)
        conda_package.write(package, tree, directory / subdir)
    lab_channel.index(directory)
    return directory.as_uri()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "rattler"))


def ask(
    channel: str, *packages: str, platform: str = "linux-64", more: tuple[tuple[str, str], ...] = ()
) -> list[Package]:
    virtual_packages = (*PROBLEM.virtual_packages, *more)
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
    with pytest.raises(EvenkeelError, match="__cuda >=12, for which no candidates were found"):
        ask(channel, "gpu", more=(("__cuda", "11.8"),))


def test_another_platform_has_its_own_packages(channel: str) -> None:
    assert [package.name for package in ask(channel, "world", platform="linux-aarch64")] == ["world"]
    with pytest.raises(EvenkeelError, match="No candidates were found for hello"):
        ask(channel, "hello", platform="linux-aarch64")


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        (("nope",), "The channels {channel} cannot provide nope: .*No candidates were found for nope"),
        (("hello", "hello>=3000"), "No candidates were found for hello >=3000"),
        (("broken",), "broken 1.0 would require.*nowhere >=3, for which no candidates were found"),
        (("hello<2024", "hello>2024"), "The channels .* cannot provide "),
        (("hello", "hello =>= 1 ]"), "^'hello =>= 1 ]' is no package specification: "),
        (("hello", "wor ld["), r"^'wor ld\[' is no package specification: "),
        (("hello", ""), "^'' is no package specification: "),
        (("*",), r"^'\*' is no package specification: "),
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


def test_without_rattler_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rattler", None)
    with pytest.raises(EvenkeelError, match=r"has no py-rattler.*python -m pip install py-rattler"):
        ask("https://mirror.example/main", "hello")
