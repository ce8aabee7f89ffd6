package config

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

const (
	defaultGrace      = 10 * time.Second
	defaultExitTime   = 10 * time.Second
	defaultStatusMode = 0o600
	unixScheme        = "unix://"
)

func defaultLeases() Leases { return Leases{Revoke: RevokeAcked, Grace: defaultGrace} }

func (d *decoder) leases(s *scope) *Leases {
	if s == nil {
		return nil
	}
	def := defaultLeases()
	return &Leases{
		ReplaceBefore:  get(s, "replace_before", time.Duration(0)),
		LookupInterval: get(s, "lookup_interval", time.Duration(0)),
		OwnToken:       get(s, "own_token", false),
		Revoke:         RevokeWhen(orElse(get(s, "revoke", ""), string(def.Revoke))),
		Grace:          get(s, "grace", def.Grace),
		Range:          s.def,
	}
}

// ending is what a file says about the end: on_exit and on_exit_timeout.
type ending struct {
	word                string // "" = not set
	timeout             time.Duration
	wordRange, timeoutR hcl.Range
}

func (d *decoder) ending(s *scope) ending {
	e := ending{word: get(s, "on_exit", ""), wordRange: s.at("on_exit")}
	if !valid(s, "on_exit") {
		e.word = "not valid"
	}
	if s.attrs["on_exit_timeout"] != nil {
		e.timeout, e.timeoutR = d.positive(s, "on_exit_timeout", defaultExitTime, false), s.at("on_exit_timeout")
	}
	return e
}

func (d *decoder) status(s *scope) *Status {
	if s == nil {
		return nil
	}
	out := &Status{
		Address: get(s, "address", ""),
		Mode:    get(s, "mode", uint32(defaultStatusMode)),
		User:    get(s, "user", ""),
		Group:   get(s, "group", ""),
		Range:   s.def,
	}
	const form = "unix:///run/vault-renderer/status.sock, or a host and a port such as 127.0.0.1:8290"
	at := s.at("address")
	path, unix := strings.CutPrefix(out.Address, unixScheme)
	switch {
	case out.Address == "" && !valid(s, "address"):
	case out.Address == "":
		d.errorf(at, "Missing address", "\"status\" needs an \"address\": %s.", form)
	case unix && (!filepath.IsAbs(path) || strings.HasSuffix(path, "/")):
		d.errorf(at, "Invalid address", "The path of a socket must be absolute, with three slashes: %s.", form)
	case unix:
	case !hostAndPort(out.Address):
		d.errorf(at, "Invalid address", "\"address\" must be %s.", form)
	default:
		d.idle(s, "without a socket", "mode", "user", "group")
		if !loopback(out.Address) {
			d.risk(openStatus, at)
		}
	}
	return out
}

func hostAndPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	return err == nil && port != ""
}

// url is an address of the application, for reload and ack.
func (d *decoder) url(s *scope, key string) string {
	raw := get(s, key, "")
	if raw == "" {
		return ""
	}
	if path, ok := strings.CutPrefix(raw, unixScheme); ok {
		socket, rest, found := strings.Cut(path, ":/")
		_, err := url.Parse("http://localhost/" + rest)
		if !found || len(socket) < 2 || socket[0] != '/' || err != nil {
			d.errorf(s.at(key), "Invalid URL", "For a socket %q must be its absolute path, a colon and the path to ask for: unix:///run/app.sock:/reload.", key)
		}
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		d.errorf(s.at(key), "Invalid URL", "%q must be a URL such as \"http://127.0.0.1:8080/reload\", \"https://...\" or \"unix:///run/app.sock:/reload\".", key)
		return raw
	}
	if _, has := u.User.Password(); has {
		d.risk(passwordInURL, s.at(key))
	}
	return raw
}
