# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package mirror's configuration of nginx, block by block, with ``%(name)s`` in place of values.

Two servers: one with the cache for clients, and one on loopback that asks upstreams on behalf of the cache. So what is
kept is what the second has made of an answer: redirects followed, links rewritten, and a life by the file's name.
nginx 1.14 of Enterprise Linux 8 has to understand all of it. Values come from ``nginx_config``.
"""

from __future__ import annotations

#: Files of which a name never means another content: packages, and what is named by its hash.
IMMUTABLE = (
    r"(?:\.(?:conda|tar\.bz2|whl|tar\.gz|zip|deb|udeb|ddeb|rpm|drpm|run|dsc|tar\.xz)(?:\.metadata)?"
    r"|/by-hash/\w+/[0-9a-f]{32,128}"
    r"|/repodata/[0-9a-f]{32,128}-[^/]+"
    r"|/[0-9a-f]{64}\.msgpack\.zst"
    r"|/Mini(?:conda|forge)3-[^/]*\d\.\d+\.\d+-\d+-[^/]*\.sh)$"
)
#: What is signed, and names all else of its repository by hash.
SIGNED = r"/(?:InRelease|Release|repodata/repomd\.xml)$"
#: What belongs to one version of a signed file, and is not named by its hash.
BELONGING = r"/dists/.|/(?:Packages|Sources|Contents|Translation|Release\.gpg)[^/]*$|/repodata/[^/]+$"

MAPS = r"""%(mark)s
# The package mirror: a cache before the upstreams that are named below, and before no others.

proxy_cache_path %(cache)s levels=1:2 keys_zone=evenkeel_packages:%(keys)dm max_size=%(size)dg inactive=%(keep)dd
    use_temp_path=off;

# The signed file that a list belongs to: of APT's repositories with suites, of flat ones, of RPM's.
map $uri $evenkeel_signed_by {
    default "";
    "~^(?<evenkeel_suite>/.+/dists/.+)/[^/]+/(?:binary-[^/]+|source|i18n|dep11|cnf)/" $evenkeel_suite/InRelease;
    "~^(?<evenkeel_named>/.+/dists/[^/]+)/" $evenkeel_named/InRelease;
    "~^(?<evenkeel_rpms>/.+/repodata)/[^/]+$" $evenkeel_rpms/repomd.xml;
    "~^(?<evenkeel_flat>/.+)/[^/]+$" $evenkeel_flat/InRelease;
}
# Where a repository has no InRelease.
map $evenkeel_signed_by $evenkeel_signed_apart {
    default "";
    "~^(?<evenkeel_old>.+)/InRelease$" $evenkeel_old/Release;
}
# A page of a package index comes in the form that is asked for.
map $http_accept $evenkeel_form {
    default "text/html";
    "~application/vnd\.pypi\.simple\.v1\+json" "application/vnd.pypi.simple.v1+json";
}
# Of a client that has got a damaged file; it is passed on to caches behind this one, such as that of another mirror.
map $http_cache_control $evenkeel_again {
    default "";
    "~*no-cache" no-cache;
}
# A sign-in page in place of a package is not kept.
map $upstream_http_content_type $evenkeel_page {
    default "";
    "~*^text/html" 1;
}
# What is signed is asked for again each time, by its validators: it is kept for when the upstream is away.
map $uri $evenkeel_life {
    default "";
    "~%(signed)s" "@1";
}
# Where a redirect leads: to another path of the host, beside what was asked for, or to a host that is let through.
map $upstream_http_location $evenkeel_redirected {
    volatile;
    default "";
    "~^/[^/]" $evenkeel_origin$upstream_http_location;
    "~^[^/:?#]+(?:[/?#]|$)" $evenkeel_folder$upstream_http_location;
%(redirects)s}
%(realm)s
log_format evenkeel_client 'client $remote_addr $remote_user [$time_iso8601] "$request_method $uri" $status '
    '$body_bytes_sent $upstream_cache_status $request_time "$http_user_agent"';
