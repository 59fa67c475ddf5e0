#!/usr/bin/env bash
# Makes the primary of this standby, when the old one is dead: promote.sh
set -euo pipefail
programs=(/usr/lib/postgresql/*/bin)
PATH=${programs[-1]}:$PATH
# First, or every commit would wait for a standby that there is not any more.
psql -q -h /tmp -U postgres -c "ALTER SYSTEM SET synchronous_standby_names = ''" \
    -c 'SELECT pg_reload_conf()' >/dev/null
pg_ctl -D /var/lib/postgresql/lottery -w promote
