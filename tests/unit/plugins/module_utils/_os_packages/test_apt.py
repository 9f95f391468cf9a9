# SPDX-License-Identifier: GPL-3.0-or-later
"""How apt and dpkg are asked and run, and what they say: transactions, refusals, repositories that can't be trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import apt, refetch
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.apt import Apt
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Offer, Refused, Step

from tests.unit.plugins.module_utils._os_packages.fakes import FakePrograms

OPTIONS = ["--yes", "--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages", "--ignore-hold"]
KEEP = ["-oDpkg::Options::=--force-confdef", "-oDpkg::Options::=--force-confold"]
#: Name, version, wish and state, architecture.
DPKG = """\
driver\t580-1\tii \tamd64
tool\t2-1\thi \tall
driver\t570-1\tii \ti386
settings\t1-1\trc \tamd64
never\t1-1\tun \tamd64
unpacked\t3-1\tiU \tamd64
half\t3-1\thF \tamd64
leaving\t3-1\trH \tamd64
unwanted\t3-1\tuU \tamd64
waiting\t3-1\tiW \tamd64
triggered\t3-1\tit \tamd64
"""
SIMULATED = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages will be DOWNGRADED:
  libcuda1
Remv nvidia-kernel-dkms [580.159.03-1]
Purg old-settings [1.0-1]
Inst libcuda1 [610.57.04-1] (580.178.04-1 NVIDIA:localhost [amd64]) []
Inst nvidia-driver-cuda (580.178.04-1 NVIDIA:localhost [amd64])
Inst libc6:i386 (2.36-9 Debian:12.11/stable [i386])
Conf libcuda1 (580.178.04-1 NVIDIA:localhost [amd64])
"""
INCOMPLETE = Done(100, "", "E: Failed to fetch http://m/Packages  Hash Sum mismatch\n")


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    return FakePrograms(monkeypatch, dpkg="amd64\n", dpkg_query=DPKG)


def test_packages_and_their_states(node: FakePrograms) -> None:
    assert Apt().installed() == {"driver": "580-1", "tool": "2-1"}
    form = "${Package}\t${Version}\t${db:Status-Abbrev}\t${Architecture}\n"
    assert node.calls == [["dpkg", "--print-architecture"], ["dpkg-query", "-W", "-f", form]]
    assert Apt().held() == {"tool", "half"}
    assert Apt().known()["half"] == "3-1"
    assert set(Apt().known()) == {"driver", "tool", "unpacked", "half", "leaving", "unwanted", "waiting", "triggered"}


def test_packages_are_installed_again_at_their_versions(node: FakePrograms) -> None:
    node.replies["apt_get"] = ""
    Apt().reinstall(["driver"])
    (argv,) = node.of("apt-get")
    assert argv[-3:] == ["install", "--reinstall", "driver=580-1"]


def test_settings_that_somebody_has_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, changed = tmp_path / "kept", tmp_path / "changed"
    kept.write_text("as it came")
    changed.write_text("by hand")
    md5 = hashlib.md5(b"as it came", usedforsecurity=False).hexdigest()
    listed = f"clean\n {kept} {md5}\n {tmp_path}/gone {md5} obsolete\n\n"
    listed += f"edited\n {kept} {md5}\n {changed} {md5}\nbare\n\n"
    FakePrograms(monkeypatch, dpkg_query=listed)
    assert Apt().edited(["clean", "edited", "bare"]) == {"edited": [str(changed)]}
    assert Apt().edited([]) == {}


def test_files_of_other_packages_are_nobodys_additions(monkeypatch: pytest.MonkeyPatch) -> None:
    added = {"dpkg-dev": ["/etc/dpkg/dpkg.cfg"], "nginx-common": ["/etc/nginx/mine", "/etc/nginx/module"]}
    monkeypatch.setattr(apt, "find_added", lambda output: added)
    owned = {"/etc/dpkg/dpkg.cfg", "/etc/nginx/module"}
    monkeypatch.setattr(apt.owners, "owned", lambda paths, manager: owned.intersection(paths))
    FakePrograms(monkeypatch, dpkg_query="dpkg-dev\n\nnginx-common\n\n")
    assert Apt().edited(["dpkg-dev", "nginx-common"]) == {"nginx-common": ["/etc/nginx/mine"]}


