// Package legacy tests that what was written for Vault Agent works with
// vault-renderer when one word is changed. It has no code of its own: README.md
// tells of the sets of files in this directory.
package legacy
