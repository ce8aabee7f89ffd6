auto_auth {
  method "cert" {}
}
rollout "app" {
  reload {
    url = "http://user:canary-1@127.0.0.1/reload"
  }
  ack {
    url = "https://user:canary-2@app.example.com/ack"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
  perms       = "0600"
  error_on_missing_key = true
}
