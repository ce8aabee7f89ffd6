package config

import (
	"net/url"
	"slices"
	"strings"
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
	rotateBytes    *int64
	rotateFiles    *int
	cacheProxy     *APIProxy // what cache says in the place of api_proxy, or nil
	cacheToken     bool      // use_auto_auth_token is set in cache
	proxyToken     bool      // ... in api_proxy
	lease          *Leases
	rollouts       []*scope // of Rollouts, in their order
	exec           *scope   // of Exec
	end            ending

	vaultRisks, authRisks, statusRisks, execRisks, otherRisks []risk
}

// file decodes one file.
func (d *decoder) file(s *scope) part {
	p := part{Config: Config{
		PIDFile:           get(s, "pid_file", ""),
		ExitAfterAuth:     get(s, "exit_after_auth", false),
		LogLevel:          levels()[get(s, "log_level", "")],
		LogFormat:         get(s, "log_format", ""),
		ClusterName:       get(s, "cluster_name", ""),
		DisableIdleConns:  traffic(s, "disable_idle_connections"),
		DisableKeepAlives: traffic(s, "disable_keep_alives"),
		TmpfsPolicy:       Tmpfs(get(s, "tmpfs", "")),
		Telemetry:         d.telemetry(s.last("telemetry")),
		StateFile:         get(s, "state_file", ""),
		StateFileRange:    s.at("state_file"),
	}}
	d.logFile(s, &p)
	p.AutoAuth, p.authRisks = d.autoAuth(s.last("auto_auth")), d.taken()
	p.vault, p.vaultRisks = d.vault(s.last("vault")), d.taken()
	p.Status, p.statusRisks = d.status(s.last("status")), d.taken()
	p.exec = s.last("exec")
	p.Exec, p.execRisks = d.supervise(p.exec), d.taken()
	p.lease, p.end = d.leases(s.last("lease")), d.ending(s)
	p.templateConfig = d.templateConfig(s.last("template_config"))
	for _, t := range s.blocks["template"] {
		p.Templates = append(p.Templates, d.template(t))
	}
	for _, r := range s.blocks["rollout"] {
		p.Rollouts, p.rollouts = append(p.Rollouts, d.rollout(r)), append(p.rollouts, r)
	}
	for _, t := range s.blocks["env_template"] {
		p.EnvTemplates = append(p.EnvTemplates, d.envTemplate(t))
	}
	d.proxies(s, &p)
	for _, l := range s.blocks["listener"] {
		p.Listeners = append(p.Listeners, d.listener(l))
	}
	p.otherRisks = d.taken()
	return p
}

func (d *decoder) logFile(s *scope, p *part) {
	p.Log = LogFile{Path: get(s, "log_file", ""), RotateDuration: get(s, "log_rotate_duration", time.Duration(0))}
	if strings.ContainsAny(p.Log.Path, "*?[") {
		d.errorf(s.at("log_file"), "Invalid value", "\"log_file\" must not contain *, ? or [.")
	}
	if n, ok := s.vals["log_rotate_bytes"].(int64); ok {
		p.rotateBytes = &n
	}
	if n, ok := s.vals["log_rotate_max_files"].(int); ok {
		p.rotateFiles = &n
	}
}

// traffic knows that caching is the same as proxying.
func traffic(s *scope, key string) Traffic {
	words := get(s, key, []string(nil))
	return Traffic{
		AutoAuth:   slices.Contains(words, "auto-auth"),
		Proxying:   slices.Contains(words, "proxying") || slices.Contains(words, "caching"),
		Templating: slices.Contains(words, "templating"),
	}
}

func (d *decoder) proxies(s *scope, p *part) {
	cache, proxy := s.last("cache"), s.last("api_proxy")
	p.Cache, p.APIProxy = d.cache(cache), d.proxy(proxy)
	p.proxyToken = proxy != nil && proxy.attrs["use_auto_auth_token"] != nil
	if cache != nil && len(cache.attrs) > 0 {
		p.cacheProxy = d.proxy(cache)
		p.cacheToken = cache.attrs["use_auto_auth_token"] != nil
	}
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
	if v.TLSSkipVerify {
		d.risk(noVerify, s.at("tls_skip_verify"))
	}
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
	if err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		d.risk(plainHTTP, at)
	}
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
		d.warnf(s.at("num_retries"), "Unusual value", "A negative \"num_retries\" counts as -1: no retries.")
		return 0
	default:
		return n
	}
}

func defaultTemplateConfig() TemplateConfig {
	return TemplateConfig{
		StaticSecretRenderInterval: 5 * time.Minute,
		MaxConnectionsPerHost:      10,
		LeaseRenewalThreshold:      0.90,
		MaxOutput:                  64 << 20,
		MaxDuration:                30 * time.Second,
		MaxDepth:                   10_000,
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
		MaxOutput:                  get(s, "max_output", def.MaxOutput),
		MaxDuration:                get(s, "max_duration", def.MaxDuration),
		MaxDepth:                   get(s, "max_depth", def.MaxDepth),
	}
	for _, key := range []string{"max_output", "max_duration", "max_depth"} {
		if off(s.vals[key]) {
			d.errorf(s.at(key), "Invalid value", "%q must be more than 0: a template without a limit can stop this host.", key)
		}
	}
	if c.StaticSecretRenderInterval == 0 {
		c.StaticSecretRenderInterval = def.StaticSecretRenderInterval
	}
	if c.MaxConnectionsPerHost <= 0 {
		if c.MaxConnectionsPerHost < 0 {
			d.warnf(s.at("max_connections_per_host"), "Unusual value", "A negative \"max_connections_per_host\" counts as not set: %d.", def.MaxConnectionsPerHost)
		}
		c.MaxConnectionsPerHost = def.MaxConnectionsPerHost
	}
	if c.LeaseRenewalThreshold <= 0 || c.LeaseRenewalThreshold > 1 {
		d.warnf(s.at("lease_renewal_threshold"), "Unusual value", "\"lease_renewal_threshold\" is a part of a lease: more than 0, at most 1. The default, %.2f, counts, so that no secret lapses before it is replaced.", def.LeaseRenewalThreshold)
		c.LeaseRenewalThreshold = def.LeaseRenewalThreshold
	}
	return c
}

// off says whether a number that limits something is none.
func off(v any) bool {
	switch v := v.(type) {
	case int:
		return v <= 0
	case int64:
		return v <= 0
	case time.Duration:
		return v <= 0
	}
	return false
}
