auto_auth {
  method "aprole" {}
  sink "file" { config { path = "/t" } }
}
