// Package e2e holds the tests of the whole system, on a real Vault and a real
// MariaDB: the renderer and the webapp run as processes, with the project's own
// config.hcl or with a managed rollout, requests run all along, and something
// happens to one of them. Each test has a Vault of its own, so they run side by
// side. docs/faults.md is the table of what can happen. It has no code of its
// own.
package e2e