def test_files_of_others_that_a_purge_would_remove(tmp_path: Path) -> None:
    for path in ("nginx/nginx.conf", "nginx/tls/site.key", "nginx/conf.d/evenkeel-front-door.conf", "default/locale"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "nginx" / "sites-enabled").symlink_to("/usr/share")
    (tmp_path / "nginx" / "default").symlink_to("/usr/share/default")
    listed = f"nginx-common\n {tmp_path}/nginx/nginx.conf 0\n {tmp_path}/default/nginx 0\n"
    assert apt.find_added(listed, str(tmp_path)) == {"nginx-common": [f"{tmp_path}/nginx/tls/site.key"]}
    assert apt.find_added(listed.replace("nginx-common", "tool"), str(tmp_path)) == {}


def test_settings_of_removed_packages_are_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, apt_get="")
    Apt().purge(["clean", "bare"])
    (argv,) = node.of("apt-get")
    assert argv[-3:] == ["purge", "clean", "bare"]


def test_remnants_are_removed_packages_with_settings(node: FakePrograms) -> None:
    assert Apt().remnants(["settings", "driver", "never"]) == ["settings"]
    assert Apt().remnants(["driver"]) == []


def test_interrupted_is_what_is_unfinished_and_still_wanted_or_to_go(node: FakePrograms) -> None:
    assert Apt().interrupted() == ["unpacked", "half", "leaving", "waiting", "triggered"]


def test_a_killed_run_is_finished_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, dpkg=Done(1, "", "dependency problems"), apt_get="")
    Apt(lock_timeout=7).heal()
    assert node.calls == [
        ["wait", "7"],
        ["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"],
        ["apt-get", *OPTIONS, *KEEP, "--fix-broken", "install"],
    ]


def test_a_killed_run_that_can_not_be_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, dpkg="", apt_get=Done(100, "", "E: broken\n"))
    with pytest.raises(EvenkeelError, match=r"E: broken\. Run `dpkg --configure -a` on the node"):
        Apt().heal()


def test_versions_are_those_of_all_repositories_in_apts_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        "driver | 610-1 | http://a Packages\ndriver | 580-1 | http://a Packages\ndriver | 580-1 | http://b Packages\n"
    )
    node = FakePrograms(monkeypatch, apt_cache=rows + "N: a notice\n")
    assert Apt(["Dir=/x"]).versions("driver") == ["610-1", "580-1"]
    assert node.of("apt-cache") == [["-oDir=/x", "madison", "driver"]]


