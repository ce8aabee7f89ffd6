auto_auth {
  method {
    type = "AppRole"
  }
  sink "file" { config { path = "/t" } }
}
