# vault-renderer beside the notes application: renders /run/notes/config.ini on
# a tmpfs volume that both mount, and revokes what the application has let go of.

strict = true

vault {
  address = "https://vault-server:8200"
  ca_cert = "/vault-ca/ca.crt"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/run/renderer/role_id"
      secret_id_file_path = "/run/renderer/secret_id"

      # vault-init delivers the first one wrapped; the next ones are made here.
      secret_id_response_wrapping_path = "auth/approle/role/webapp-role/secret-id"
      secret_id_renew                  = true
    }
  }
}

# A restart of the container goes on from here: no login, no new account. So the
# end of the program, which is the same signal, must not end the credentials:
# on_exit stays "keep". What `down` leaves in a database that is kept lapses.
state_file = "/run/renderer/state"

lease {
  own_token = true
  revoke    = "acked"
  grace     = "2s"
}

# In the volume that webapp mounts: that asks for a look when the database
# refuses it. Group 10000 is that of both containers.
status {
  address = "unix:///run/notes/status.sock"
  mode    = 0660
}

# No check: webapp's program is not in this container. It tries new credentials
# before it takes them, and does not acknowledge those that are refused.
rollout "notes" {
  ack {
    url     = "http://webapp:5000/-/generation"
    timeout = "45s"
  }
}

template "config.ini" {
  source      = "/etc/vault-renderer/templates/config.ini.tmpl"
  destination = "/run/notes/config.ini"
  perms       = 0640
  rollout     = "notes"
}
