package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

const (
	defaultReadyTimeout  = time.Minute
	defaultReadyInterval = 100 * time.Millisecond
	defaultSocketMode    = 0o600
	longestSocketPath    = 107 // bytes that fit into an address of the kernel's
)

func (d *decoder) ready(s *scope) *Ready {
	if s == nil {
		return nil
	}
	r := &Ready{
		URL:      d.url(s, "url"),
		Address:  get(s, "address", ""),
		Command:  d.program(s),
		File:     get(s, "file", ""),
		Notify:   get(s, "notify", false),
		Timeout:  d.positive(s, "timeout", defaultReadyTimeout, false),
		Interval: d.positive(s, "interval", defaultReadyInterval, false),
		Range:    s.def,
	}
	if d.oneWay(s, "how the program shows that it is ready", "url", "address", "command", "file", "notify") == "notify" {
		d.idle(s, "for a program that says so by itself", "interval")
	} else {
		d.looks(s, r.Interval, r.Timeout, "the program would be looked at only once")
	}
	if strings.HasPrefix(r.URL, unixScheme) {
		d.errorf(s.at("url"), "Invalid URL", "\"url\" must begin with http:// or https:// here; for a socket write a \"command\".")
	}
	if r.Address != "" && !hostAndPort(r.Address) {
		d.errorf(s.at("address"), "Invalid address", "\"address\" must be a host and a port, such as 127.0.0.1:8080.")
	}
	return r
}

// rollingSockets refuses to ask at a socket that old and new child share: the
// old one could answer.
func (d *decoder) rollingSockets(x *Supervise, ready *scope) {
	if x.Ready == nil || x.RestartOnSecretChanges != RestartRolling {
		return
	}
	for _, k := range x.Sockets {
		for key, addr := range map[string]string{"address": x.Ready.Address, "url": hostOf(x.Ready.URL)} {
			if addr != "" && addr == k.Address {
				d.errorf(ready.at(key), "Shared socket", "Old and new program share the socket on line %d, and the old one could answer for the new one. Write \"notify\", \"file\" or \"command\".", k.Range.Start.Line)
			}
		}
	}
}

func (d *decoder) sockets(list []*scope) []Socket {
	var out []Socket
	names, addresses := map[string]hcl.Range{}, map[string]hcl.Range{}
	for _, s := range list {
		k := d.childSocket(s)
		if prev, ok := names[k.Name]; ok && k.Name != "" {
			d.errorf(s.def, "Repeated socket", "The socket on line %d has the same name; the program could not tell them apart.", prev.Start.Line)
		}
		if prev, ok := addresses[k.Network+k.Address]; ok && k.Address != "" {
			d.errorf(s.at("address"), "Repeated address", "The socket on line %d has the same address.", prev.Start.Line)
		}
		names[k.Name], addresses[k.Network+k.Address] = s.def, s.def
		out = append(out, k)
	}
	return out
}

func (d *decoder) childSocket(s *scope) Socket {
	k := Socket{
		Network: orElse(get(s, "network", ""), "tcp"),
		Address: get(s, "address", ""),
		Mode:    get(s, "mode", uint32(defaultSocketMode)),
		Range:   s.def,
	}
	if len(s.labels) == 1 && regexp.MustCompile(`^[!-9;-~]{1,255}$`).MatchString(s.labels[0]) {
		k.Name = s.labels[0]
	} else {
		d.errorf(s.def, "Missing name", "A \"socket\" takes one label, its name, without blanks and colons: socket \"http\" { ... }. The program finds it in LISTEN_FDNAMES.")
	}
	at, local := s.at("address"), strings.HasPrefix(k.Network, "unix")
	abstract := strings.HasPrefix(k.Address, "@")
	switch {
	case !valid(s, "address") || !valid(s, "network"):
	case k.Address == "":
		d.errorf(at, "Missing address", "\"socket\" needs an \"address\": a host and a port such as 127.0.0.1:8080; for a unix socket an absolute path.")
	case local && (!abstract && (!filepath.IsAbs(k.Address) || strings.HasSuffix(k.Address, "/")) || len(k.Address) > longestSocketPath):
		d.errorf(at, "Invalid address", "The address of a unix socket must be an absolute path, or @name, of at most %d bytes.", longestSocketPath)
	case !local && filepath.IsAbs(k.Address):
		d.errorf(at, "Invalid address", "For a socket with a path write network = \"unix\".")
	case !local && (!hostAndPort(k.Address) || strings.HasSuffix(k.Address, ":0")):
		d.errorf(at, "Invalid address", "\"address\" must be a host and a port that is not 0, such as 127.0.0.1:8080.")
	}
	if !local || abstract {
		d.idle(s, "for a socket without a path", "mode")
	}
	return k
}
