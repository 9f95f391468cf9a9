# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that modules are signed with: made whole, and trusted by the firmware before a driver is replaced."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import secure_boot
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot


@pytest.fixture
def key(tmp_path: Path) -> secure_boot.Key:
    return secure_boot.Key(str(tmp_path / "mok.pub"), str(tmp_path / "mok.key"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("/k is not enrolled\n", "run `mokutil --import /k` on the node and choose a password, reboot, and"),
        ("", "run `mokutil --import /k`"),
        ("/k is already in the enrollment request\n", "The key waits to be enrolled: reboot, and at the console"),
    ],
)
def test_the_way_to_enrol_a_key(answer: str, expected: str) -> None:
    assert expected in secure_boot.way_to_enrol(secure_boot.Key("/k", "/p"), answer)


@pytest.mark.parametrize(
    ("answer", "refused"),
    [("/k is already enrolled\n", False), ("/k is not enrolled\n", True), ("", True)],
)
def test_a_key_has_to_be_enrolled(
    answer: str, refused: bool, key: secure_boot.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(key.certificate).touch()
    monkeypatch.setattr(secure_boot.command, "run", lambda argv: Done(0, answer, ""))
    with pytest.raises(EvenkeelError, match="does not know the key") if refused else nullcontext():
        secure_boot.require_enrolled(key, make=True)


def test_in_check_mode_no_key_is_made_and_the_way_to_enrol_one_is_reported(
    key: secure_boot.Key, tmp_path: Path
) -> None:
    with pytest.raises(EvenkeelError, match=rf"Secure Boot is on.*was not changed.*mokutil --import {key.certificate}"):
        secure_boot.require_enrolled(key, make=False)
    assert list(tmp_path.iterdir()) == []


def _openssl(monkeypatch: pytest.MonkeyPatch, *, room: list[bool]) -> None:
    """Have openssl write both files, or find a full disk."""

    def openssl(argv: list[str], remedy: str) -> None:
        whole = room.pop(0)
        for option in {"-keyout", "-out"}.intersection(argv):
            Path(argv[argv.index(option) + 1]).write_text(f"{option} whole" if whole else "")
        if not whole:
            raise EvenkeelError("No space left on device", remedy)

    monkeypatch.setattr(secure_boot.command, "require", openssl)
    monkeypatch.setattr(secure_boot.command, "run", lambda argv: Done(0, f"{argv[-1]} is already enrolled", ""))


def test_a_key_that_was_cut_short_is_made_anew(
    key: secure_boot.Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _openssl(monkeypatch, room=[False, True])
    with pytest.raises(EvenkeelError, match="No space left"):
        secure_boot.require_enrolled(key, make=True)
    secure_boot.require_enrolled(key, make=True)
    made = {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert made["mok.pub"] == ("-out whole", 0o644)
    assert made["mok.key"][0] == "-keyout whole"
    assert len(made) == 2


def test_a_run_that_ends_between_the_two_files_leaves_no_certificate_without_its_key(
    key: secure_boot.Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    _openssl(monkeypatch, room=[True, True])
    rename = secure_boot.os.replace
    renamed: list[str] = []

    def cut(source: str, target: str) -> None:
        if renamed:
            raise KeyboardInterrupt
        renamed.append(target)
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(secure_boot.os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            secure_boot.require_enrolled(key, make=True)
    assert Path(key.private).exists()
    assert not Path(key.certificate).exists()
    secure_boot.require_enrolled(key, make=True)
    assert Path(key.certificate).read_text() == "-out whole"


def test_a_key_without_its_certificate_is_kept(key: secure_boot.Key, monkeypatch: pytest.MonkeyPatch) -> None:
    # An administrator's, or that of a run that ended early.
    Path(key.private).write_text("theirs")
    _openssl(monkeypatch, room=[True])
    secure_boot.require_enrolled(key, make=True)
    assert Path(key.private).read_text() == "theirs"
    assert Path(key.certificate).read_text() == "-out whole"


def test_openssl_certifies_the_key_that_is_there(key: secure_boot.Key) -> None:
    secure_boot.command.require(["openssl", "genrsa", "-out", key.private, "2048"], "")
    before = Path(key.private).read_bytes()
    secure_boot._make(key)
    assert Path(key.private).read_bytes() == before
    public = ["openssl", "pkey", "-in", key.private, "-pubout"]
    certified = ["openssl", "x509", "-inform", "DER", "-in", key.certificate, "-noout", "-pubkey"]
    assert secure_boot.command.require(certified, "") == secure_boot.command.require(public, "")


def test_the_key_signs_code_and_nobody_else_can_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = secure_boot.Key(str(tmp_path / "dkms" / "mok.pub"), str(tmp_path / "dkms" / "mok.key"))
    asked: list[list[str]] = []

    def openssl(argv: list[str], remedy: str) -> None:
        asked.append(argv)
        Path(key.private + ".new").write_text("private")
        Path(key.certificate + ".new").write_text("certificate")

    def mokutil(argv: list[str]) -> Done:
        asked.append(argv)
        return Done(0, "", f"{key.certificate} is already enrolled\n")

    monkeypatch.setattr(secure_boot.command, "require", openssl)
    monkeypatch.setattr(secure_boot.command, "run", mokutil)
    mask = secure_boot.os.umask(0o022)
    try:
        secure_boot.require_enrolled(key, make=True)
        assert secure_boot.os.umask(0o022) == 0o022
    finally:
        secure_boot.os.umask(mask)
    made, tested = asked
    assert made[:10] == ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "36500", "-subj"]
    assert made[10:13] == [
        "/CN=DKMS module signing key/",
        "-addext",
        "extendedKeyUsage=codeSigning,1.3.6.1.4.1.2312.16.1.2",
    ]
    assert made[13:] == ["-outform", "DER", "-keyout", f"{key.private}.new", "-out", f"{key.certificate}.new"]
    assert tested == ["mokutil", "--test-key", key.certificate]
    assert Path(key.private).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "dkms").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("release", "files", "expected"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", {}, secure_boot.UBUNTU),
        ("ID=debian\n", {}, secure_boot.OTHERS),
        ('ID="rocky"\n', {}, secure_boot.OTHERS),
        ("ID=ubuntu\n", {"framework.conf": "mok_certificate=/c\n"}, secure_boot.UBUNTU),
        ("ID=debian\n", {"framework.conf": "mok_certificate=/c\n"}, secure_boot.Key("/c", "/var/lib/dkms/mok.key")),
        ("ID=ubuntu\n", {"framework.conf": "# mok_signing_key=/no\n"}, secure_boot.UBUNTU),
        (
            "ID=ubuntu\n",
            {"framework.conf": "mok_signing_key=/no\n", "framework.conf.d/a.conf": 'mok_signing_key="/k"\n'},
            secure_boot.Key("/var/lib/dkms/mok.pub", "/k"),
        ),
        (
            "ID=debian\n",
            {"framework.conf.d/a.conf": "mok_certificate=/c\nmok_signing_key=pkcs11:x\n"},
            secure_boot.Key("/c", "pkcs11:x"),
        ),
        ("ID=debian\n", {"framework.conf.d/a": "mok_signing_key=/k\n"}, secure_boot.OTHERS),
    ],
)
@pytest.mark.parametrize("shim", [False, True])
def test_the_key_is_where_dkms_looks_for_it(
    release: str, files: dict[str, str], shim: bool, expected: secure_boot.Key, tmp_path: Path
) -> None:
    for name, text in {"os-release": release, **{f"dkms/{name}": text for name, text in files.items()}}.items():
        path = tmp_path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if shim:  # Debian's package of the same name has the folder too
        (tmp_path / "var/lib/shim-signed").mkdir(parents=True)
    assert secure_boot.key_of_node(Sysroot(str(tmp_path))) == expected


def test_a_key_on_a_token_is_not_made(tmp_path: Path) -> None:
    key = secure_boot.Key(str(tmp_path / "c"), "pkcs11:token=x")
    with pytest.raises(EvenkeelError, match="does not know the key"):
        secure_boot.require_enrolled(key, make=True)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_waits_is_reported_with_what_to_do_at_the_console() -> None:
    way = secure_boot.way_to_enrol(secure_boot.Key("/k", "/p"), "/k is already in the enrollment request\n")
    console = "reboot, and at the console choose Enroll MOK and give the password; then run again"
    assert way == f"The key waits to be enrolled: {console}"
