auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
default_max_request_duration = "90s"
user_lockout "all" {}
entropy "seal" { mode = "augmentation" }
kms "awskms" {}
