cache {
  use_auto_auth_token = true
}
