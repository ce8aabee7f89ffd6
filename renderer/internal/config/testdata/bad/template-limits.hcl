auto_auth {
  method "approle" {
    config = {
      role_id_file_path = "role_id"
    }
  }
}
template_config {
  max_output   = 0
  max_duration = "0s"
  max_depth    = -1
}
template {
  contents    = "x"
  destination = "x"
}
