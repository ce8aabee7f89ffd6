# Vault policy of the renderer of the notes application: what it needs beside
# the "default" policy.

path "database/creds/mysql-role" {
  capabilities = ["read"]
}

# lease { own_token = true }: each account hangs on a token of its own.
path "auth/token/create" {
  capabilities = ["update"]
}
