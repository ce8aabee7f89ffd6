// Package e2e holds the tests of the whole system, on a real Vault and a real
// MariaDB: the renderer and the webapp run as processes with the project's own
// config.hcl, requests run all along, and something happens to one of the
// servers. It has no code of its own.
package e2e
