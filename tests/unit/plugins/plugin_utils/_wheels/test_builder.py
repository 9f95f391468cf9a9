# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of tiny projects, with this machine's Python in the place of a lock's."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels import sandbox
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.wheel_build import cache
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build, SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import (
    builder,
    interpreter,
    result,
    source_tree,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHosts, Host
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import Policy, building
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import Store, made_of

from ..package_site import PASSWORD, USER, Site
from .conftest import require_namespaces
from .projects import project, write

HERE = builder.this_platform()
ELSEWHERE = next(one for one in ("linux-64", "linux-aarch64") if one != HERE)
NODE = Target(platform.python_version(), HERE, "2.99" if HERE else "")
MINOR = "".join(platform.python_version_tuple()[:2])
NATIVE = f"cp{MINOR}-cp{MINOR}-linux_{platform.machine()}"
#: Compiles a library into the wheel.
COMPILE = """
import os, subprocess
os.makedirs("content")
with open("a.c", "w") as stream:
    stream.write('#include <stdio.h>\\nvoid f(void) { printf("%s", __FILE__); }\\n')
subprocess.run(["gcc", "-shared", "-fPIC", "-o", "content/native.so", os.path.abspath("a.c")], check=True)
"""

Archive = Callable[..., SourceRelease]


def no_host(name: str) -> Host:
    """Fail, since a build on the control node asks no other host."""
    raise AssertionError(name)


class Control:
    """A control node that builds into a store of its own."""

    def __init__(self, directory: Path) -> None:
        self.places: dict[str, str] = {}
        self.policy = Policy(Store(directory / "environment" / "wheels"), BuildHosts("", [HERE, ELSEWHERE], no_host))

    @contextmanager
    def building(self, **target: str) -> Iterator[Build]:
        with building(self.policy, replace(NODE, **target), (), Mirrors(), self.places) as build:
            yield build

    def build(self, release: SourceRelease, **target: str) -> Path:
        with self.building(**target) as build:
            return build(release)


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    """Return a control node whose Python plays the lock's."""
    require_namespaces()
    own = interpreter.of_control_node()
    monkeypatch.setattr(interpreter, "linked", lambda *_unused: replace(own, of_lock=True))
    return Control(tmp_path)


def test_a_wheel_is_built_once_and_kept_with_how_it_was_made(control: Control, archive: Archive) -> None:
    release = archive()
    wheel = control.build(release)
    made = made_of(wheel)
    assert made
    assert wheel == control.policy.store.directory / made.key / "tool-1.0-py3-none-any.whl"
    assert (made.name, made.version, made.source, made.source_sha256) == ("tool", "1.0", release.url, release.sha256)
    assert (made.backend, made.requirements, made.platform) == ("backend", (), "any")
    assert made.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    Path(release.url.removeprefix("file://")).unlink()
    assert control.build(release) == wheel


def test_a_wheel_that_another_run_has_built_meanwhile_is_taken(
    control: Control, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, second, others = archive(), archive("second"), []
    before, work = builder.held, builder._Work

    @contextmanager
    def held(_path: str, _seconds: float) -> Iterator[None]:
        monkeypatch.setattr(builder, "held", before)
        others.append(control.build(release))
        monkeypatch.setattr(builder, "_Work", None)  # nothing can be built
        yield

    monkeypatch.setattr(builder, "held", held)
    with control.building() as build:
        assert build(release) == others[0]
        monkeypatch.setattr(builder, "_Work", work)
        monkeypatch.setattr(builder, "held", None)  # it is held already
        assert build(second).is_file()


def test_a_wheel_of_the_store_is_verified(control: Control, archive: Archive) -> None:
    release = archive()
    wheel = control.build(release)
    wheel.write_bytes(b"planted")
    record = wheel.with_name("build.json")
    planted = {"sha256": hashlib.sha256(b"planted").hexdigest()}
    record.write_text(json.dumps(json.loads(record.read_text()) | planted))
    with pytest.raises(EvenkeelError, match="can't be used: malformed archive") as refused:
        control.build(release)
    assert refused.value.remedy == f"Restore it from version control, or remove {wheel.parent} and lock again"


def test_a_wheel_that_is_refused_is_not_kept(control: Control, archive: Archive) -> None:
    backend = project()["backend.py"].replace("Version: 2.1", "Version: 2.1\\nRequires-Dist: a b c")
    with pytest.raises(EvenkeelError, match="can't be used: line 2 of its METADATA, 'Requires-Dist: a b c'"):
        control.build(archive(**{"backend.py": backend}))
    assert not control.policy.store.directory.exists()


def test_others_cannot_enter_where_builds_run(control: Control, archive: Archive) -> None:
    cache().mkdir(parents=True, mode=0o755)
    control.build(archive())
    assert cache().stat().st_mode & 0o777 == 0o700


def test_a_full_disk_is_named(control: Control, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_unused: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/file")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(EvenkeelError, match=r"/cache/file: No space left.*Free some space .* XDG_CACHE_HOME"):
        control.build(archive())


def test_a_build_leaves_nothing_but_its_wheel(control: Control, archive: Archive) -> None:
    control.build(archive())
    assert [path for path in cache().rglob("*") if path.is_file() and "locks" not in path.parts] == []


def test_the_same_source_gives_the_same_wheel(control: Control, archive: Archive, tmp_path: Path) -> None:
    during = "import os, time\nos.makedirs('content')\nopen('content/seen', 'w').write(f'{os.environ} {os.getcwd()}')"
    release = archive(during=during)
    first = control.build(release).read_bytes()
    shutil.rmtree(control.policy.store.directory)
    assert control.build(release).read_bytes() == first


def test_a_build_sees_no_credentials_and_fixed_settings(
    control: Control, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine git.example login me password secret")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("UV_INDEX_PASSWORD", "secret")
    during = (
        "import json, os\nos.makedirs('content')\n"
        f"seen = {{'netrc': os.path.exists({str(home / '.netrc')!r}), 'umask': os.umask(0), 'env': dict(os.environ)}}\n"
        "json.dump(seen, open('content/seen.json', 'w'))"
    )
    with zipfile.ZipFile(control.build(archive(during=during))) as found:
        seen: dict[str, Any] = json.loads(found.read("seen.json"))
    assert not seen["netrc"]
    assert seen["umask"] == 0o022
    assert "secret" not in json.dumps(seen["env"])
    assert {"LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "315532800", "PYTHONHASHSEED": "0"}.items() <= seen["env"].items()
    assert seen["env"]["HOME"].startswith(str(cache()))


def test_build_requirements_are_recorded_and_their_scripts_are_found(
    control: Control, archive: Archive, tmp_path: Path, make_wheel: Callable[..., Path], index: Callable[[], str]
) -> None:
    helper = make_wheel(tmp_path / "wheels", "helper", "1.0")
    more = make_wheel(tmp_path / "wheels", "more", "2.0")
    control.places = {"UV_DEFAULT_INDEX": index()}
    pyproject = '[build-system]\nrequires = ["helper"]\nbuild-backend = "also"\nbackend-path = ["."]\n'
    also = "from backend import *\ndef get_requires_for_build_wheel(settings=None): return ['more>=2']\n"
    during = "from importlib.metadata import version\nassert (version('helper'), version('more')) == ('1.0', '2.0')"
    made = made_of(control.build(archive(during=during, **{"pyproject.toml": pyproject, "also.py": also})))
    assert made
    hashes = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (helper, more)]
    assert made.requirements == (f"helper==1.0 --hash=sha256:{hashes[0]}", f"more==2.0 --hash=sha256:{hashes[1]}")


@pytest.mark.parametrize("where", ["sys.prefix", "sys.base_prefix", "os.path.dirname(sys.argv[1])"])
def test_a_build_changes_neither_python_nor_its_environment_nor_what_it_was_given(
    control: Control, archive: Archive, where: str
) -> None:
    during = f"import os, sys\nopen(os.path.join({where}, 'added'), 'w')"
    with pytest.raises(EvenkeelError, match="Read-only file system"):
        control.build(archive(during=during))


def test_a_source_archive_of_a_private_index_is_fetched_and_nothing_shows_the_password(
    control: Control, archive: Archive, site: Site
) -> None:
    release = archive()
    (site.folder / "private").mkdir(parents=True)
    Path(release.url.removeprefix("file://")).rename(site.folder / "private" / "tool-1.0.tar.gz")
    release = replace(release, url=f"{site.url}/private/tool-1.0.tar.gz")
    with pytest.raises(EvenkeelError, match="401"):
        control.build(release)
    control.places = {"UV_INDEX": f"http://{USER}:{PASSWORD}@{site.host}/private/simple http://other.example/simple"}
    wheel = control.build(release)
    assert PASSWORD not in wheel.with_name("build.json").read_text()
    with pytest.raises(EvenkeelError, match="404") as error:
        control.build(replace(release, sha256="ab" * 32, url=f"{site.url}/private/gone.tar.gz"))
    assert PASSWORD not in str(error.value)


def test_what_a_build_lacked_its_last_lines_and_its_log_are_told(control: Control, archive: Archive) -> None:
    with pytest.raises(EvenkeelError) as error:
        control.build(archive(during="import torch"))
    log = cache() / "logs" / f"tool-1.0-{HERE}.log"
    assert str(error.value).startswith(
        "The wheel of tool 1.0 could not be built: it imports torch while it is built, and does not name it among its "
        "build requirements. It printed, at last:\n"
    )
    assert "ModuleNotFoundError: No module named 'torch'. Read all that it printed in " + str(log) in str(error.value)
    assert "Traceback" in log.read_text()
    assert not control.policy.store.directory.exists()


@pytest.mark.parametrize(
    ("during", "message"),
    [
        ("import os; os._exit(5)", r"it ended with status 5\. It printed nothing\. Read all"),
        ("print('x' * 200_000)", "it printed more than 100000 bytes"),
    ],
)
def test_a_build_has_limits(control: Control, archive: Archive, during: str, message: str) -> None:
    control.policy = replace(control.policy, limits=Limits(output_bytes=100_000))
    with pytest.raises(EvenkeelError, match=f"could not be built: {message}"):
        control.build(archive(during=during))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("open(path, 'w').write('[5]')", "left no right answer: "),
        ("open(path, 'w').write(100_000 * '[')", "left no right answer: "),
        ("open(path, 'w').write('{}')", "it made no wheel"),
        ("os.mkfifo(path)", "left no right answer: it is not a regular file"),
        ("open(path, 'w').truncate(3 << 30)", "left no right answer: it has more than 1048576 bytes"),
        ("""open(path, 'w').write('{"wheel": ["a"]}')""", "it made no wheel"),
        ("""open(path, 'w').write('{"wheel": "../wheels/tool.whl"}')""", "it made no wheel"),
        ("""open(path, 'w').write('{"wheel": "%s.whl"}' % ('a' * 300))""", "it made no wheel"),
    ],
    ids=["array", "deep", "empty", "fifo", "sparse", "list", "path", "long"],
)
def test_an_answer_that_the_project_itself_wrote_is_verified(
    control: Control, archive: Archive, answer: str, message: str
) -> None:
    during = f"import os, sys\npath = sys.argv[2]\nif os.path.exists(path): os.unlink(path)\n{answer}\nos._exit(0)"
    control.policy = replace(control.policy, limits=Limits(seconds=60))
    with pytest.raises(EvenkeelError, match=message):
        control.build(archive(during=during))


def test_a_backend_may_change_what_it_was_started_with(control: Control, archive: Archive) -> None:
    assert control.build(archive(during="import os, sys; sys.argv = ['setup.py']; os.chdir('/')"))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("['-e ' + os.getcwd() + '/evil']", r"The build requirement '-e .*/evil' of tool 1\.0 does not name"),
        ("[None]", "The build requirements of tool 1.0 are not a list of texts"),
    ],
)
def test_a_backends_answer_is_checked_before_anything_outside_the_sandbox_reads_it(
    control: Control, archive: Archive, answer: str, message: str
) -> None:
    backend = f"import os\ndef get_requires_for_build_wheel(settings=None): return {answer}\n"
    with pytest.raises(EvenkeelError, match=message):
        control.build(archive(**{"backend.py": backend}))


