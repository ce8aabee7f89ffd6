auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
telemetry {
  statsd_address            = ["x"]
  disable_hostname          = "true"
  prometheus_retention_time = "a day"
  dogstatsd_tags            = "a"
  prefix_filter             = ["+keep", "drop", ""]
  filter_default            = 1
  usage_gauge_period        = "x"
  circonus_api_token        = "canary-circonus"
  stackdriver_project_id    = "p"
  statsd_addr               = "x"
}
telemetry {}
