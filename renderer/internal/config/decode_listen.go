package config

import (
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-sockaddr/template"
)

const (
	defaultListen = "127.0.0.1:8200"
	metricsOnly   = "metrics_only"
)

func (d *decoder) listener(s *scope) Listener {
	l := Listener{
		Type:                 strings.ToLower(kind(s)),
		Address:              get(s, "address", ""),
		Role:                 orElse(get(s, "role", ""), "default"),
		RequireRequestHeader: get(s, "require_request_header", false),
		EnableQuit:           get(s.last("agent_api"), "enable_quit", false),
		TLS: ListenerTLS{
			Disable:                    get(s, "tls_disable", false),
			CertFile:                   get(s, "tls_cert_file", ""),
			KeyFile:                    get(s, "tls_key_file", ""),
			MinVersion:                 orElse(get(s, "tls_min_version", ""), "tls12"),
			MaxVersion:                 orElse(get(s, "tls_max_version", ""), "tls13"),
			CipherSuites:               d.cipherSuites(s),
			RequireAndVerifyClientCert: get(s, "tls_require_and_verify_client_cert", false),
			ClientCAFile:               get(s, "tls_client_ca_file", ""),
			DisableClientCerts:         get(s, "tls_disable_client_certs", false),
		},
		SocketMode:  get(s, "socket_mode", ""),
		SocketUser:  get(s, "socket_user", ""),
		SocketGroup: get(s, "socket_group", ""),
		Range:       s.def,
	}
	if d.listenerType(s, l.Type) {
		l.Address = d.listenAddress(s, l)
	}
	if !l.TLS.Disable && valid(s, "tls_disable") {
		d.listenerTLS(s, l.TLS)
	}
	d.socket(s, l)
	if l.Role != metricsOnly {
		d.notYet(s.at("role"), proxyListener(l.Role))
	}
	if l.EnableQuit && l.TLS.Disable && l.Type == "tcp" && !loopback(l.Address) {
		d.risk(openQuit, s.last("agent_api").at("enable_quit"))
	}
	return l
}

// proxyListener says why a role is refused. Vault Agent takes every role that
// it does not know as the default one.
func proxyListener(role string) string {
	about := "A listener serves the proxy unless it has role = \"metrics_only\"."
	if role != "default" {
		about += didYouMean(role, []string{metricsOnly})
	}
	return about + " There is no proxy: let the application read a rendered file or the token sink."
}

func (d *decoder) listenerType(s *scope, name string) bool {
	switch {
	case name == "tcp", name == "unix":
		return true
	case name == "" && !valid(s, "type"):
		// The type was not valid, and that was said.
	case name == "":
		d.errorf(s.def, "Missing type", "The listener needs a type: listener \"tcp\" { ... } or listener \"unix\" { ... }.")
	default:
		d.errorf(s.at("type"), "Unknown listener", "A listener's type must be \"tcp\" or \"unix\".%s", didYouMean(name, []string{"tcp", "unix"}))
	}
	return false
}