@pytest.mark.parametrize(
    ("name", "asked", "alike"),
    [
        ("nvidia-dkms-580-open", "nvidia-dkms-", ["nvidia-dkms-570-open", "nvidia-dkms-595-open"]),
        ("nvidia-dkms-open", None, []),
    ],
)
def test_packages_of_other_branches(
    name: str, asked: str | None, alike: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "nvidia-dkms-595-open\nnvidia-dkms-580-open\nnvidia-dkms-570-open\nnvidia-dkms-570\nnvidia-dkms-open\n"
    node = FakePrograms(monkeypatch, apt_cache=known)
    assert Apt().alike(name) == alike
    assert node.of("apt-cache") == ([["pkgnames", asked]] if asked else [])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "E: Conflicting values set for option Signed-By regarding source file:/srv/nvidia/ubuntu2404/x86_64/ /:"
            " /usr/share/keyrings/cuda-archive-keyring.gpg != /etc/apt/keyrings/x.gpg\n"
            "E: The list of sources could not be read.\n",
            "two entries of the repository file:/srv/nvidia/ubuntu2404/x86_64/ differ in Signed-By. Find them by"
            " `grep -r file:/srv/nvidia/ubuntu2404/x86_64 /etc/apt`, and remove one",
        ),
        (
            "E: Conflicting values set for option Trusted regarding source file:/srv/nvidia/ubuntu2404/ x86_64/\n"
            "E: The list of sources could not be read.\n",
            "two entries of the repository file:/srv/nvidia/ubuntu2404/ differ in Trusted",
        ),
        (
            "E: Conflicting values set for option Signed-By regarding source file:/srv/repos/ubuntu/ /: -----BEGIN PGP"
            " PUBLIC KEY BLOCK-----\n   mQ==\n   -----END PGP PUBLIC KEY BLOCK-----\n    != /usr/share/keyrings/u.asc\n"
            "E: The list of sources could not be read.\n",
            "two entries of the repository file:/srv/repos/ubuntu/ differ in Signed-By",
        ),
        (
            "E: Malformed entry 1 in list file /etc/apt/sources.list.d/bad.list (Suite)\n"
            "E: The list of sources could not be read.\n",
            "`apt-cache madison driver` failed: Malformed entry 1 in list file /etc/apt/sources.list.d/bad.list",
        ),
        (
            "E: Unable to parse package file /var/lib/apt/lists/_srv_Packages (1)\n"
            "W: You may want to run apt-get update to correct these problems\n"
            "E: The package cache file is corrupted\n",
            "The list _srv_Packages, which APT has fetched, is damaged. Remove the lists by `rm -r",
        ),
    ],
    ids=["keys", "trust", "a key in the entry", "malformed", "damaged lists"],
)
def test_an_error_of_apts_is_not_a_missing_package(monkeypatch: pytest.MonkeyPatch, said: str, words: str) -> None:
    FakePrograms(monkeypatch, apt_cache=Done(100, "", said), apt_get=Done(100, "", said))
    with pytest.raises(EvenkeelError) as raised:
        Apt().versions("driver")
    assert words in str(raised.value)
    assert "No repository" not in str(raised.value)


def test_a_package_that_no_repository_has_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, apt_cache=Done(0, "", "N: Unable to locate package driver\n"))
    assert Apt().versions("driver") == []


#: As apt 2.6 prints it of a node with Ubuntu's archive and NVIDIA's repository.
MADISON = """\
libnvidia-compute-580 | 580.178.04-1ubuntu1 | file:/srv/nvidia/ubuntu2404/x86_64  Packages
libnvidia-compute-580 | 580.178.04-0ubuntu0.24.04.1 | http://archive/ubuntu noble-updates/restricted amd64 Packages
libnvidia-compute-580 | 580.178.04-0ubuntu0.24.04.1 | http://archive/ubuntu noble-security/restricted amd64 Packages
nvidia-modprobe | 615.71.09-1ubuntu1 | file:/srv/nvidia/ubuntu2404/x86_64  Packages
N: Unable to locate package nvidia-none
"""
SHOWN = """\
Package: libnvidia-compute-580
Source: nvidia-graphics-drivers-580 (580.178.04)
Version: 580.178.04-1ubuntu1
Description: a library
 Source: of nothing

Package: libnvidia-compute-580
Version: 580.178.04-0ubuntu0.24.04.1

Package: nvidia-modprobe
Version: 615.71.09-1ubuntu1
Source: nvidia-modprobe
"""


