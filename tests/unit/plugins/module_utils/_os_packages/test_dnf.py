# SPDX-License-Identifier: GPL-3.0-or-later
"""How dnf is asked and run, its list of held versions, its refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import dnf, refetch
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.dnf import Dnf, parse_enabled
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Refused, Step

from tests.unit.plugins.module_utils._os_packages.fakes import FakePrograms, Reply

OPTIONS = ["--disableplugin=versionlock", "--setopt=install_weak_deps=False"]
WITHOUT = "--disableplugin=generate_completion_cache"
RPMS = "driver\t3:580.178.04-1.el9\t200\nkernel\t0:5.14.0-611.el9\t150\nkernel\t0:5.14.0-70.el9\t100\n"


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., FakePrograms]:
    """Return what makes a node, whose list of held versions is in ``tmp_path``."""

    def make(**replies: Reply) -> FakePrograms:
        node = FakePrograms(monkeypatch, **{"rpm": RPMS, **replies})
        monkeypatch.setattr(dnf, "_VERSIONLOCK", str(tmp_path / "versionlock.list"))
        monkeypatch.setattr(dnf, "_PYTHONS", (str(tmp_path / "platform-python"), "/usr/bin/python3"))
        return node

    return make


def answer(of: Any) -> str:
    return json.dumps({"answer": of})


def test_of_what_is_installed_more_than_once_the_last_to_come_counts(make: Callable[..., FakePrograms]) -> None:
    node = make()
    assert Dnf().installed() == {"driver": "3:580.178.04-1.el9", "kernel": "0:5.14.0-611.el9"}
    form = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\n"
    assert node.calls == [["rpm", "--query", "--all", "--queryformat", form]]
    assert Dnf().known() == Dnf().installed()


def test_it_waits_for_others_and_knows_them(make: Callable[..., FakePrograms]) -> None:
    node = make()
    Dnf(lock_timeout=7).wait()
    assert node.calls == [["wait", "7"]]
    assert Dnf().busy() == "/var/lib/rpm/.rpm.lock is locked"


def test_a_damaged_database_is_reported(make: Callable[..., FakePrograms]) -> None:
    make(rpm=Done(1, "", "db5 error\n"))
    with pytest.raises(EvenkeelError, match=r"db5 error\. Run `rpm --rebuilddb` on the node"):
        Dnf().installed()


def test_a_node_without_a_python_is_asked_by_the_usual_one(
    make: Callable[..., FakePrograms], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make(python9=answer([]))
    monkeypatch.setattr(dnf, "_PYTHONS", ("/no/platform-python", "/no/python3", "/no/python9"))
    Dnf().versions("driver")
    assert node.calls[0][0] == "/no/python9"


@pytest.mark.parametrize("has_platform_python", [False, True])
def test_the_systems_own_python_is_asked_apart_from_what_else_it_has(
    make: Callable[..., FakePrograms], tmp_path: Path, has_platform_python: bool
) -> None:
    node = make(python3=answer([]), platform_python=answer([]))
    if has_platform_python:
        (tmp_path / "platform-python").touch()
    Dnf(["reposdir=/staged=1"], limit=9).versions("driver")
    assert node.limits == [9]
    (python, *flags, program, request) = node.calls[0]
    assert python == (str(tmp_path / "platform-python") if has_platform_python else "/usr/bin/python3")
    assert flags == ["-I", "-c"]
    assert "import dnf" in program
    assert json.loads(request) == {
        "question": "versions",
        "settings": {"reposdir": "/staged=1"},
        "name": "driver",
    }


def test_a_version_of_two_architectures_is_one(make: Callable[..., FakePrograms]) -> None:
    node = make(python3=answer(["3:2-1", "3:2-1", "3:1-1"]))
    assert Dnf().versions("driver") == ["3:2-1", "3:1-1"]
    assert json.loads(node.calls[0][-1])["settings"] == {}


def test_a_simulation_is_told_in_steps(make: Callable[..., FakePrograms]) -> None:
    changes = [
        {"name": "driver", "version": "3:610.57.04-1.el9", "goes": False},
        {"name": "library", "version": "3:610.57.04-1.el9", "goes": False},
        {"name": "library", "version": "3:610.57.04-1.el9", "goes": False},
        {"name": "kernel", "version": "0:5.14.0-611.el9", "goes": True},
    ]
    node = make(python3=answer(changes))
    assert Dnf().simulate(["driver-3:610.57.04-1.el9"], ["kernel"]) == [
        Step("driver", "3:580.178.04-1.el9", "3:610.57.04-1.el9"),
        Step("library", "", "3:610.57.04-1.el9"),
        Step("kernel", "0:5.14.0-611.el9", ""),
    ]
    request = json.loads(node.of("/usr/bin/python3")[0][-1])
    assert (request["install"], request["remove"]) == (["driver-3:610.57.04-1.el9"], ["kernel"])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            Done(0, json.dumps({"error": "\n Problem: conflicting requests\n  - nothing provides dkms >= 3"}), ""),
            r"dnf cannot change driver old: Problem: conflicting requests; - nothing provides dkms >= 3\. Nothing was",
        ),
        (Done(1, "", "Segmentation fault\n"), "dnf cannot change driver old: Segmentation fault"),
        (
            Done(0, json.dumps({"missing": "No module named 'dnf'"}), ""),
            r"/usr/bin/python3 cannot ask dnf: No module named 'dnf'\. Install the package python3-dnf\. .* dnf 5",
        ),
    ],
    ids=["a refusal", "no answer", "no interface"],
)
def test_a_simulation_that_fails(make: Callable[..., FakePrograms], said: Done, words: str) -> None:
    make(python3=said)
    with pytest.raises(EvenkeelError, match=words) as raised:
        Dnf().simulate(["driver"], ["old"])
    assert isinstance(raised.value, Refused) is ("interface" not in words and "python3-dnf" not in words)


def test_a_question_that_fails(make: Callable[..., FakePrograms]) -> None:
    make(python3=json.dumps({"error": "Failed to download metadata for repo 'x'"}))
    with pytest.raises(EvenkeelError, match=r"dnf does not answer: Failed to download .* 'x'\. Check the repositories"):
        Dnf().versions("driver")


def test_packages_that_are_there_twice_were_interrupted_but_not_kernels(make: Callable[..., FakePrograms]) -> None:
    node = make(python3=answer(["driver", "kernel-core", "kmod-x", "gpg-pubkey"]))
    assert Dnf().interrupted() == ["driver"]
    assert json.loads(node.calls[0][-1]) == {"question": "duplicates", "settings": {}}


def test_duplicates_are_removed_without_a_question(make: Callable[..., FakePrograms]) -> None:
    node = make(dnf="")
    Dnf(lock_timeout=7).heal()
    assert node.calls == [["wait", "7"], ["dnf", *OPTIONS, "--assumeyes", "remove", "--duplicates"]]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("driver-3:580.178.04-1.el9.*", {"driver"}),
        ("driver-3:580.178.04-1.el9.x86_64", {"driver"}),
        ("driver-3:580.159.03-1.el9.*", set()),
        ("!driver-3:580.178.04-1.el9.*", set()),
        ("gone-3:580.178.04-1.el9.*", set()),
        ("", set()),
    ],
    ids=["held", "of one architecture", "of another version", "an exclusion", "not installed", "empty"],
)
def test_held_is_what_is_locked_at_the_installed_version(
    make: Callable[..., FakePrograms], tmp_path: Path, entry: str, expected: set[str]
) -> None:
    make()
    (tmp_path / "versionlock.list").write_text(f"# tool-0:1-1.el9.*\n{entry}\n")
    assert Dnf().held() == expected


def test_without_a_list_nothing_is_held(make: Callable[..., FakePrograms]) -> None:
    make()
    assert Dnf().held() == set()


def test_a_hold_replaces_the_one_of_another_version_alone(make: Callable[..., FakePrograms], tmp_path: Path) -> None:
    make()
    versionlock = tmp_path / "versionlock.list"
    versionlock.write_text("# mine\nmine-0:1-1.*\ndriver-3:570.1-1.el9.*\n")
    Dnf().hold(["driver", "gone"])
    assert versionlock.read_text() == "# mine\nmine-0:1-1.*\ndriver-3:580.178.04-1.el9.*\n"
    assert Dnf().held() == {"driver"}
    Dnf().release(["driver"])
    assert versionlock.read_text() == "# mine\nmine-0:1-1.*\n"


def test_a_transaction_installs_and_then_removes_what_is_still_there(make: Callable[..., FakePrograms]) -> None:
    node = make(dnf="")
    Dnf(["reposdir=/staged"]).apply(["driver-3:1-1"], ["kernel", "gone"])
    options = ["--setopt=reposdir=/staged", *OPTIONS, "--assumeyes", "--allowerasing"]
    assert node.calls[0][0] == "wait"
    assert node.of("dnf") == [
        [*options, "install", "driver-3:1-1"],
        [*options, "--noautoremove", "remove", "kernel"],
    ]


def test_nothing_to_remove_runs_nothing(make: Callable[..., FakePrograms]) -> None:
    node = make(dnf="")
    Dnf().apply([], ["gone"])
    assert node.of("dnf") == []
    Dnf().apply([], ["driver"])
    assert [argv[-2:] for argv in node.of("dnf")] == [["remove", "driver"]]


def test_a_transaction_that_fails_names_what_and_keeps_all_that_was_said(make: Callable[..., FakePrograms]) -> None:
    make(dnf=Done(1, "Last metadata\n", "Error: Transaction test error:\n  file conflicts\n"))
    with pytest.raises(
        EvenkeelError, match=r"^dnf did not install driver tool: Error: Transaction test error:; file"
    ) as raised:
        Dnf().apply(["driver", "tool"], [])
    assert raised.value.details == {
        "stdout": "Last metadata\n",
        "stderr": "Error: Transaction test error:\n  file conflicts\n",
    }


def test_a_refresh_asks_the_repositories_of_its_file_alone(make: Callable[..., FakePrograms], tmp_path: Path) -> None:
    source = tmp_path / "cuda.repo"
    source.write_text("[cuda]\nname=x\n[cuda-two]\n")
    node = make(dnf="")
    Dnf().refresh(str(source))
    asked = ["--disablerepo=*", "--enablerepo=cuda", "--enablerepo=cuda-two"]
    assert node.of("dnf") == [[*OPTIONS, WITHOUT, *asked, "--assumeyes", "makecache", "--refresh"]]
    assert not Dnf().never_asked()


def test_a_node_without_any_repository_is_refused_with_the_way_to_one(make: Callable[..., FakePrograms]) -> None:
    # As dnf 4 of RHEL 9 prints it, with the status 0.
    make(dnf='There are no enabled repositories in "/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d".\n')
    with pytest.raises(EvenkeelError, match=r"No repository of dnf is enabled.*subscription-manager register"):
        Dnf().refresh("")


def test_a_refresh_of_all_asks_all(make: Callable[..., FakePrograms]) -> None:
    node = make(dnf="")
    Dnf(limit=9).refresh("")
    assert node.limits == [9]
    assert node.of("dnf") == [[*OPTIONS, WITHOUT, "--assumeyes", "makecache", "--refresh"]]


@pytest.mark.parametrize(
    ("said", "words", "asked"),
    [
        ("Downloading successful, but checksum doesn't match.", r"^The repository of /x\.repo is incomplete", 4),
        ("Curl error (7): Couldn't connect", r"^The metadata of /x\.repo could not be fetched: Curl error", 1),
    ],
    ids=["incomplete", "not there"],
)
def test_a_refresh_that_fails_is_explained(
    make: Callable[..., FakePrograms], monkeypatch: pytest.MonkeyPatch, said: str, words: str, asked: int
) -> None:
    monkeypatch.setattr(refetch.time, "sleep", lambda seconds: None)
    node = make(dnf=Done(1, "", said))
    with pytest.raises(EvenkeelError, match=words):
        Dnf().refresh("/x.repo")
    assert len(node.of("dnf")) == asked


def test_of_a_download_the_package_itself_is_taken(make: Callable[..., FakePrograms], tmp_path: Path) -> None:
    def download(argv: Sequence[str]) -> Done:
        for name in ("driver-580-1.el9.x86_64.rpm", "driver-cuda-580-1.el9.x86_64.rpm", "driver-580-1.el9.txt"):
            (tmp_path / name).touch()
        return Done(0, "", "")

    node = make(dnf=download)
    assert Dnf().download("driver-3:580-1.el9", str(tmp_path)) == str(tmp_path / "driver-580-1.el9.x86_64.rpm")
    asked = ["--assumeyes", "install", "--downloadonly", "--destdir", str(tmp_path), "driver-3:580-1.el9"]
    assert node.of("dnf") == [[*OPTIONS, *asked]]


@pytest.mark.parametrize("done", [Done(1, "", "Error: no route\n"), Done(0, "", "")], ids=["failed", "brought nothing"])
def test_a_download_that_fails(make: Callable[..., FakePrograms], tmp_path: Path, done: Done) -> None:
    make(dnf=done)
    with pytest.raises(EvenkeelError, match=r"^dnf did not download driver-3:1-1: "):
        Dnf().download("driver-3:1-1", str(tmp_path))


def test_a_package_is_unpacked_into_a_folder_of_its_own(make: Callable[..., FakePrograms], tmp_path: Path) -> None:
    node = make(sh="")
    Dnf().unpack("/p.rpm", str(tmp_path / "new"))
    assert (tmp_path / "new").is_dir()
    script = 'cd "$0" && rpm2cpio "$1" | cpio --extract --make-directories --quiet'
    assert node.of("sh") == [["-c", script, str(tmp_path / "new"), "/p.rpm"]]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "Last metadata\nError: \n Problem: conflicting\n  - nothing provides dkms >= 3.1.8\n",
            "Error:; Problem: conflicting; - nothing provides dkms >= 3.1.8",
        ),
        ("a\nNo match for argument: x\n2\n3\n4\n5\n6\n7\n", "No match for argument: x; 2; 3; 4; 5; 6"),
        ("a\n Problem: x\n - y\n", "Problem: x; - y"),
        ("one\ntwo\nthree\nfour\n", "two; three; four"),
        ("", "it printed nothing"),
    ],
)
def test_a_refusal_is_quoted_from_its_first_word_on(said: str, expected: str) -> None:
    assert dnf.explain(said) == expected


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Error: repomd.xml GPG signature verification error: Bad GPG signature", "is signed by a key that is not"),
        ("[MIRROR] primary.xml: Downloading successful, but checksum doesn't match.", "is incomplete"),
        ("Errors during downloading metadata: Curl error (7): Couldn't connect", "could not be fetched"),
    ],
)
def test_a_failed_refresh_is_explained(said: str, words: str) -> None:
    assert words in str(dnf.explain_refresh(said, "/etc/yum.repos.d/x.repo"))


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("", []),
        ("# [none]\n", []),
        ("[baseos]\nname=BaseOS\n", ["baseos"]),
        ("[baseos]\nenabled=1\n\n[crb]\nenabled = 0\n[extras]\nenabled=False\n[plus]\nenabled: no\n", ["baseos"]),
    ],
)
def test_the_repositories_that_a_file_enables(text: str, enabled: list[str]) -> None:
    assert parse_enabled(text) == enabled


def test_a_node_of_which_only_our_repository_is_enabled_lacks_its_distribution(tmp_path: Path) -> None:
    ours = tmp_path / "evenkeel-nvidia-cuda.repo"
    ours.write_text("[evenkeel-nvidia-cuda]\nenabled=1\n")
    (tmp_path / "redhat.repo").write_text("# This system is not registered.\n")
    manager = Dnf((f"reposdir={tmp_path}",))
    assert "subscription-manager register" in manager.lacks_distribution(str(ours))
    (tmp_path / "redhat.repo").write_text("[rhel-9-for-x86_64-baseos-rpms]\nenabled = 1\n")
    assert manager.lacks_distribution(str(ours)) == ""


def test_settings_that_somebody_has_changed(make: Callable[..., FakePrograms]) -> None:
    verified = "S.5....T.  c /etc/nginx/nginx.conf\n.......T.  c /etc/nginx/mime.types\nS.5....T.    /usr/sbin/nginx\n"
    verified += "missing   c /etc/nginx/gone\n"
    make(rpm=lambda argv: Done(1, verified if argv[-1] == "nginx" else "", ""))
    assert Dnf().edited(["nginx", "tool"]) == {"nginx": ["/etc/nginx/nginx.conf"]}
    assert (Dnf().remnants(["nginx"]), Dnf().purge(["nginx"])) == ([], None)
