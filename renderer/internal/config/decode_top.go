package config

import (
	"net/url"
	"time"

	"github.com/hashicorp/hcl/v2"
)

const defaultRetries = 12

// part is what one file says. Blocks that a later file replaces whole are nil
// when the file does not have them.
type part struct {
	Config
	vault          *Vault
	templateConfig *TemplateConfig
}

// file decodes one file.
func (d *decoder) file(s *scope) part {
	p := part{Config: Config{
		PIDFile:       get(s, "pid_file", ""),
		ExitAfterAuth: get(s, "exit_after_auth", false),
		LogLevel:      levels()[get(s, "log_level", "")],
		LogFormat:     get(s, "log_format", ""),
		TmpfsPolicy:   Tmpfs(get(s, "tmpfs", "")),
		AutoAuth:      d.autoAuth(s.last("auto_auth")),
	}}
	p.vault = d.vault(s.last("vault"))
	p.templateConfig = d.templateConfig(s.last("template_config"))
	for _, t := range s.blocks["template"] {
		p.Templates = append(p.Templates, d.template(t))
	}
	return p
}

func (d *decoder) vault(s *scope) *Vault {
	if s == nil {
		return nil
	}
	v := &Vault{
		Address:       get(s, "address", ""),
		CACert:        get(s, "ca_cert", ""),
		CAPath:        get(s, "ca_path", ""),
		ClientCert:    get(s, "client_cert", ""),
		ClientKey:     get(s, "client_key", ""),
		TLSSkipVerify: get(s, "tls_skip_verify", false),
		TLSServerName: get(s, "tls_server_name", ""),
		Namespace:     get(s, "namespace", ""),
		NumRetries:    d.retries(s.last("retry")),
		Range:         s.def,
	}
	d.address(v.Address, s.at("address"))
	if (v.ClientCert == "") != (v.ClientKey == "") {
		have, lacks := "client_cert", "client_key"
		if v.ClientCert == "" {
			have, lacks = lacks, have
		}
		d.errorf(s.at(have), "Incomplete client certificate", "%q needs %q beside it.", have, lacks)
	}
	return v
}

// address only warns: the environment may say another one.
func (d *decoder) address(addr string, at hcl.Range) {
	if addr == "" {
		return
	}
	u, err := url.Parse(addr)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" || err == nil && u.Scheme == "unix" {
		return
	}
	d.warnf(at, "Unusual address", "\"address\" should be a URL such as \"https://vault.example.com:8200\" or \"unix:///run/vault.sock\".")
}

func (d *decoder) retries(s *scope) int {
	switch n := get(s, "num_retries", 0); {
	case n == 0:
		return defaultRetries
	case n == -1:
		return 0
	case n < 0:
		d.errorf(s.at("num_retries"), "Invalid value", "\"num_retries\" must be -1 (none), 0 (the default, 12) or more.")
		return defaultRetries
	default:
		return n
	}
}

func defaultTemplateConfig() TemplateConfig {
	return TemplateConfig{
		StaticSecretRenderInterval: 5 * time.Minute,
		MaxConnectionsPerHost:      10,
		LeaseRenewalThreshold:      0.90,
	}
}

func (d *decoder) templateConfig(s *scope) *TemplateConfig {
	if s == nil {
		return nil
	}
	def := defaultTemplateConfig()
	c := &TemplateConfig{
		ExitOnRetryFailure:         get(s, "exit_on_retry_failure", false),
		StaticSecretRenderInterval: get(s, "static_secret_render_interval", time.Duration(0)),
		MaxConnectionsPerHost:      get(s, "max_connections_per_host", def.MaxConnectionsPerHost),
		LeaseRenewalThreshold:      get(s, "lease_renewal_threshold", def.LeaseRenewalThreshold),
	}
	if c.StaticSecretRenderInterval == 0 {
		c.StaticSecretRenderInterval = def.StaticSecretRenderInterval
	}
	if c.MaxConnectionsPerHost < 0 {
		d.errorf(s.at("max_connections_per_host"), "Invalid value", "\"max_connections_per_host\" must not be negative.")
	}
	if c.LeaseRenewalThreshold <= 0 || c.LeaseRenewalThreshold > 1 {
		d.errorf(s.at("lease_renewal_threshold"), "Invalid value", "\"lease_renewal_threshold\" is a part of a lease: more than 0, at most 1.")
	}
	return c
}