def test_offers_name_source_and_repositories(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, apt_cache=[MADISON, SHOWN])
    nvidia = ("file:/srv/nvidia/ubuntu2404/x86_64",)
    ubuntu = Offer("580.178.04-0ubuntu0.24.04.1", "libnvidia-compute-580", ("http://archive/ubuntu",) * 2)
    assert Apt().offers(["libnvidia-compute-580", "nvidia-modprobe", "nvidia-none"]) == {
        "libnvidia-compute-580": [Offer("580.178.04-1ubuntu1", "nvidia-graphics-drivers-580", nvidia), ubuntu],
        "nvidia-modprobe": [Offer("615.71.09-1ubuntu1", "nvidia-modprobe", nvidia)],
    }
    asked = ["libnvidia-compute-580=580.178.04-1ubuntu1", "libnvidia-compute-580=580.178.04-0ubuntu0.24.04.1"]
    assert node.of("apt-cache")[1] == ["show", *asked, "nvidia-modprobe=615.71.09-1ubuntu1"]
    assert Apt().offers([]) == {}


def test_sources_of_what_is_on_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, dpkg_query="libcuda1\tnvidia-graphics-drivers\nbash\tbash\n")
    assert Apt().sources() == {"libcuda1": "nvidia-graphics-drivers", "bash": "bash"}
    assert node.of("dpkg-query") == [["-W", "-f", "${Package}\t${source:Package}\n"]]


def test_a_simulated_transaction_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, apt_get=SIMULATED)
    assert Apt(["Dir=/x"]).simulate(["libcuda1=580.178.04-1"], ["nvidia-kernel-dkms"]) == [
        Step("nvidia-kernel-dkms", "580.159.03-1", ""),
        Step("old-settings", "1.0-1", ""),
        Step("libcuda1", "610.57.04-1", "580.178.04-1"),
        Step("nvidia-driver-cuda", "", "580.178.04-1"),
        Step("libc6", "", "2.36-9"),
    ]
    asked = ["--simulate", "install", "libcuda1=580.178.04-1", "nvidia-kernel-dkms-"]
    assert node.of("apt-get") == [["-oDir=/x", *OPTIONS, *asked]]


def test_a_simulation_that_finds_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, apt_get=[Done(100, "", "E: Version '9' for 'driver' was not found\n"), ""])
    with pytest.raises(Refused, match=r"^apt cannot install driver=9 tool: Version '9' for 'driver'"):
        Apt().simulate(["driver=9", "tool"], [])


def test_a_simulation_on_a_node_where_a_package_lacks_what_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = """\
You might want to run 'apt --fix-broken install' to correct these.
The following packages have unmet dependencies:
 vendor-agent : Depends: libvendor but it is not installed
E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution).
"""
    FakePrograms(monkeypatch, apt_get=[Done(100, "", "E: Unmet dependencies.\n"), Done(100, "", broken)])
    with pytest.raises(Refused, match="depend on: vendor-agent : Depends: libvendor but it is not installed"):
        Apt().simulate(["driver=9"], [])


@pytest.mark.parametrize("said", [Done(100, "", "E: The package x needs to be reinstalled\n"), SIMULATED])
def test_repairs_are_what_apt_would_do(monkeypatch: pytest.MonkeyPatch, said: Done | str) -> None:
    FakePrograms(monkeypatch, apt_get=said)
    assert Apt().repairs() == (apt.parse_steps(said) if isinstance(said, str) else [])


def test_a_transaction_keeps_settings_and_waits_for_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, apt_get="")
    Apt(["Dir=/x"], lock_timeout=7).apply(["driver=580-1"], ["old"])
    wait = "-oDPkg::Lock::Timeout=7"
    assert node.calls == [
        ["wait", "7"],
        ["apt-get", "-oDir=/x", *OPTIONS, *KEEP, wait, "install", "driver=580-1", "old-"],
    ]


def test_a_transaction_that_fails_keeps_all_that_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, apt_get=Done(100, "Unpacking\n", "E: Sub-process /usr/bin/dpkg returned an error\n"))
    with pytest.raises(EvenkeelError, match=r"^apt did not change driver tool: Sub-process") as raised:
        Apt().apply(["driver", "tool"], [])
    details = {"stdout": "Unpacking\n", "stderr": "E: Sub-process /usr/bin/dpkg returned an error\n"}
    assert raised.value.details == details


