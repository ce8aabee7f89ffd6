#!/bin/sh
# What the official image's script is asked for here: 0 when the server answers
# over TCP. The options are accepted and mean nothing else.
set -eu
mariadb --no-defaults --user=root --host=127.0.0.1 --batch --skip-column-names \
  --password="" --execute='SELECT 1' 2>&1 | grep -q -e '^1$' -e 'Access denied'
