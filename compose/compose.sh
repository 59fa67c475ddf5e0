#!/usr/bin/env bash
# Runs docker compose with the words that follow: version 2, or docker-compose where that is
# missing. The compose file (one), the folder of the settings and that of the input come from
# COMPOSE_FILE, CONFIG_DIR and INPUT_DIR, else they are those of this checkout.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# As an option, for in the variable compose itself takes a colon for the end of a name.
file=${COMPOSE_FILE:-$root/docker-compose-dev.yaml}
unset COMPOSE_FILE
# Compose takes a path as relative to the compose file; whoever runs this, as relative to here.
CONFIG_DIR=$(realpath -m -- "${CONFIG_DIR:-$root/compose}")
INPUT_DIR=$(realpath -m -- "${INPUT_DIR:-$root/data}")
export CONFIG_DIR INPUT_DIR

if docker compose version >/dev/null 2>&1; then
    exec docker compose --file "$file" "$@"
fi
exec docker-compose --file "$file" "$@"
