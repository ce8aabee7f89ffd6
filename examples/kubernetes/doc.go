// Package kubernetes tests the manifests, configurations and scripts in this
// directory: without a cluster, but with a real Vault. It has no code of its
// own.
package kubernetes