def fetch() -> None:
    Apt(lock_timeout=7).refresh("")


def install() -> None:
    Apt(lock_timeout=7).apply(["driver"], [])


LISTS_LOCKED = Done(
    100,
    "Reading package lists...\n",
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 2392 (apt-get)\n"
    "E: Unable to lock directory /var/lib/apt/lists/\n",
)
ARCHIVES_LOCKED = Done(
    100,
    "Reading package lists...\n",
    "E: Could not get lock /var/cache/apt/archives/lock. It is held by process 2405 (apt-get)\n"
    "E: Unable to lock directory /var/cache/apt/archives/\n",
)


@pytest.mark.parametrize(("ask", "locked"), [(fetch, LISTS_LOCKED), (install, ARCHIVES_LOCKED)])
def test_a_run_that_was_faster_at_a_lock_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[], None], locked: Done
) -> None:
    node = FakePrograms(monkeypatch, apt_get=[locked, locked, Done(0, "", "")])
    ask()
    assert [call[0] for call in node.calls][-5:] == ["apt-get", "wait", "apt-get", "wait", "apt-get"]
    FakePrograms(monkeypatch, apt_get=locked)
    with pytest.raises(EvenkeelError, match="Could not get lock"):
        ask()


def test_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, apt_mark="")
    Apt().hold(["driver", "tool"])
    Apt().release(["tool"])
    assert node.of("apt-mark") == [["hold", "driver", "tool"], ["unhold", "tool"]]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "/staged/x.sources",
            [
                "-oDir::Etc::SourceList=/staged/x.sources",
                "-oDir::Etc::SourceParts=-",
                "-oAPT::Get::List-Cleanup=0",
                "-oAPT::Update::Error-Mode=any",
            ],
        ),
        ("", []),
    ],
)
def test_lists_are_fetched_of_one_file_strictly_and_of_all_as_well_as_can_be(
    monkeypatch: pytest.MonkeyPatch, source: str, expected: list[str]
) -> None:
    node = FakePrograms(monkeypatch, apt_get="")
    Apt(["Dir=/x", "/hooks.conf"], limit=9).refresh(source)
    assert node.calls == [["apt-get", "-oDir=/x", "-c/hooks.conf", *expected, "update"]]
    assert node.limits == [9]


def test_it_waits_for_others_and_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch)
    Apt(lock_timeout=7).wait()
    assert node.calls == [["wait", "7"]]
    assert Apt().busy() == "/var/lib/dpkg/lock-frontend is locked"


UNSIGNED = (
    "W: GPG error: http://m/a  InRelease: The following signatures couldn't be verified because the public key is not"
    " available: NO_PUBKEY 801C4C07D37CE7F6\n"
    "E: The repository 'http://m/a  InRelease' is not signed.\n"
)
SILENT = (
    "W: Failed to fetch http://127.0.0.1:9/dead/InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect"
    " (111: Connection refused)\n"
    "W: Some index files failed to download. They have been ignored, or old ones used instead.\n"
)


@pytest.mark.parametrize(
    ("status", "said", "word"),
    [
        (100, UNSIGNED, "NO_PUBKEY 801C4C07D37CE7F6"),
        (0, SILENT, "http://127.0.0.1:9/dead/InRelease"),
        (100, SILENT + UNSIGNED, "http://m/a"),
        (100, "E: The repository 'http://m/nothing  Release' does not have a Release file.\n", "http://m/nothing"),
        (0, "W: Target Packages (Packages) is configured multiple times\n", ""),
    ],
)
def test_of_all_repositories_those_of_others_may_fail(
    monkeypatch: pytest.MonkeyPatch, status: int, said: str, word: str
) -> None:
    FakePrograms(monkeypatch, apt_get=Done(status, "Reading package lists...\n", said))
    unfetched = Apt().refresh("")
    assert word in unfetched
    assert bool(unfetched) == bool(word)
    if status:
        with pytest.raises(EvenkeelError, match=r"/x\.sources"):
            Apt().refresh("/x.sources")


