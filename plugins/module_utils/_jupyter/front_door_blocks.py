# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The front door's configuration of nginx, block by block, with ``%(name)s`` in place of values.

nginx 1.14 of Enterprise Linux 8 has to understand all of it. Values come from ``front_door_nginx``, which escapes them.
"""

from __future__ import annotations

MAPS = r"""%(mark)s
# JupyterLab behind TLS. What is asked of another name, or of a path that is nobody's, is not found.

map $http_upgrade $evenkeel_connection {
    default upgrade;
    "" "";
}

# Only attempts to log in are counted.
map $request_method $evenkeel_login {
    default "";
    POST $binary_remote_addr;
}
limit_req_zone $evenkeel_login zone=evenkeel_login:1m rate=%(logins)dr/m;

# Whose page asks, by Origin and by Sec-Fetch-Site: one of the same host's, one of somewhere else, or no page, as with
# an address that was typed and with programs. Hosts of other users are same-site, and somewhere else.
map "$http_host $http_origin" $evenkeel_origin {
    default foreign;
    "~^\S* $" none;
    "~^(\S+) https://\1$" own;
%(origins)s}
map $http_sec_fetch_site $evenkeel_site {
    default foreign;
    same-origin own;
    none none;
    "" none;
}
map "$request_method:$http_upgrade" $evenkeel_kind {
    default acting;
    "~^(?:GET|HEAD|OPTIONS):$" reading;
}
map "$http_authorization$arg_token" $evenkeel_secret {
    default brought;
    "" none;
}
# Only programs act without saying whose page asks; they have no cookies to be abused, and bring a token.
map "$evenkeel_kind $evenkeel_origin $evenkeel_site $evenkeel_secret" $evenkeel_refused {
    default 1;
    "~^\w+ allowed " 0;
    "~^\w+ own (?:own|none) " 0;
    "~^reading none (?:own|none) " 0;
    "acting none none brought" 0;
}

map $upstream_http_referrer_policy $evenkeel_referrer_policy {
    default same-origin;
    no-referrer "";
}

# Queries hold tokens. nginx's log of errors has whole requests, so it has none of these; the status of the server that
# was asked is in the log of accesses.
map $request_uri $evenkeel_path {
    default "";
    "~*^(?<evenkeel_requested>(?:(?!%%3f)[^?])*)" $evenkeel_requested;
}
map $http_referer $evenkeel_referrer {
    default "";
    "~*^(?<evenkeel_referring>(?:(?!%%3f)[^?])*)" $evenkeel_referring;
}
log_format evenkeel '$remote_addr - - [$time_local] "$request_method $evenkeel_path $server_protocol" $status '
    '$body_bytes_sent "$evenkeel_referrer" "$http_user_agent" $host $upstream_addr $upstream_status $request_time';
"""

LOGS = """\
    server_tokens off;
    access_log /var/log/nginx/access.log evenkeel;
    error_log /var/log/nginx/error.log emerg;
"""

TLS = """\
    ssl_certificate %(certificate)s;
    ssl_certificate_key %(key)s;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:evenkeel:1m;
    ssl_session_tickets off;

    location = %(health_path)s {
        default_type text/plain;
        return 200 "%(health)s\\n";
    }
"""

NOBODYS = """
server {
%(listen)s    server_name _;
%(logs)s%(tls)s
    location / {
        return 404;
    }
}
"""

PLAIN = """
server {
%(listen)s    server_name %(names)s;
%(logs)s    return 301 https://$host%(port)s$request_uri;
}
"""

SITE = """
server {
%(listen)s    server_name %(names)s;
%(logs)s%(tls)s
    if ($evenkeel_refused) {
        return 403;
    }
    error_page 403 @evenkeel_refused;
    location @evenkeel_refused {
        default_type text/html;
        return 403 "%(refused)s";
    }

%(hsts)s    add_header Content-Security-Policy "frame-ancestors 'self'" always;
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy $evenkeel_referrer_policy always;
    add_header Cross-Origin-Opener-Policy same-origin always;
    add_header Cross-Origin-Resource-Policy same-origin always;
    add_header Origin-Agent-Cluster ?1 always;
    proxy_hide_header X-Content-Type-Options;
    proxy_hide_header Cross-Origin-Opener-Policy;
    proxy_hide_header Cross-Origin-Resource-Policy;
    proxy_hide_header Origin-Agent-Cluster;
    proxy_hide_header Strict-Transport-Security;
    # It would log people out of other hosts.
    proxy_hide_header Clear-Site-Data;
    # Every cookie that names a path, as all of Jupyter's do.
    proxy_cookie_path "~^(.*)$" "$1; Secure; SameSite=Strict";

    absolute_redirect off;
    client_max_body_size %(max_body)dm;
    limit_req_status 429;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_read_timeout %(timeout)ds;
    proxy_send_timeout %(timeout)ds;
    # Of what a client says of itself none goes on.
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $evenkeel_connection;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Scheme https;
    proxy_set_header Forwarded "";
    proxy_set_header X-Forwarded-Port "";
    proxy_set_header X-Forwarded-Prefix "";
    proxy_set_header X-Forwarded-Server "";
    proxy_set_header X-Forwarded-Ssl "";
    proxy_set_header Proxy "";

    error_page 502 504 @evenkeel_silent;
    location @evenkeel_silent {
        default_type text/plain;
        return 502 "This notebook server does not answer. It may be starting: try again, or ask your operator.\\n";
    }
%(locations)s}
"""

# The path without the query; there is nothing of the request in it.
REFUSED = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Not from there</title>"
    "<p>A page of another site led here, and such pages may not use a notebook server."
    "<p>If you want to go there: <a href='?'>open it yourself</a>."
    "<p>Programs send their token: <code>Authorization: token ...</code>"
)

FRONT = """
    location / {
        default_type text/plain;
        return 404 "%(where)s\\n";
    }
    location = / {
        default_type text/plain;
        return 200 "%(where)s\\n";
    }
"""

OWN = """
    location / {
        return 404;
    }
    location = / {
        return 302 %(path)s;
    }
"""

SERVER = """
    location %(path)s {
        proxy_pass %(upstream)s;
    }
    location = %(login)s {
        limit_req zone=evenkeel_login burst=5 nodelay;
        proxy_pass %(upstream)s;
    }
"""