def test_a_file_of_the_control_node_does_not_come_out_as_a_wheel(
    control: Control, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    backend = (
        "import os\ndef build_wheel(directory, settings=None, metadata=None):\n"
        f"    os.symlink({str(tmp_path / 'secret')!r}, os.path.join(directory, 'tool-1.0-py3-none-any.whl'))\n"
        "    return 'tool-1.0-py3-none-any.whl'\n"
    )
    with pytest.raises(EvenkeelError, match="could not be built: it made no wheel"):
        control.build(archive(**{"backend.py": backend}))


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_a_compiled_wheel_is_of_one_platform_and_the_same_each_time(
    control: Control, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = archive(tag=NATIVE, during=COMPILE)
    wheel = control.build(release)
    made = made_of(wheel)
    assert made
    assert (made.platform, made.wheel) == (HERE, f"tool-1.0-{NATIVE}.whl")
    shutil.rmtree(control.policy.store.directory)
    assert hashlib.sha256(control.build(release).read_bytes()).hexdigest() == made.sha256
    shutil.rmtree(control.policy.store.directory)
    monkeypatch.setattr(result, "needs_of_wheel", lambda _wheel: {"native.so": Needs(platform.machine(), (3, 0))})
    with pytest.raises(EvenkeelError, match=r"needs glibc 3\.0 \(native\.so\), and the oldest .* has 2\.99\."):
        control.build(release)


def test_another_platform_gets_pure_wheels_alone(control: Control, archive: Archive) -> None:
    assert control.build(archive(), platform=ELSEWHERE).name == "tool-1.0-py3-none-any.whl"
    with pytest.raises(EvenkeelError, match=f"with lock_build_host, lock {ELSEWHERE} on such"):
        control.build(archive("other", tag=NATIVE), platform=ELSEWHERE)


def test_a_commit_is_built_as_well(control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_release: SourceRelease, directory: Path) -> Path:
        write(directory / "tree", project(version="3.0"))
        return directory / "tree"

    monkeypatch.setattr(source_tree, "fetch_commit", fetch)
    release = SourceRelease("tool", "", f"git+https://git.example/tool@{'ab' * 20}")
    wheel = control.build(release)
    made = made_of(wheel)
    assert made
    assert (wheel.name, made.source, made.source_sha256) == ("tool-3.0-py3-none-any.whl", release.url, "")
    monkeypatch.delattr(source_tree, "fetch_commit")
    assert control.build(release) == wheel


def test_without_a_sandbox_nothing_is_built_unless_that_is_allowed(
    control: Control, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "lacking", lambda _root: "unshare failed: Operation not permitted")
    with pytest.raises(EvenkeelError) as error:
        control.build(archive())
    assert str(error.value) == (
        "The control node has no sandbox to build wheels in: unshare failed: Operation not permitted. Allow user "
        "namespaces there and install util-linux; or name a host of the inventory that has one with lock_build_host; "
        "or run Ansible as root; or, if what is built may see this user's files and the network, set "
        "lock_build_without_sandbox: true."
    )
    control.policy = replace(control.policy, without_sandbox=True)
    assert control.build(archive(during="import os; assert os.path.exists('/etc/passwd')")).is_file()


def test_a_sandbox_is_used_also_where_none_is_required(control: Control, archive: Archive) -> None:
    control.policy = replace(control.policy, without_sandbox=True)
    assert control.build(archive(during="import os; assert not os.path.exists('/etc/passwd')")).is_file()


def test_several_are_built_with_one_python(control: Control, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    linked: list[object] = []
    before = interpreter.linked
    monkeypatch.setattr(interpreter, "linked", lambda *arguments: linked.append(arguments) or before(*arguments))
    with control.building() as build:
        assert [build(archive(name)).name for name in ("one", "two")] == [
            "one-1.0-py3-none-any.whl",
            "two-1.0-py3-none-any.whl",
        ]
    assert len(linked) == 1
