// Package kills holds the campaign in which the renderer is killed again and
// again while it rotates credentials: on a real Vault and a real MariaDB, with
// the real programs, requests all along, and leases of seconds. Nobody may
// notice: no request fails, files are whole and belong together, accounts don't
// pile up, and after on_exit = "revoke" nothing is left. It has no code of its
// own.
//
// KILLS is how many kills there are (200 in `make soak`), KILLS_SEED has a
// campaign choose the same kinds of moments again.
package kills
