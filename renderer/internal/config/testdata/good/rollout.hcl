auto_auth {
  method "approle" {
    mount_path = "auth/apps"
    config = {
      role_id_file_path        = "/run/role_id"
      secret_id_file_path      = "/run/secret_id"
      secret_id_renew          = true
      secret_id_renew_path     = "team/auth/apps/role/app/secret-id"
      secret_id_renew_wrap_ttl = "1h"
    }
  }
}

state_file      = "run/state"
on_exit         = "revoke"
on_exit_timeout = "20s"

lease {
  replace_before  = "5m"
  lookup_interval = "off"
  own_token       = true
  revoke          = "always"
  grace           = "1m"
}

status {
  address = "unix:///run/renderer/status.sock"
  mode    = 0660
  user    = "renderer"
  group   = 33
}

rollout "proxy" {
  splay = "5s"
  check {
    command = ["nginx", "-t", "-c", "{/run//nginx/nginx.conf}"]
    timeout = 5
  }
  reload {
    process = "nginx"
  }
  revoke = "never"
}

rollout "app" {
  check {
    command = "test -s \"$1\", true"
  }
  reload {
    url     = "unix:///run/app.sock:/reload"
    method  = "put"
    timeout = "5s"
    retries = 0
  }
  ack {
    url         = "http://127.0.0.1:8080/-/generation"
    destination = "/run/app/../app/app.ini"
    timeout     = "30s"
    interval    = "1s"
  }
  revoke = "acked"
  grace  = 0
}

rollout "plain" {
  reload {
    pid_file = "/run/plain.pid"
    signal   = "usr1"
  }
  ack {
    file = "/run/plain.ack"
  }
}

rollout "commands" {
  reload {
    command = ["systemctl", "reload", "app"]
  }
  ack {
    command = "app-status --digest"
  }
}

template {
  contents    = "x"
  destination = "/run/nginx/nginx.conf"
  rollout     = "proxy"
}
template {
  contents    = "x"
  destination = "/run/app/app.ini"
  rollout     = "app"
}
template {
  contents    = "x"
  destination = "/run/app/my.cnf"
  rollout     = "app"
}
template {
  contents    = "x"
  destination = "/run/plain"
  rollout     = "plain"
}
template {
  contents    = "x"
  destination = "/run/commands"
  rollout     = "commands"
}
