auto_auth {
  method "azure" {
    config {
      role = "app"
      resource = "https://vault"
      object_id = "o"
      client_id = "c"
      authenticate_from_environment = "perhaps"
    }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