// listenAddress resolves go-sockaddr's templates, such as {{ GetPrivateIP }}.
func (d *decoder) listenAddress(s *scope, l Listener) string {
	addr := orElse(l.Address, defaultListen)
	if strings.Contains(addr, "{{") {
		out, err := template.Parse(addr)
		if err != nil {
			d.errorf(s.at("address"), "Invalid address", "The template in \"address\" is not one that go-sockaddr knows, such as {{ GetPrivateIP }}.")
			return addr
		}
		addr = out
	}
	if l.Type == "unix" {
		return addr
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil && valid(s, "address") {
		d.errorf(s.at("address"), "Invalid address", "\"address\" must be a host and a port, such as %q.", defaultListen)
	}
	return addr
}

// loopback holds for addresses that only this machine reaches.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (d *decoder) listenerTLS(s *scope, t ListenerTLS) {
	for _, k := range []string{"tls_cert_file", "tls_key_file"} {
		if get(s, k, "") == "" && valid(s, k) {
			d.errorf(s.at(k), "Missing "+k, "A listener needs \"tls_cert_file\" and \"tls_key_file\", or tls_disable = true.")
			break
		}
	}
	d.exists(t.CertFile, s.at("tls_cert_file"), "certificate")
	d.exists(t.KeyFile, s.at("tls_key_file"), "key")
	if t.ClientCAFile != "" && t.RequireAndVerifyClientCert {
		d.exists(t.ClientCAFile, s.at("tls_client_ca_file"), "certificate")
	}
	order := tlsVersions()
	if slices.Index(order, t.MinVersion) > slices.Index(order, t.MaxVersion) {
		d.errorf(s.at("tls_min_version"), "Invalid value", "\"tls_min_version\" (%s) must not exceed \"tls_max_version\" (%s).", t.MinVersion, t.MaxVersion)
	}
	if t.RequireAndVerifyClientCert && t.DisableClientCerts {
		d.errorf(s.at("tls_disable_client_certs"), "Contradiction", "\"tls_disable_client_certs\" and \"tls_require_and_verify_client_cert\" cannot both be true.")
	}
}

func (d *decoder) cipherSuites(s *scope) []string {
	var known, out []string
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known = append(known, c.Name)
	}
	for _, name := range strings.Split(get(s, "tls_cipher_suites", ""), ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case slices.Contains(known, name):
			out = append(out, name)
		default:
			d.errorf(s.at("tls_cipher_suites"), "Invalid value", "\"tls_cipher_suites\" must hold names such as %q, separated by commas.", known[len(known)/2])
		}
	}
	return out
}

// socket checks what is applied only when all three are set.
func (d *decoder) socket(s *scope, l Listener) {
	keys := []string{"socket_mode", "socket_user", "socket_group"}
	set := 0
	for _, k := range keys {
		if get(s, k, "") != "" {
			set++
		}
	}
	switch {
	case set == 0:
	case l.Type == "tcp":
		d.idle(s, "for type \"tcp\"", keys...)
	case set < len(keys):
		d.idle(s, "unless socket_mode, socket_user and socket_group are all set", keys...)
	default:
		if _, err := strconv.ParseUint(l.SocketMode, 8, 32); err != nil {
			d.errorf(s.at("socket_mode"), "Invalid permissions", "\"socket_mode\" must be octal permissions such as \"0660\".")
		}
	}
}

func (d *decoder) telemetry(s *scope) *Telemetry {
	if s == nil {
		return nil
	}
	t := &Telemetry{
		MetricsPrefix:           orElse(get(s, "metrics_prefix", ""), "vault"),
		DisableHostname:         get(s, "disable_hostname", false),
		EnableHostnameLabel:     get(s, "enable_hostname_label", false),
		StatsiteAddress:         get(s, "statsite_address", ""),
		StatsdAddress:           get(s, "statsd_address", ""),
		DogStatsDAddress:        get(s, "dogstatsd_addr", ""),
		DogStatsDTags:           get(s, "dogstatsd_tags", []string(nil)),
		PrometheusRetentionTime: get(s, "prometheus_retention_time", 24*time.Hour),
		FilterDefault:           get(s, "filter_default", true),
		Range:                   s.def,
	}
	for _, rule := range get(s, "prefix_filter", []string(nil)) {
		switch {
		case strings.HasPrefix(rule, "+"):
			t.AllowedPrefixes = append(t.AllowedPrefixes, rule[1:])
		case strings.HasPrefix(rule, "-"):
			t.BlockedPrefixes = append(t.BlockedPrefixes, rule[1:])
		default:
			d.errorf(s.at("prefix_filter"), "Invalid value", "Every rule of \"prefix_filter\" must begin with \"+\" (keep) or \"-\" (drop).")
		}
	}
	return t
}
