package config

const forServers = "It belongs to a Vault server's configuration."

func cacheSection() *Section {
	persist := &Section{Name: "persist", Label: "type", Max: 1, Keys: []Key{
		{Name: "type", Kind: String, Doc: `"kubernetes"; the label says the same.`},
		{Name: "path", Kind: String, Doc: "Directory of the cache file; required."},
		{Name: "keep_after_import", Kind: Bool, Default: "false", Doc: "Keep the file once it was read."},
		{Name: "exit_on_err", Kind: Bool, Default: "false", Doc: "End if the file cannot be read."},
		{Name: "service_account_token_file", Kind: String, Default: `"` + podToken + `"`, Doc: "File with the token that protects the cache."},
	}}
	s := &Section{Name: "cache", Max: 1, Keys: []Key{
		{Name: "persist", Kind: Block, Section: persist, Doc: "Keep the cache in a file. " + unsupportedNow},
	}}
	for _, k := range proxyKeys() {
		k.Doc = "Older place of api_proxy." + k.Name + "."
		s.Keys = append(s.Keys, k)
	}
	return s
}

func apiProxySection() *Section {
	return &Section{Name: "api_proxy", Max: 1, Keys: proxyKeys()}
}

func proxyKeys() []Key {
	return []Key{
		{Name: "use_auto_auth_token", Kind: TokenUse, Default: "false", Doc: `Requests without a token get this program's; "force": all requests.`},
		{Name: "enforce_consistency", Kind: String, Default: `"never"`, Enum: []string{"never", "always"}, Doc: "Vault Enterprise: read your own writes."},
		{Name: "when_inconsistent", Kind: String, Default: `"fail"`, Enum: []string{"fail", "retry", "forward"}, Doc: "Vault Enterprise: what to do when a server lags behind."},
	}
}

func listenerSection() *Section {
	api := &Section{Name: "agent_api", LastOne: true, Keys: []Key{
		{Name: "enable_quit", Kind: Bool, Default: "false", Doc: "A POST to /agent/v1/quit ends the program."},
	}}
	s := &Section{Name: "listener", Label: "type", Keys: []Key{
		{Name: "type", Kind: String, Doc: `"tcp" or "unix"; the label says the same.`},
		{Name: "address", Kind: String, Default: `"` + defaultListen + `"`, Doc: "Host and port, or the socket's path; go-sockaddr templates are allowed."},
		{Name: "role", Kind: String, Default: `"default"`, Doc: `"metrics_only"; "default" is the proxy, which this version does not have.`},
		{Name: "require_request_header", Kind: WeakBool, Default: "false", Doc: "Requests need the header X-Vault-Request: true."},
		{Name: "agent_api", Kind: Block, Section: api, Doc: "What this program itself answers."},
		{Name: "tls_disable", Kind: WeakBool, Default: "false", Doc: "Plain HTTP."},
		{Name: "tls_cert_file", Kind: String, Doc: "Certificate; required unless tls_disable."},
		{Name: "tls_key_file", Kind: String, Doc: "Its private key; required unless tls_disable."},
		{Name: "tls_min_version", Kind: String, Default: `"tls12"`, Enum: tlsVersions(), Doc: "Oldest version of TLS."},
		{Name: "tls_max_version", Kind: String, Default: `"tls13"`, Enum: tlsVersions(), Doc: "Newest version of TLS."},
		{Name: "tls_cipher_suites", Kind: String, Doc: "Names, separated by commas."},
		{Name: "tls_require_and_verify_client_cert", Kind: WeakBool, Default: "false", Doc: "Clients need a certificate."},
		{Name: "tls_client_ca_file", Kind: String, Doc: "CA certificates for those of clients."},
		{Name: "tls_disable_client_certs", Kind: WeakBool, Default: "false", Doc: "Do not ask clients for certificates."},
		{Name: "socket_mode", Kind: String, Doc: `Permissions of the socket, such as "0660"; only with socket_user and socket_group.`},
		{Name: "socket_user", Kind: String, Doc: "Owner of the socket: name or number."},
		{Name: "socket_group", Kind: String, Doc: "Group of the socket: name or number."},
	}}
	for _, name := range serverListenerKeys() {
		s.Keys = append(s.Keys, Key{Name: name, Kind: Any, Support: NoEffect, Doc: forServers})
	}
	return s
}