def test_that_no_list_can_be_fetched_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePrograms(monkeypatch, apt_get=Done(100, "", SILENT + "E: Unable to write to /var/cache/apt/\n"))
    with pytest.raises(EvenkeelError, match="lists of the node's repositories could not be fetched: Unable to write"):
        Apt().refresh("")


@pytest.mark.parametrize(
    ("done", "asked"), [(INCOMPLETE, 4), (Done(100, "", "E: Could not connect\n"), 1)], ids=["incomplete", "not there"]
)
def test_a_repository_that_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, done: Done, asked: int) -> None:
    monkeypatch.setattr(refetch.time, "sleep", lambda seconds: None)
    node = FakePrograms(monkeypatch, apt_get=done)
    with pytest.raises(EvenkeelError, match=r"of /etc/apt/sources.list.d/x\.sources (is incomplete|could not)"):
        Apt().refresh("/x.sources")
    past_caches = ["-oAcquire::http::No-Cache=true" in argv for argv in node.of("apt-get")]
    assert past_caches == [False, True, True, True][:asked]


def test_a_package_that_comes_damaged_is_asked_for_past_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(
        monkeypatch,
        apt_get=lambda argv: Done(0, "", "") if argv[-1] == "-oAcquire::http::No-Cache=true" else INCOMPLETE,
    )
    Apt().apply(["driver"], [])
    assert len(node.of("apt-get")) == 2


@pytest.mark.parametrize(("found", "expected"), [([], True), (["/var/lib/apt/lists/m_Packages"], False)])
def test_a_node_without_lists(monkeypatch: pytest.MonkeyPatch, found: list[str], expected: bool) -> None:
    monkeypatch.setattr(apt.glob, "glob", lambda pattern: found if pattern == "/var/lib/apt/lists/*_Packages*" else [])
    assert Apt().never_asked() is expected


def test_a_package_is_downloaded_into_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download(argv: Sequence[str]) -> Done:
        Path(argv[3], "driver_580-1_amd64.deb").touch()
        Path(argv[3], "a.log").touch()
        return Done(0, "", "")

    node = FakePrograms(monkeypatch, sh=download)
    assert Apt(["Dir=/x"]).download("driver=580-1", str(tmp_path)) == str(tmp_path / "driver_580-1_amd64.deb")
    assert node.of("sh")[0][:2] == ["-c", 'cd "$0" && exec "$@"']
    assert node.of("sh")[0][2:] == [str(tmp_path), "apt-get", "-oDir=/x", "download", "driver=580-1"]


@pytest.mark.parametrize("done", [Done(100, "", "E: no route\n"), Done(0, "", "")], ids=["failed", "brought nothing"])
def test_a_download_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, done: Done) -> None:
    if done.status != 0:
        (tmp_path / "of-before.deb").touch()
    FakePrograms(monkeypatch, sh=done)
    with pytest.raises(EvenkeelError, match=r"^apt did not download driver=580-1: "):
        Apt().download("driver=580-1", str(tmp_path))


def test_a_package_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakePrograms(monkeypatch, dpkg_deb="")
    Apt().unpack("/p.deb", "/folder")
    assert node.of("dpkg-deb") == [["--extract", "/p.deb", "/folder"]]