log_format evenkeel_upstream 'upstream $proxy_host - [$time_iso8601] "$request_method $uri" $status '
    '$body_bytes_sent - $request_time "$evenkeel_refused"';
"""

CLIENTS = """
server {
%(listen)s    server_name _;
    server_tokens off;
%(tls)s    access_log %(log)s evenkeel_client;
    error_log %(errors)s warn;

    sendfile on;
    tcp_nopush on;
    gzip off;
    client_max_body_size 1k;

    set $evenkeel_full "";
    if (-f %(full)s) {
        set $evenkeel_full 1;
    }
    if ($request_method !~ "^(?:GET|HEAD)$") {
        return 405;
    }

    proxy_http_version 1.1;
    proxy_pass_request_headers off;
    proxy_set_header Cache-Control $evenkeel_again;
    proxy_pass_request_body off;
    proxy_connect_timeout 10s;
    proxy_read_timeout 90s;
    # What can't be kept is not written to a file either.
    proxy_max_temp_file_size 0;

    proxy_cache evenkeel_packages;
    proxy_cache_lock on;
    proxy_cache_lock_timeout 60s;
    proxy_cache_lock_age 60s;
    proxy_cache_revalidate on;
    proxy_cache_bypass $evenkeel_again;
    proxy_no_cache $evenkeel_full $evenkeel_page;
    proxy_cache_use_stale error timeout invalid_header http_500 http_502 http_503 http_504 http_429;
    proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
    proxy_hide_header X-Accel-Expires;
    add_header X-Cache-Status $upstream_cache_status always;

    location = %(health_path)s {
        access_log off;
        allow all;
        auth_basic off;
        default_type text/plain;
        return 200 "%(health)s\\n";
    }
    location = / {
        default_type text/plain;
        return 200 "%(front)s";
    }

    location ~ "%(immutable)s" {
        slice %(slice)s;
        proxy_set_header Cache-Control $evenkeel_again;
        proxy_set_header Range $slice_range;
        proxy_cache_key "$uri $slice_range";
        proxy_cache_valid 200 206 %(keep)dd;
        proxy_pass http://%(inner)s;
    }

    location ~ "%(signed)s" {
        proxy_cache_key "$uri";
        proxy_cache_valid 200 1s;
        proxy_intercept_errors on;
        error_page 429 500 502 503 504 = @evenkeel_kept;
        proxy_pass http://%(inner)s;
    }
    # dnf always asks past caches for what is signed, also while the upstream is away.
    location @evenkeel_kept {
        proxy_cache_bypass 0;
        proxy_cache_key "$uri";
        proxy_cache_valid 200 1s;
        proxy_pass http://%(inner)s;
    }

    # Kept for one version of what is signed alone: a list never comes with the signature of another.
    location ~ "%(belonging)s" {
        set $evenkeel_signature $evenkeel_signed_by;
        set $evenkeel_release $evenkeel_signed_apart;
        auth_request /evenkeel/signature;
        auth_request_set $evenkeel_version "$upstream_http_etag $upstream_http_last_modified";
        proxy_cache_key "$uri $evenkeel_version";
        proxy_cache_valid 200 5s;
        proxy_pass http://%(inner)s;
    }
    location = /evenkeel/signature {
        # Asked from outside, it is of nothing.
        uninitialized_variable_warn off;
        if ($evenkeel_signature = "") {
            return 403;
        }
        proxy_cache_key "$evenkeel_signature";
        proxy_cache_valid 200 1s;
        proxy_intercept_errors on;
        recursive_error_pages on;
        error_page 404 = @evenkeel_release;
        proxy_pass http://%(inner)s$evenkeel_signature;
    }
    location @evenkeel_release {
        proxy_cache_key "$evenkeel_release";
        proxy_cache_valid 200 1s;
        proxy_intercept_errors on;
        recursive_error_pages on;
        error_page 404 = @evenkeel_unsigned;
        proxy_pass http://%(inner)s$evenkeel_release;
    }
    location @evenkeel_unsigned {
        return 204;
    }

    location / {
        proxy_cache_key "$uri";
        proxy_cache_valid 200 1m;
        proxy_pass http://%(inner)s;
    }
%(pages)s}
"""

#: Of a package index: a sign-in page looks like a page of it.
PAGES = """
    location ^~ /%(path)s/ {
        location ~ "%(immutable)s" {
            slice %(slice)s;
            proxy_set_header Cache-Control $evenkeel_again;
            proxy_set_header Range $slice_range;
            proxy_cache_key "$uri $slice_range";
            proxy_cache_valid 200 206 %(keep)dd;
            proxy_no_cache $evenkeel_full $evenkeel_page;
            proxy_pass http://%(inner)s;
        }
        proxy_no_cache $evenkeel_full;
        proxy_set_header Cache-Control $evenkeel_again;
        proxy_set_header Accept $evenkeel_form;
        proxy_cache_key "$uri $evenkeel_form";
        proxy_cache_valid 200 1m;
        proxy_pass http://%(inner)s;
    }
