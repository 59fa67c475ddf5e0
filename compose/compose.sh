#!/usr/bin/env bash
# Runs docker compose with the words that follow: version 2, or docker-compose where that is
# missing. The compose file, the folder of the settings and that of the input come from
# COMPOSE_FILE, CONFIG_DIR and INPUT_DIR, else they are those of this checkout.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export COMPOSE_FILE=${COMPOSE_FILE:-$root/docker-compose-dev.yaml}
# Compose takes a path as relative to the compose file; whoever runs this, as relative to here.
CONFIG_DIR=$(realpath -m -- "${CONFIG_DIR:-$root/compose}")
INPUT_DIR=$(realpath -m -- "${INPUT_DIR:-$root/data}")
export CONFIG_DIR INPUT_DIR

if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
fi
exec docker-compose "$@"
