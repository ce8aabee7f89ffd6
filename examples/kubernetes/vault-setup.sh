#!/bin/sh
# Prepares Vault for the notes application: login with a service account,
# dynamic accounts in MySQL, and a policy. For somebody who is logged in with
# the right to do so; it may run again at any time.
#
#   DATABASE_PASSWORD_FILE=password ./vault-setup.sh
#
# DATABASE_PASSWORD_FILE holds the password of the MySQL account that Vault is
# given. It should be an account of Vault's own that exists once, as name@'%',
# and never root: Vault replaces the password by one that nobody else knows.
#
#   CREATE USER 'vault-admin'@'%' IDENTIFIED BY '...';
#   GRANT CREATE USER ON *.* TO 'vault-admin'@'%';
#   GRANT SELECT, INSERT ON notes_webapp.* TO 'vault-admin'@'%' WITH GRANT OPTION;
set -eu
cd "$(dirname "$0")"
database=${DATABASE:-database.notes.svc:3306}
admin=${DATABASE_ADMIN:-vault-admin}
# The cluster as Vault reaches it; this is right for a Vault inside of it. One
# outside needs the certificate of the cluster's authority, too.
kubernetes=${KUBERNETES:-https://kubernetes.default.svc}
authority=${KUBERNETES_CA_FILE:-}

# enabled says whether something is mounted at a path.
enabled() { vault "$1" list -format=json | grep -q "^ *\"$2/\": {"; }

# Who may log in: the service account "notes" of the namespace "notes", with a
# token that was made for Vault (its audience) and for nobody else. Vault asks
# the cluster about it with its own token, see vault-reviewer.yaml.
enabled auth kubernetes || vault auth enable kubernetes
vault write auth/kubernetes/config kubernetes_host="$kubernetes" \
  ${authority:+kubernetes_ca_cert=@"$authority" disable_local_ca_jwt=true}
vault policy write notes-renderer notes-renderer.hcl
vault write auth/kubernetes/role/notes \
  bound_service_account_names=notes \
  bound_service_account_namespaces=notes \
  audience=vault \
  token_policies=notes-renderer \
  token_ttl=20m token_max_ttl=24h

# Accounts that live for an hour, and for eight when they are renewed.
enabled secrets database || vault secrets enable database
if ! vault read database/config/mysql-database >/dev/null 2>&1; then
  # "password=-" reads it from standard input: it is in no argument.
  tr -d '\n' <"${DATABASE_PASSWORD_FILE:?is the file with the password of $admin}" |
    vault write database/config/mysql-database \
      plugin_name=mysql-database-plugin \
      connection_url="{{username}}:{{password}}@tcp($database)/" \
      allowed_roles=mysql-role \
      username="$admin" password=-
fi
# From now on only Vault knows it. Doing it again shows that Vault can log in.
vault write -force database/rotate-root/mysql-database
vault write database/roles/mysql-role \
  db_name=mysql-database \
  creation_statements="CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}';" \
  creation_statements="GRANT SELECT, INSERT ON notes_webapp.* TO '{{name}}'@'%';" \
  default_ttl=1h max_ttl=8h
