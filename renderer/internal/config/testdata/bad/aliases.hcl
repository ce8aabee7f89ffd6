log_level = "info"
loglevel  = "info"
pidfile   = "/x"
vault {
  url      = "https://vault:8200"
  cacert   = "/ca.pem"
  insecure = true
}
auto_auth {
  method "approle" {
    config = {
      role_id   = "x"
      secret_id = "x"
    }
  }
  sink "file" {
    config = {
      file_path   = "/t"
      permissions = 0600
      user        = 5
    }
  }
}
template {
  src   = "/x"
  dest  = "/run/x"
  mode  = "0600"
  owner = "app"
  exec {
    cmd = ["x"]
  }
}
