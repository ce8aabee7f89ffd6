auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
}
exec {
  command = ["app"]
  socket { address = "127.0.0.1:8080" }
  socket "a:b" { address = "127.0.0.1:8081" }
  socket "http" {}
  socket "http" { address = "127.0.0.1:8082" }
  socket "same" { address = "127.0.0.1:8082" }
  socket "path" { address = "/run/app.sock" }
  socket "zero" { address = ":0" }
  socket "relative" {
    network = "unix"
    address = "run/app.sock"
  }
  socket "mode" {
    network = "udp"
    address = ":53"
    mode    = 0666
  }
  socket "abstract" {
    network = "unix"
    address = "@app"
    mode    = 0600
  }
  socket "kind" {
    network = "sctp"
    port    = 80
  }
}
