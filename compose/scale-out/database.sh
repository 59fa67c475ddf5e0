#!/usr/bin/env bash
# Runs a database of the example: database.sh primary, or database.sh standby.
# PGPASSWORD is the password of both roles: postgres, which may do everything, and lottery.
set -euo pipefail
programs=(/usr/lib/postgresql/*/bin)
PATH=${programs[-1]}:$PATH
data=/var/lib/postgresql/lottery

make_primary() {
    initdb -D "$data" -U postgres -E UTF8 --locale=C --no-instructions \
        -A scram-sha-256 --pwfile=<(echo "$PGPASSWORD") >/dev/null
    cat >>"$data/postgresql.conf" <<-'CONF'
		listen_addresses = '*'
		unix_socket_directories = '/tmp'
		synchronous_standby_names = 'FIRST 1 (standby)'
		# A standby that has just lost its primary would sleep for 5 s before it hears anything.
		wal_retrieve_retry_interval = 100ms
	CONF
    cat >>"$data/pg_hba.conf" <<-'HBA'
		host all lottery,postgres all scram-sha-256
		host replication postgres all scram-sha-256
	HBA
    # For itself, and without a standby, which nothing could be committed without.
    pg_ctl -D "$data" -w -o "-c listen_addresses= -c synchronous_standby_names=" start >/dev/null
    psql -q -h /tmp -U postgres -v password="'$PGPASSWORD'" <<-'SQL'
		CREATE ROLE lottery LOGIN PASSWORD :password;
		CREATE DATABASE lottery OWNER lottery;
	SQL
    pg_ctl -D "$data" -w stop >/dev/null
}

make_standby() {
    until pg_basebackup -h primary -U postgres -D "$data" -X stream -R; do
        rm -rf "${data:?}"/*
        sleep 1
    done
    echo "cluster_name = 'standby'" >>"$data/postgresql.conf"
}

[ -s "$data/PG_VERSION" ] || "make_$1"
exec postgres -D "$data"
