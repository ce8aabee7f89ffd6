package config

import "slices"

// alias is the known name for a word that people write in its place and that is
// too far from it to be a slip of the finger.
func alias(name string, known []string) string {
	if slices.Contains(known, name) {
		return ""
	}
	for _, k := range aliases()[name] {
		if slices.Contains(known, k) {
			return k
		}
	}
	return ""
}

// aliases maps what is written to what may be meant, the likeliest first; what
// the block at hand does not know is passed over.
func aliases() map[string][]string {
	return map[string][]string{
		// template
		"mode": {"perms"}, "permissions": {"perms", "mode"}, "permission": {"perms", "mode"}, "chmod": {"perms", "mode"},
		"file_mode": {"perms", "mode"}, "file_perms": {"perms", "mode"}, "perms": {"mode"},
		"dest": {"destination", "path"}, "dst": {"destination", "path"}, "destination_path": {"destination"},
		"dest_path": {"destination", "path"}, "output": {"destination", "path"}, "target": {"destination", "path"},
		"out": {"destination"}, "file": {"destination", "path", "source"}, "path": {"destination", "token_path", "token_file_path", "file", "address"},
		"file_path": {"destination", "path", "token_file_path", "role_id_file_path"}, "filename": {"destination", "path"},
		"destination": {"path"}, "src": {"source"}, "source_path": {"source"}, "source_file": {"source"}, "template": {"source", "contents"},
		"template_file": {"source"}, "content": {"contents"}, "text": {"contents"}, "data": {"contents"}, "body": {"contents"}, "inline": {"contents"},
		"cmd": {"command"}, "run": {"command"}, "reload_command": {"command"}, "on_change": {"command"}, "args": {"command"},
		"owner": {"user"}, "group_name": {"group"}, "user": {"owner", "username"}, "uid": {"owner"}, "gid": {"group"},
		"left_delim": {"left_delimiter"}, "right_delim": {"right_delimiter"}, "sandbox": {"sandbox_path"},
		"denylist": {"function_denylist"}, "blacklist": {"function_denylist", "denylist"}, "function_deny_list": {"function_denylist"},
		"fail_on_missing_key": {"error_on_missing_key"}, "missing_key": {"error_on_missing_key"}, "enabled": {"bool"},
		"create_dirs": {"create_dest_dirs"}, "mkdir": {"create_dest_dirs"}, "quiescence": {"wait"}, "splay": {"wait"},
		// rollout, lease, status
		"rollouts": {"rollout"}, "generation": {"rollout"}, "leases": {"lease"}, "statefile": {"state_file"}, "state": {"state_file"}, "state_path": {"state_file"},
		"validate": {"check"}, "verify": {"check"}, "test": {"check"}, "acknowledge": {"ack"}, "acknowledgement": {"ack"}, "notify": {"reload", "exec"}, "jitter": {"splay"},
		"endpoint": {"url"}, "uri": {"url"}, "http": {"url"}, "program": {"process"}, "process_name": {"process"}, "reload_signal": {"signal"}, "kill_signal": {"signal"},
		"overlap": {"replace_before"}, "renew_before": {"replace_before"}, "lookup": {"lookup_interval"}, "check_interval": {"lookup_interval"}, "child_token": {"own_token"},
		"socket": {"address"}, "port": {"address"}, "drain": {"grace"}, "grace_period": {"grace"}, "revoke_on_exit": {"on_exit"}, "secret_id_renew_ttl": {"secret_id_renew_wrap_ttl"},
		// auto_auth and its methods
		"role_id": {"role_id_file_path"}, "role_id_path": {"role_id_file_path"}, "role_id_file": {"role_id_file_path"},
		"secret_id": {"secret_id_file_path"}, "secret_id_path": {"secret_id_file_path"}, "secret_id_file": {"secret_id_file_path"},
		"remove_secret_id_file": {"remove_secret_id_file_after_reading"}, "remove_secret_id_after_reading": {"remove_secret_id_file_after_reading"},
		"token_path": {"token_file_path", "path"}, "token_file_path": {"token_path", "path"}, "token_file": {"token_file_path", "token_path", "path"}, "token": {"token_file_path", "vault_token"},
		"service_account_token_path": {"token_path"}, "service_account_token_file": {"token_path"}, "jwt": {"path"}, "jwt_path": {"path", "token_path"}, "jwt_file": {"path"},
		"role_name": {"role", "name"}, "name": {"role"}, "role": {"name"}, "password": {"password_file_path"}, "password_path": {"password_file_path"}, "password_file": {"password_file_path"},
		"user_name": {"username"}, "login": {"username"}, "keytab": {"keytab_path"}, "krb5conf": {"krb5conf_path"}, "krb5_conf": {"krb5conf_path"},
		"mount": {"mount_path"}, "mount_point": {"mount_path"}, "auth_path": {"mount_path"}, "sinks": {"sink"}, "methods": {"method"}, "ttl": {"wrap_ttl"},
		"k8s": {"kubernetes"}, "kube": {"kubernetes"}, "token-file": {"token_file"}, "oidc": {"jwt"}, "tls": {"cert"}, "iam": {"aws"}, "ec2": {"aws"},
		"gce": {"gcp"}, "google": {"gcp"}, "msi": {"azure"}, "pcf": {"cf"}, "cloudfoundry": {"cf"}, "ali": {"alicloud"}, "aliyun": {"alicloud"}, "app_role": {"approle"}, "app-role": {"approle"}, "krb5": {"kerberos"},
		// exec
		"whitelist": {"allowlist"}, "allow": {"allowlist"}, "deny": {"denylist"}, "clean": {"pristine"}, "inherit": {"pristine"}, "environment": {"env", "env_template"}, "extra": {"custom"}, "variables": {"custom", "env"},
		"stdout": {"child_process_stdout"}, "stderr": {"child_process_stderr"}, "cwd": {"working_dir"}, "dir": {"working_dir"}, "workdir": {"working_dir"}, "working_directory": {"working_dir"}, "chdir": {"working_dir"},
		"stop_signal": {"restart_stop_signal"}, "stop_timeout": {"kill_timeout"}, "term_timeout": {"kill_timeout"}, "timeout": {"start_timeout"}, "restart": {"restart_on_secret_changes"}, "restart_policy": {"restart_on_secret_changes"}, "restarts": {"max_restarts"},
		"readiness": {"ready"}, "probe": {"ready"}, "health": {"ready"}, "healthcheck": {"ready"}, "health_check": {"ready"}, "sockets": {"socket"}, "supervised": {"child"}, "tcp": {"address"}, "type": {"network"},
		// vault
		"addr": {"address"}, "url": {"address"}, "server": {"address"}, "vault_addr": {"address"}, "host": {"address"}, "bind": {"address"}, "listen": {"address", "socket"},
		"ca_file": {"ca_cert"}, "cacert": {"ca_cert"}, "ca": {"ca_cert"}, "tls_ca_cert": {"ca_cert"}, "ca_cert_file": {"ca_cert"}, "ca_dir": {"ca_path"},
		"cert_file": {"tls_cert_file", "client_cert"}, "key_file": {"tls_key_file", "client_key"}, "tls_cert": {"tls_cert_file", "client_cert"}, "tls_key": {"tls_key_file", "client_key"},
		"skip_verify": {"tls_skip_verify"}, "insecure": {"tls_skip_verify"}, "insecure_skip_verify": {"tls_skip_verify"}, "tls_insecure": {"tls_skip_verify"},
		"server_name": {"tls_server_name"}, "sni": {"tls_server_name"}, "retries": {"num_retries", "retry"}, "attempts": {"num_retries", "retries"}, "max_retries": {"num_retries", "retries"}, "num_retries": {"retries"},
		// top level
		"pidfile": {"pid_file"}, "loglevel": {"log_level"}, "auth": {"auto_auth"}, "autoauth": {"auto_auth"}, "templates": {"template"}, "listeners": {"listener"},
		"metrics": {"telemetry"}, "proxy": {"api_proxy"}, "once": {"exit_after_auth"}, "env": {"env_template"}, "supervisor": {"exec"}, "child": {"exec"}, "process": {"exec"},
		"static_secret_refresh_interval": {"static_secret_render_interval"}, "refresh_interval": {"static_secret_render_interval"}, "statsd_addr": {"statsd_address"}, "dogstatsd_address": {"dogstatsd_addr"}, "statsite_addr": {"statsite_address"},
	}
}
