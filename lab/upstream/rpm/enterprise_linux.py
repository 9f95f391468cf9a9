# SPDX-License-Identifier: GPL-3.0-or-later
"""The distributor's own repositories of Rocky Linux 8, 9 and 10, as stand-ins: names that others depend on.

Their kernels exist in the lab alone. Modules are built for them by a real compiler, against headers with a few
declarations, so that what a kernel no longer has is an error there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lab import cache, locks, paths, process
from lab.upstream import signing_keys
from lab.upstream.nvidia import repositories as nvidia_repositories
from lab.upstream.nvidia.driver import STANDINS
from lab.upstream.os_package import OsPackage
from lab.upstream.rpm import rpm_repository
from lab.upstream.signing_keys import Key

if TYPE_CHECKING:
    from rich.progress import Progress

KEY = Key("rocky")
KEY_FILE = "RPM-GPG-KEY-Rocky"
#: Names without content: what they stand for is in the node's image, or is not needed there.
_EMPTY = (
    "dkms",
    "dnf-automatic",
    "dnf-plugins-core",
    "dracut",
    "elfutils-libelf-devel",
    "gcc",
    "grubby",
    "infiniband-diags",
    "kmod",
    "make",
    "mokutil",
    "openssl",
    "pciutils",
    "python3-dnf-plugin-versionlock",
)
#: The setting that makes dnf keep older versions beside newer ones.
_SIDE_BY_SIDE = "installonlypkg(kernel)"
_HEADERS = STANDINS / "kernel"
_NGINX = paths.DEBIAN / "pool" / "main" / "n" / "nginx"


_NGINX_UNIT = """\
[Unit]
Description=The nginx HTTP and reverse proxy server
After=network-online.target remote-fs.target nss-lookup.target

