# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem, solve_once

MAIN = "https://channel.example/main"
PROBLEM = Problem(
    packages=("hello",),
    channels=(MAIN,),
    platform="linux-64",
    virtual_packages=(("__glibc", "2.36"), ("__linux", "6.1.0"), ("__unix", "0")),
)
ANSWER = [
    Package("hello", "2.12", "0", "ab" * 32, url=f"{MAIN}/linux-64/hello-2.12-0.conda", depends=("world",)),
    Package("world", "1.0", "", "cd" * 32, "pip", url="https://index.example/world-1.0-py3-none-any.whl"),
]
OTHERS = {
    "packages": replace(PROBLEM, packages=("hello", "world")),
    "channels": replace(PROBLEM, channels=("https://other.example/main",)),
    "platform": replace(PROBLEM, platform="linux-aarch64"),
    "virtual packages": replace(PROBLEM, virtual_packages=(*PROBLEM.virtual_packages, ("__cuda", "12.4"))),
    "pip": replace(PROBLEM, pip=("world",)),
    "mirrors": replace(PROBLEM, mirrors=mirrors_from({MAIN: "http://mirror.example"})),
    "pip index": replace(PROBLEM, pip_index="https://index.example/simple"),
    "kept": replace(PROBLEM, kept=tuple(ANSWER)),
}


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


def test_equal_problems_are_solved_once(tmp_path: Path) -> None:
    solver = Solver(ANSWER)
    for problem in (PROBLEM, replace(PROBLEM)):
        answer = solve_once(problem, tmp_path, solver)
        assert [vars(package) for package in answer] == [vars(package) for package in ANSWER]
    assert solver.asked == [PROBLEM]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
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
