# SPDX-License-Identifier: GPL-3.0-or-later
# Kept by Evenkeel (role jupyter); changes made here are replaced by the next run.
"""The configuration that every notebook server of the node reads last: its own settings and authentication."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import PasswordIdentityProvider, User
from jupyter_server.auth.login import LoginFormHandler
from jupyter_server.base.handlers import JupyterHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import Finish, HTTPError
from traitlets import List, Unicode
from traitlets.config import Config, get_config

FOLDER = Path(os.environ["EVENKEEL_JUPYTER"])
SECONDS_MORE_FOR_EACH = 0.25
MOST_SECONDS = 5.0

# Passwords are compared one at a time, in a thread of their own, so a flood of them does not block the server.
comparing = ThreadPoolExecutor(max_workers=1)


class PatientLoginHandler(LoginFormHandler):
    """Delays answers to wrong passwords, longer after each; a right one is answered at once."""

    failures = 0

    @allow_unauthenticated
    async def post(self) -> None:
        """Log in a user with the right password."""
        provider, loop = self.identity_provider, asyncio.get_running_loop()
        user = self.current_user = await loop.run_in_executor(comparing, provider.process_login_form, self)
        if user is None:
            PatientLoginHandler.failures += 1
            self.log.warning("Wrong password, number %d since the last right one", PatientLoginHandler.failures)
            await asyncio.sleep(min(MOST_SECONDS, SECONDS_MORE_FOR_EACH * PatientLoginHandler.failures))
            self.set_status(401)
            self._render(message={"error": "Wrong password or token"})
            return
        PatientLoginHandler.failures = 0
        provider.set_login_cookie(self, user)
        self._redirect_safe(self.get_argument("next", default=self.base_url))


class NodeKernelSpecManager(KernelSpecManager):
    """The kernels of the node and of the user, without one of the server's own environment."""

    ensure_native_kernel = False
    launcher = List(Unicode(), config=True, help="The beginning of the call that starts a kernel in its environment.")

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a kernel; a user's own of a conda environment is activated as the node's are."""
        spec = super().get_kernel_spec(kernel_name)
        prefix = environment_of(spec.argv)
        if prefix and self.launcher and Path(self.launcher[0]).exists():
            spec.argv = [sys.executable, "-I", "-S", *self.launcher, prefix, ",".join(spec.env), *spec.argv]
        return spec

    def _kernel_dirs_default(self) -> list[str]:
        return [folder for folder in super()._kernel_dirs_default() if not folder.startswith(f"{sys.prefix}/")]


class NodeIdentityProvider(PasswordIdentityProvider):
    """The token and the password of the node's own files."""

    hosts = List(Unicode(), config=True, help="Hosts it answers for beside the loopback's; any if there are none.")
    own_hosts = List(Unicode(), config=True, help="Those that browsers reach over TLS and that no other server has.")

    async def get_user(self, handler: JupyterHandler) -> User | None:
        """Return the request's user; redirect a browser with a token in the address to the address without it."""
        host = host_of(handler.request)
        if self.hosts and host not in self.hosts and not is_loopback(host):
            handler.current_user = handler._jupyter_current_user = None
            raise HTTPError(403, "Not a host of this server: %s", host)
        user = await super().get_user(handler)
        if is_visit(handler.request, f"{handler.base_url}api/") and "token" in handler.request.query_arguments:
            send_on(handler)
        return user

    def get_cookie_name(self, handler: JupyterHandler) -> str:
        """Return a cookie name that no page of another host can set, if the server has its own host name."""
        return "__Host-notebook" if self._owns_host(handler) else super().get_cookie_name(handler)

    def set_login_cookie(self, handler: JupyterHandler, user: User) -> None:
        """Set the login cookie."""
        handler.set_secure_cookie(self.get_cookie_name(handler), self.user_to_cookie(user), **self._cookie(handler))

    def clear_login_cookie(self, handler: JupyterHandler) -> None:
        """Clear the login cookie."""
        handler.clear_cookie(self.get_cookie_name(handler), **self._cookie(handler))

    def _cookie(self, handler: JupyterHandler) -> dict[str, Any]:
        own = self._owns_host(handler)
        return {
            "path": "/" if own else handler.base_url,
            "secure": own or handler.request.protocol == "https",
            "httponly": True,
            "samesite": "Strict",
        }

    def _owns_host(self, handler: JupyterHandler) -> bool:
        return host_of(handler.request) in self.own_hosts


def environment_of(argv: list[str]) -> str | None:
    """Return the conda environment that contains a kernel's program."""
    for folder in Path(*argv[:1]).parents:
        with suppress(OSError):
            if (folder / "conda-meta" / "history").is_file():
                return str(folder)
    return None


def host_of(request: HTTPServerRequest) -> str:
    """Return the requested host, without port and brackets; empty if it is invalid."""
    with suppress(ValueError):
        return urlsplit(f"//{request.host}").hostname or ""
    return ""


def is_loopback(host: str) -> bool:
    """Return whether a host is a name or an address of this machine's loopback."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def is_visit(request: HTTPServerRequest, api: str) -> bool:
    """Return whether a browser navigates to a page, in contrast to a request of a program or script."""
    if request.method != "GET" or "Upgrade" in request.headers or request.path.startswith(api):
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else "text/html" in request.headers.get("Accept", "")


def without_token(uri: str) -> str:
    """Return the path and the query of an address on this host, the query without a token."""
    path, _unused, query = uri.partition("?")
    left = "&".join(part for part in query.split("&") if unquote(part.partition("=")[0]) != "token")
    path = "/" + path.lstrip("/\\")
    return f"{path}?{left}" if left else path


def send_on(handler: JupyterHandler) -> None:
    """Redirect the browser to the address without the token, which it no longer needs if the token was right."""
    url = without_token(handler.request.uri)
    handler.set_header("Cache-Control", "no-store")
    handler.set_header("Referrer-Policy", "no-referrer")
    if handler.request.headers.get("Sec-Fetch-Site") in ("none", "same-origin", "same-site"):
        handler.redirect(url)
    else:
        # After a link on another site, browsers omit strict cookies on redirects; this page sends a request of its own.
        handler.set_header("Refresh", f"0; url={url}")
    raise Finish


def masking(secrets: set[str]) -> Callable[..., logging.LogRecord]:
    """Return a factory of log records that masks secrets in every record."""
    make = logging.getLogRecordFactory()

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        with suppress(TypeError, ValueError, KeyError):
            text = made.getMessage()
            for secret in secrets:
                text = text.replace(secret, "[secret]")
            if text != made.getMessage():
                made.msg, made.args = text, ()
        return made

    return record


c = get_config()
c.ServerApp.kernel_spec_manager_class = NodeKernelSpecManager
c.merge(Config(json.loads((FOLDER / "settings.json").read_text())))
c.ServerApp.identity_provider_class = NodeIdentityProvider
# Set under the class's own name, so that no file of the user can override it.
c.NodeIdentityProvider.login_handler_class = PatientLoginHandler
c.NodeIdentityProvider.allow_password_change = False
token = c.NodeIdentityProvider.token = (FOLDER / "token").read_text()
if token:
    logging.setLogRecordFactory(masking({token, quote(token, safe="")}))
c.ServerApp.tornado_settings.setdefault("xsrf_cookie_kwargs", {"path": c.ServerApp.base_url, "samesite": "Strict"})
password = FOLDER / "password"
c.NodeIdentityProvider.hashed_password = password.read_text() if password.exists() else ""
