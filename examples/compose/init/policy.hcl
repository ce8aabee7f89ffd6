# What the renderer needs beside Vault's "default" policy, which lets a token
# look up and renew itself and the leases that it knows.

path "database/creds/mysql-role" {
  capabilities = ["read"]
}

# lease { own_token = true }: each account hangs on a token of its own.
path "auth/token/create" {
  capabilities = ["update"]
}

# secret_id_renew = true: the next SecretID, before the present one ends.
path "auth/approle/role/webapp-role/secret-id" {
  capabilities = ["update"]
}
