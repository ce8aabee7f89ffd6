# Vault of the compose example. In production: an audit device, and a seal stanza, so
# that a key management service unseals it and no key lies anywhere.

ui            = false
disable_mlock = true # a container without CAP_IPC_LOCK; keep the host's swap off or encrypted
api_addr      = "https://vault-server:8200"

storage "file" {
  path = "/vault/file"
}

listener "tcp" {
  address       = "0.0.0.0:8200"
  tls_cert_file = "/vault/tls/vault.crt"
  tls_key_file  = "/vault/tls/vault.key"
}