#: How apt of Debian 13 hands on what sqv 1.3.0 says.
SQV = (
    "W: OpenPGP signature verification failed: http://m ./ InRelease: "
    "Sub-process /usr/bin/sqv returned an error code (1), error message is: "
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "W: GPG error: http://m ./ InRelease: signatures were invalid: EXPKEYSIG 8793F200 x",
            "8793F200, which has expired",
        ),
        ("W: the public key is not available: NO_PUBKEY A4B469963BF863CC", "A4B469963BF863CC, which is not the one"),
        ("E: BADSIG A4B469963BF863CC cudatools", "has a wrong signature (BADSIG A4B469963BF863CC)"),
        (
            f"{SQV}Missing key 65ECB5205607D3AF, which is needed to verify signature.",
            "65ECB5205607D3AF, which is not the one",
        ),
        (f"{SQV}Verifying signature:            Message has been manipulated", "wrong signature (Message has been man"),
        (
            f"{SQV}Signing key on E317789A0B66058B is bad:\n           The primary key is not live\n"
            "  because: Expired on 2020-12-31T00:00:00Z",
            "E317789A0B66058B, which has expired",
        ),
        ("E: Failed to fetch http://m/Packages  Hash Sum mismatch", "incomplete (Hash Sum mismatch)"),
        ("E: File has unexpected size (9 != 8). Mirror sync in progress? [IP: 1]", "incomplete (unexpected size)"),
        ("E: The repository 'http://m ./ Release' is not signed.", "is not signed"),
        (
            "E: Failed to fetch http://m/InRelease  Clearsigned file isn't valid, got 'NOSPLIT' (does the network"
            " require authentication?)\nE: The repository 'http://m  InRelease' is not signed.",
            "answers with something that is no repository (NOSPLIT), such as a web page of a proxy",
        ),
        (
            "E: Could not connect to m:80 (1.2.3.4). - connect (111: Connection refused)",
            "/etc/apt/sources.list.d/x.sources could not be fetched: Could not connect to m:80",
        ),
        (
            "E: Conflicting values set for option Signed-By regarding source http://m/ ./: /a.gpg != /b.gpg\n"
            "E: The list of sources could not be read.",
            "two entries of the repository http://m/ differ in Signed-By",
        ),
        (
            "E: Unable to parse package file /tmp/evenkeel-repository-x/lists/_srv_Packages (1)\n"
            "W: You may want to run apt-get update to correct these problems\n"
            "E: The package cache file is corrupted\n",
            "The list _srv_Packages, which APT has fetched, is damaged",
        ),
        (
            "E: Malformed line 1 in source list /etc/apt/sources.list.d/bad.list (type)\n"
            "E: The list of sources could not be read.",
            "APT reads none of its sources: Malformed line 1 in source list /etc/apt/sources.list.d/bad.list (type)",
        ),
        (
            "E: Encountered a section with no Package: header\n"
            "E: Problem with MergeList /var/lib/apt/lists/deb.example.org_dists_noble_main_binary-amd64_Packages",
            "The list deb.example.org_dists_noble_main_binary-amd64_Packages, which APT has fetched, is damaged",
        ),
    ],
)
def test_a_failed_update_is_explained(said: str, words: str) -> None:
    assert words in str(apt.explain_update(said, "/etc/apt/sources.list.d/x.sources"))


def test_a_failed_update_names_the_file_of_its_repository() -> None:
    assert "The repository of /etc/apt/sources.list.d/x.sources is signed by" in str(
        apt.explain_update("NO_PUBKEY A4", "/staged/x.sources")
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            """\
Some packages could not be installed. This may mean that
The following packages have unmet dependencies:
 nvidia-open : Depends: nvidia-driver (= 580.178.04-1) but 610.57.04-1 is to be installed
               Depends: libcuda1 but it is not going to be installed
E: Unable to correct problems, you have held broken packages.
""",
            "nvidia-open : Depends: nvidia-driver (= 580.178.04-1) but 610.57.04-1 is to be installed; "
            "Depends: libcuda1 but it is not going to be installed",
        ),
        (
            """\
make -C /usr/src/linux-headers modules
dpkg: error processing archive /var/cache/apt/archives/nvidia-kernel-source_1_amd64.deb (--unpack):
 cannot copy extracted data for './usr/src/nvidia-580/nv.c' to '/usr/src/nvidia-580/nv.c.dpkg-new': No space left
dpkg: error processing package nvidia-dkms-open (--configure):
 installed nvidia-dkms-open package post-installation script subprocess returned error exit status 10
E: Sub-process /usr/bin/dpkg returned an error code (1)
""",
            "nvidia-kernel-source_1_amd64.deb: cannot copy extracted data for './usr/src/nvidia-580/nv.c' to "
            "'/usr/src/nvidia-580/nv.c.dpkg-new': No space left; nvidia-dkms-open: installed nvidia-dkms-open package "
            "post-installation script subprocess returned error exit status 10",
        ),
        ("The unmet dependencies:\n a\n b\n c\n d\n e\n f\n", "a; b; c; d; e"),
        ("W: a warning\nE: one\nE: two\nE: three\nE: four\nE: five\n", "two; three; four; five"),
        ("one\n\ntwo\nthree\nfour\n", "two; three; four"),
        ("", "it printed nothing"),
    ],
    ids=["unmet dependencies", "dpkg", "many of them", "errors", "other words", "nothing"],
)
def test_why_apt_failed(said: str, expected: str) -> None:
    assert apt.explain(said) == expected


