# SPDX-License-Identifier: GPL-3.0-or-later
# Kept by Evenkeel (role jupyter); changes made here are replaced by the next run.
"""What every notebook server of the node reads last: its own settings, and who gets in."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.auth.login import LoginFormHandler
from traitlets.config import Config, get_config

FOLDER = Path(os.environ["EVENKEEL_JUPYTER"])
SECONDS_MORE_FOR_EACH = 0.25
MOST_SECONDS = 5.0

# Passwords are compared one at a time, beside the server's own thread: a flood of them slows down neither.
comparing = ThreadPoolExecutor(max_workers=1)


class PatientLoginHandler(LoginFormHandler):
    """Answers wrong passwords the later the more there have been; a right one is never kept waiting."""

    failures = 0

    @allow_unauthenticated
    async def post(self) -> None:
        """Log in whoever knows the password."""
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
    """The kernels of the node and of the user; the server's own environment is not there to compute in."""

    ensure_native_kernel = False

    def _kernel_dirs_default(self) -> list[str]:
        return [folder for folder in super()._kernel_dirs_default() if not folder.startswith(f"{sys.prefix}/")]


class NodeIdentityProvider(PasswordIdentityProvider):
    """The token and the password of the node's own files."""


c = get_config()
c.ServerApp.kernel_spec_manager_class = NodeKernelSpecManager
c.merge(Config(json.loads((FOLDER / "settings.json").read_text())))
c.ServerApp.identity_provider_class = NodeIdentityProvider
# Under the class's own name no file of the user's can say otherwise.
c.NodeIdentityProvider.login_handler_class = PatientLoginHandler
c.NodeIdentityProvider.allow_password_change = False
c.NodeIdentityProvider.token = (FOLDER / "token").read_text()
password = FOLDER / "password"
c.NodeIdentityProvider.hashed_password = password.read_text() if password.exists() else ""