"""

INNER = """
server {
    listen %(inner)s;
    server_name evenkeel;
    server_tokens off;
    access_log %(log)s evenkeel_upstream;
    error_log %(errors)s warn;

%(resolver)s    proxy_http_version 1.1;
    proxy_pass_request_headers off;
    proxy_buffering off;
    proxy_max_temp_file_size 0;
    proxy_connect_timeout 10s;
    proxy_read_timeout 60s;
    proxy_next_upstream_tries 3;
    proxy_set_header User-Agent "Evenkeel package mirror";
    proxy_set_header Accept $http_accept;
    proxy_set_header Cache-Control $http_cache_control;
    proxy_set_header Range $http_range;
    proxy_set_header If-None-Match $http_if_none_match;
    proxy_set_header If-Modified-Since $http_if_modified_since;
    proxy_ssl_server_name on;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
%(verify)s    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering
        X-Accel-Charset;
    proxy_hide_header Set-Cookie;
    proxy_hide_header X-Cache-Status;
    proxy_hide_header Strict-Transport-Security;
    proxy_hide_header X-Accel-Expires;
    add_header X-Accel-Expires $evenkeel_life;

    proxy_intercept_errors on;
    recursive_error_pages on;
    error_page 301 302 303 307 308 = @evenkeel_redirected;
    set $evenkeel_refused "-";
    set $evenkeel_hops "";
    location @evenkeel_redirected {
        default_type text/plain;
        set $evenkeel_target $evenkeel_redirected;
        if ($evenkeel_target = "") {
            set $evenkeel_refused "The upstream redirects to $upstream_http_location, where the mirror does not go";
        }
        set $evenkeel_hops "1$evenkeel_hops";
        if ($evenkeel_hops ~ "1{6}") {
            set $evenkeel_refused "The upstream redirects again and again, at last to $upstream_http_location";
        }
        if ($evenkeel_refused != "-") {
            return 502 "$evenkeel_refused\\n";
        }
        if ($evenkeel_target ~ "^((https?://[^/?#]+)(?:[^?#]*/)?)") {
            set $evenkeel_folder $1;
            set $evenkeel_origin $2;
        }
        proxy_pass $evenkeel_target;
    }

    location / {
        return 404;
    }
%(upstreams)s}
"""

UPSTREAM = """
    location /%(path)s/ {
        set $evenkeel_origin %(origin)s;
        if ($uri ~ "^/%(pattern)s/((?:.*/)?)[^/]*$") {
            set $evenkeel_folder "%(url)s/$1";
        }
%(rewritten)s        rewrite "^/%(pattern)s/(.*)$" "%(base)s/$1?" break;
        proxy_pass $evenkeel_origin;
    }
"""

REWRITTEN = """\
        sub_filter_once off;
        sub_filter_last_modified on;
        sub_filter_types application/vnd.pypi.simple.v1+json application/vnd.pypi.simple.v1+html;
"""

TLS = """\
    ssl_certificate %(certificate)s;
    ssl_certificate_key %(key)s;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:evenkeel_packages_tls:1m;
    ssl_session_tickets off;
"""
