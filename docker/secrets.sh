#!/bin/sh
# Create the secrets that compose.yaml reads; existing ones are kept.
set -eu
folder=$(dirname "$0")/secrets
# shellcheck disable=SC2174 # the folder above it is there
mkdir -p -m 700 "$folder"

secret() {
    [ -s "$folder/$1" ] || od -An -N "$2" -tx1 /dev/urandom | tr -d ' \n' > "$folder/$1"
    # Containers read it as another user; the mode of the folder keeps other users out.
    chmod 444 "$folder/$1"
}

secret database_password 16
secret kinomill_secret_key 32
echo "secrets are in $folder"
