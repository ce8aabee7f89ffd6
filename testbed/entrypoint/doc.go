// Package entrypoint holds the tests of the vault-renderer binary as the
// entrypoint of a container: PID 1 of a PID namespace of its own, with a tmpfs
// that nobody else sees, against a Vault in memory. Where the machine permits no
// namespaces, and for what differs there, it runs as an ordinary process. It
// has no code of its own.
package entrypoint
