# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The configuration of nginx for a full copy: files as they lie there, on the paths of the cache, and no upstream."""

from __future__ import annotations

from collections.abc import Mapping

#: Below the folder of a copy; see ``_site_copy.store``.
TREE = "current/tree"

_CONFIGURATION = r"""%(mark)s
# The package mirror: exactly the files of a copy, and no upstream.

# A page of a package index comes in the form that is asked for.
map $http_accept $evenkeel_page {
    default index.html;
    "~application/vnd\.pypi\.simple\.v1\+json" index.json;
}
# What is not there is as if a cache without an upstream had missed it.
map $status $evenkeel_had {
    default MISS;
    "~^[23]" HIT;
}
%(realm)s
log_format evenkeel_client 'client $remote_addr $remote_user [$time_iso8601] "$request_method $uri" $status '
    '$body_bytes_sent $evenkeel_had $request_time "$http_user_agent"';

server {
%(listen)s    server_name _;
    server_tokens off;
%(tls)s    access_log %(log)s evenkeel_client;
    error_log %(errors)s warn;

    root %(root)s;
    absolute_redirect off;
    sendfile on;
    tcp_nopush on;
    gzip off;
    client_max_body_size 1k;
    default_type application/octet-stream;

    if ($request_method !~ "^(?:GET|HEAD)$") {
        return 405;
    }
    location = %(health_path)s {
        access_log off;
        allow all;
        auth_basic off;
        default_type text/plain;
        return 200 "%(health)s\n";
    }
    location = / {
        default_type text/plain;
        return 200 "%(front)s";
    }
    location ~ "^/pypi/simple/(?:[^/]+/)?$" {
        types {
            text/html html;
            application/vnd.pypi.simple.v1+json json;
        }
        add_header Vary Accept;
        try_files $uri$evenkeel_page =404;
    }
}
"""


def render(values: Mapping[str, object], copy: str) -> str:
    """Return the configuration.

    Parameters
    ----------
    values
        As the blocks of the cache have them.
    copy
        The folder of the copy.
    """
    return _CONFIGURATION % {**values, "root": "%s/%s" % (copy, TREE)}
