auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
listener "unix" {
  address      = "/run/a.sock"
  role         = "metrics_only"
  tls_disable  = true
  socket_mode  = "rw"
  socket_user  = "root"
  socket_group = 0
}
listener "unix" {
  address     = "/run/b.sock"
  role        = "metrics_only"
  tls_disable = true
  socket_mode = "0660"
}
listener "tcp" {
  address     = "127.0.0.1:8201"
  role        = "metrics_only"
  tls_disable = true
  socket_user = "root"
}
listener "tcp" {
  address           = "127.0.0.1:8201"
  role              = "metrics_only"
  tls_disable       = true
  http_read_timeout = "5s"
}
