// Package compose tests what can be known of the compose example without a
// container engine; `make test-compose` runs it. It has no code of its own:
// vault-init's is in init.
package compose
