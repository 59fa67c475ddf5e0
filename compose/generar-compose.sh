#!/usr/bin/env bash
# Writes the compose file of a central and its agencies: generar-compose.sh FILE N
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

make --silent --no-print-directory --directory "$root" .venv/demo.stamp >&2
exec "$root/.venv/bin/python" -m lottery compose "$@"
