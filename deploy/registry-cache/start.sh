#!/bin/sh
# Start the mirror, with an account of Docker Hub if the secret holds one: USER:TOKEN on one line.
set -eu
login=$(cat /run/secrets/docker_hub)
if [ -n "$login" ]; then
    export REGISTRY_PROXY_USERNAME="${login%%:*}"
    export REGISTRY_PROXY_PASSWORD="${login#*:}"
fi
exec registry serve /etc/distribution/config.yml