[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStartPre=/usr/bin/rm -f /run/nginx.pid
ExecStartPre=/usr/sbin/nginx -t
ExecStart=/usr/sbin/nginx
ExecReload=/usr/sbin/nginx -s reload
KillSignal=SIGQUIT
TimeoutStopSec=5
KillMode=process
PrivateTmp=true

[Install]
WantedBy=multi-user.target
"""
_NGINX_CONF = """\
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log;
pid /run/nginx.pid;
include /usr/share/nginx/modules/*.conf;
events {
    worker_connections 1024;
}
http {
    access_log /var/log/nginx/access.log combined;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 65;
    types_hash_max_size 4096;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    include /etc/nginx/conf.d/*.conf;
    server {
        listen 80;
        listen [::]:80;
        server_name _;
        root /usr/share/nginx/html;
        include /etc/nginx/default.d/*.conf;
    }
}
"""


@dataclass(frozen=True)
class Release:
    """A release of the distribution and the kernels that it has had."""

    major: str
    kernels: tuple[str, ...]

    @property
    def dist(self) -> str:
        """The tag in its packages' releases."""
        return f"el{self.major}"


RELEASES = (
    Release("8", ("4.18.0-553.16.1.el8_10", "4.18.0-553.58.1.el8_10")),
    Release("9", ("5.14.0-570.12.1.el9_6", "5.14.0-611.5.1.el9_7")),
    Release("10", ("6.12.0-55.9.1.el10_0", "6.12.0-124.8.1.el10_1")),
)


def build(progress: Progress) -> None:
    """Build the repositories where the recipes or the key have changed."""
    with locks.held("rocky"):
        recipes = [Path(__file__), *nvidia_repositories.sources(), *sorted(_HEADERS.iterdir())]
        content_key = cache.key(*recipes, _debians("nginx"), signing_keys.ensure(KEY).armored)
        if cache.published(paths.ROCKY) != content_key:
            stage = cache.staging(paths.ROCKY)
            for release in progress.track(RELEASES, description="Rocky Linux's repositories"):
                folder = stage / release.major / "BaseOS" / "x86_64" / "os"
                rpm_repository.write(folder, packages(release), KEY)
            (stage / KEY_FILE).write_text(KEY.armored)
            cache.publish(stage, paths.ROCKY, content_key)


def packages(release: Release) -> list[OsPackage]:
    """Return the packages of a release."""
    shell = ("/bin/sh", "/usr/bin/sh", "/sbin/ldconfig")
    made = [OsPackage("bash", f"5.2-1.{release.dist}", "x86_64", "bash", provides=shell)]
    made += [OsPackage(name, f"1.0-1.{release.dist}", "noarch", name) for name in _EMPTY]
    authorities = {"etc/pki/tls/certs/ca-bundle.crt": "/etc/ssl/certs/ca-certificates.crt"}
    made += [OsPackage("ca-certificates", f"2025.1-1.{release.dist}", "noarch", "authorities", links=authorities)]
    return [*made, _nginx(release), *(package for kernel in release.kernels for package in _kernel(kernel))]


def _nginx(release: Release) -> OsPackage:
    """Return Debian's nginx, which the nodes' libraries fit, laid out as the distribution's."""
    program = _debians("nginx")
    return OsPackage(
        "nginx",
        f"1:{program.name.split('_')[1].partition('-')[0]}-1.{release.dist}",
        "x86_64",
        "nginx",
        files={
            "usr/sbin/nginx": _file_of(program, "usr/sbin/nginx"),
            "usr/lib/systemd/system/nginx.service": _NGINX_UNIT,
            "etc/nginx/nginx.conf": _NGINX_CONF,
            "etc/nginx/mime.types": _file_of(_debians("nginx-common"), "etc/nginx/mime.types"),
        },
        scripts={
            "pre": "getent passwd nginx >/dev/null || useradd -r -d /var/lib/nginx -s /sbin/nologin nginx\n",
            "post": "chmod 0755 /usr/sbin/nginx\n"
            "mkdir -p /etc/nginx/conf.d /etc/nginx/default.d /usr/share/nginx/html /var/lib/nginx /var/log/nginx\n"
            "systemctl daemon-reload\n",
        },
    )


def _debians(name: str) -> Path:
    """Return Debian's package for the release that the nodes are underneath; the archive has been built before."""
    return max(_NGINX.glob(f"{name}_*+deb12u*.deb"))


def _file_of(package: Path, path: str) -> bytes:
    with TemporaryDirectory(prefix="evenkeel-rpm-") as folder:
        process.run(["dpkg-deb", "--extract", package, folder], remedy="apt-get install dpkg")
        return Path(folder, path).read_bytes()


def _kernel(kernel: str) -> list[OsPackage]:
    uname = f"{kernel}.x86_64"
    modules, tree = f"usr/lib/modules/{uname}", f"usr/src/kernels/{uname}"
    headers = {
        f"{tree}/{name}": path.read_text().replace("@KERNEL@", uname)
        for path in sorted(_HEADERS.iterdir())
        for name in [path.name if path.name == "Makefile" else f"include/linux/{path.name}"]
    }
    image = f"Linux {uname}, of Evenkeel's lab\n"
    return [
        OsPackage(
            "kernel",
            kernel,
            "x86_64",
            "kernel",
            depends=(f"kernel-core = {kernel}",),
            provides=(_SIDE_BY_SIDE,),
        ),
        OsPackage(
            "kernel-core",
            kernel,
            "x86_64",
            "kernel",
            provides=(_SIDE_BY_SIDE, f"kernel-core-uname-r = {uname}", f"kernel-modules = {kernel}"),
            files={
                f"boot/vmlinuz-{uname}": image,
                f"{modules}/vmlinuz": image,
                f"{modules}/modules.order": "",
                f"{modules}/modules.builtin": "",
            },
            links={f"{modules}/build": f"/{tree}"},
            scripts={"posttrans": f"depmod {uname} || :\n"},
        ),
        OsPackage(
            "kernel-devel",
            kernel,
            "x86_64",
            "kernel's headers for modules",
            provides=(_SIDE_BY_SIDE, f"kernel-devel-uname-r = {uname}"),
            files=headers,
        ),
        OsPackage("kernel-headers", kernel, "x86_64", "kernel's headers for programs"),
    ]
