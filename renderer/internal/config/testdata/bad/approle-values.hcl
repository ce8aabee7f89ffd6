auto_auth {
  method "approle" {
    config = {
      role_id_file_path = 5
      secret_id_response_wrapping_path = ""
      remove_secret_id_file_after_reading = "maybe"
    }
  }
  sink "file" { config { path = "/t" } }
}