func tlsVersions() []string { return []string{"tls10", "tls11", "tls12", "tls13"} }

// serverListenerKeys are read by Vault Agent, because it shares the reader with
// the server, and then not used.
func serverListenerKeys() []string {
	return []string{
		"purpose", "chroot_namespace", "cluster_address", "custom_response_headers",
		"cors_enabled", "cors_allowed_origins", "cors_allowed_headers",
		"http_idle_timeout", "http_read_header_timeout", "http_read_timeout", "http_write_timeout",
		"max_request_duration", "max_request_size", "require_present_authorized_headers",
		"max_json_depth", "max_json_string_value_length", "max_json_object_entry_count", "max_json_array_element_count",
		"disable_replication_status_endpoints", "disable_request_limiter", "disable_unauthed_rekey_endpoints",
		"proxy_protocol_authorized_addrs", "proxy_protocol_behavior",
		"redact_addresses", "redact_cluster_name", "redact_version", "proxy_api", "telemetry", "profiling", "inflight_requests_logging",
		"x_forwarded_for_authorized_addrs", "x_forwarded_for_hop_skips",
		"x_forwarded_for_reject_not_authorized", "x_forwarded_for_reject_not_present", "x_forwarded_for_client_cert_header",
	}
}

func telemetrySection() *Section {
	s := &Section{Name: "telemetry", Max: 1, Keys: []Key{
		{Name: "metrics_prefix", Kind: String, Default: `"vault"`, Doc: "What the names of metrics begin with."},
		{Name: "disable_hostname", Kind: Bool, Default: "false", Doc: "Leave the host name out of the names."},
		{Name: "enable_hostname_label", Kind: Bool, Default: "false", Doc: "Make the host name a label."},
		{Name: "statsite_address", Kind: String, Doc: "Host and port of a statsite server."},
		{Name: "statsd_address", Kind: String, Doc: "Host and port of a statsd server."},
		{Name: "dogstatsd_addr", Kind: String, Doc: "Host and port of a DogStatsD server."},
		{Name: "dogstatsd_tags", Kind: Strings, Doc: "Tags for all metrics sent there."},
		{Name: "prometheus_retention_time", Kind: Duration, Default: `"24h"`, Doc: "How long a metric is kept for Prometheus; 0 turns that off."},
		{Name: "filter_default", Kind: Bool, Default: "true", Doc: "Whether metrics that no rule names are kept."},
		{Name: "prefix_filter", Kind: Strings, Doc: "Rules: +prefix keeps metrics, -prefix drops them."},
	}}
	for _, k := range []Key{
		{Name: "usage_gauge_period", Kind: Duration},
		{Name: "maximum_gauge_cardinality", Kind: Int},
		{Name: "lease_metrics_epsilon", Kind: Duration},
		{Name: "num_lease_metrics_buckets", Kind: Int},
		{Name: "add_lease_metrics_namespace_labels", Kind: Bool},
		{Name: "add_mount_point_rollback_metrics", Kind: Bool},
	} {
		k.Support = Silent // metrics of a server, not of an agent
		s.Keys = append(s.Keys, k)
	}
	for _, name := range foreignMetricsKeys() {
		s.Keys = append(s.Keys, Key{Name: name, Kind: Any, Support: NoEffect, Doc: "Metrics are not sent there; use prometheus, statsd, statsite or dogstatsd."})
	}
	return s
}

func foreignMetricsKeys() []string {
	return []string{
		"circonus_api_token", "circonus_api_app", "circonus_api_url", "circonus_submission_interval",
		"circonus_submission_url", "circonus_check_id", "circonus_check_force_metric_activation",
		"circonus_check_instance_id", "circonus_check_search_tag", "circonus_check_display_name", "circonus_check_tags",
		"circonus_broker_id", "circonus_broker_select_tag",
		"stackdriver_project_id", "stackdriver_location", "stackdriver_namespace", "stackdriver_debug_logs",
	}
}
