auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
  sink "kafka" { config { path = "/t" } }
  sink { config { path = "/t" } }
  sink "fil" { config { path = "/t" } }
  sink { 
    type = "File"
    config { path = "/t" }
  }
  sink "file" {}
  sink "file" { config = { mode = 0600 } }
  sink "file" {
    config = {
      path  = "/t"
      mode  = "0640"
      owner = "root"
      group = -7
    }
  }
  sink "file" {
    config = {
      path  = "/t"
      mode  = 640
    }
  }
  sinks {
    sink "file" { config { pat = "/t" } }
  }
}