def change_holds() -> None:
    Apt().hold(["driver"])


def release() -> None:
    Apt().release(["driver"])


def list_packages() -> None:
    Apt().installed()


@pytest.mark.parametrize(
    ("program", "ask"),
    [("dpkg", list_packages), ("dpkg_query", list_packages), ("apt_mark", change_holds), ("apt_mark", release)],
)
def test_a_program_that_fails_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, program: str, ask: Callable[[], None]
) -> None:
    FakePrograms(monkeypatch, **{"dpkg": "amd64", program: Done(2, "", "no disk\n")})
    with pytest.raises(EvenkeelError, match=r"no disk\. Run it on the node to see "):
        ask()


def test_sizes_are_those_of_packages_at_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "Package: a\nVersion: 2-1\nInstalled-Size: 4\n\nPackage: a\nVersion: 1-1\n\n"
    programs = FakePrograms(monkeypatch, apt_cache=shown)
    assert Apt().sizes([("a", "2-1"), ("a", "1-1")]) == {("a", "2-1"): 4096}
    assert programs.of("apt-cache") == [["show", "a=2-1", "a=1-1"]]
    assert Apt().sizes([]) == {}


POLICY = """\
libnvidia-gpucomp-580:
  Installed: 580.178.04-1ubuntu1
  Candidate: (none)
  Version table:
     580.195.01-1ubuntu1 -1
        500 http://m/compute/cuda/repos/ubuntu2404/x86_64  Packages
 *** 580.178.04-1ubuntu1 -1
        500 http://m/compute/cuda/repos/ubuntu2404/x86_64  Packages
        100 /var/lib/dpkg/status
nvidia-modprobe:
  Installed: 580.178.04-1ubuntu1
  Candidate: 580.126.09-0ubuntu1
  Version table:
 *** 580.178.04-1ubuntu1 -1
        100 /var/lib/dpkg/status
     580.126.09-0ubuntu1 500
        500 http://m/ubuntu noble/universe amd64 Packages
nvidia-utils-580-server:
  Installed: 580.178.04-0ubuntu0.24.04.1
  Candidate: 580.178.04-0ubuntu0.24.04.1
  Version table:
     580.195.01-1ubuntu1 -1
        500 http://m/compute/cuda/repos/ubuntu2404/x86_64  Packages
 *** 580.178.04-0ubuntu0.24.04.1 500
        100 /var/lib/dpkg/status
"""


def test_what_preferences_forbid_is_named_with_what_they_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = FakePrograms(monkeypatch, apt_cache=POLICY)
    found = Apt().forbidden(["a", "b"])
    assert found == {"libnvidia-gpucomp-580": "", "nvidia-modprobe": "580.126.09-0ubuntu1"}
    assert programs.of("apt-cache") == [["policy", "a", "b"]]
    assert Apt().forbidden([]) == {}
