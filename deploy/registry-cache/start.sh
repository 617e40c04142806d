#!/bin/sh
# Start the mirror, with a Docker Hub login if the secret contains one: USER:TOKEN on one line.
set -eu
login=$(cat /run/secrets/docker_hub)
if [ -n "$login" ]; then
    export REGISTRY_PROXY_USERNAME="${login%%:*}"
    export REGISTRY_PROXY_PASSWORD="${login#*:}"
fi
exec registry serve /etc/distribution/config.yml
