#!/bin/sh
set -eu
umask 077

# Once in the foreground: notes must not start without its files, and a
# container that can't have them must fail.
vault agent -config=/etc/vault-agent/agent.hcl -exit-after-auth

# Then for as long as the container lives.
vault agent -config=/etc/vault-agent/agent.hcl -log-level="${VAULT_LOG_LEVEL:-warn}" &

set -a
. /run/notes/notes.env
set +a
exec "$@"
