#!/usr/bin/env bash
# Exits 0 when an HTTP server on this machine answers 200: the health check of the image, which has no curl.
#   bash check-url.sh http://127.0.0.1:8081/live
# Nothing but bash, which Debian's base has. The container's runtime ends it when its time is over.
set -eu
url=${1#http://}
authority=${url%%/*}
exec 3<>"/dev/tcp/${authority%:*}/${authority##*:}"
printf 'GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "${url#*/}" "$authority" >&3
IFS= read -r status_line <&3
[[ $status_line == "HTTP/1.1 200 "* ]]
