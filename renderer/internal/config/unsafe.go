package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// danger is a kind of setting that works and is not safe. Each is said once,
// with all its lines, so that fifty templates do not make fifty warnings.
type danger int

const (
	noPerms danger = iota
	missingKeys
	worldSink
	plainHTTP
	noVerify
	openQuit
	openStatus
	passwordInURL
	secretInFile
)

// risk is one place where a danger is.
type risk struct {
	kind danger
	at   hcl.Range
}

func (d *decoder) risk(kind danger, at hcl.Range) { d.risks = append(d.risks, risk{kind, at}) }

// taken are the risks noted since the last call.
func (d *decoder) taken() []risk {
	out := d.risks
	d.risks = nil
	return out
}

// warning is the summary and the detail for a danger in n places, which ends
// with those places.
func (k danger) warning(n int) (summary, detail string) {
	switch k {
	case noPerms:
		return "Files for everyone to read", count(n, "template has no perms and is", "templates have no perms and are") +
			" written 0644 (readable by everyone) unless the file is there already. Set perms = \"0600\", or strict = true for all"
	case missingKeys:
		return "Missing keys pass", count(n, "template prints", "templates print") +
			" \"<no value>\" for a key that a secret lacks. Set error_on_missing_key = true, or strict = true for all"
	case worldSink:
		return "Token for everyone to read", count(n, "sink has", "sinks have") + " a mode that lets every user read the token. Set mode = 0600"
	case plainHTTP:
		return "Connection without TLS", "Tokens and secrets cross the network in the clear. Use an https:// address"
	case noVerify:
		return "Server not verified", "With tls_skip_verify = true anybody can pose as the Vault server and receive the credentials. Name its CA in ca_cert"
	case openQuit:
		return "Quit from the network", "Whoever reaches this address can end the program. Listen on 127.0.0.1, or use TLS with client certificates"
	case openStatus:
		return "Status from the network", "Whoever reaches this address sees which secrets are in use, and can have them read anew. Use a socket, unix:///..., or an address of this host"
	case passwordInURL:
		return "Password in a URL", "Whoever reads this file has the password in it. Let the application listen on a socket or on 127.0.0.1, where it needs none"
	default:
		return "Secret in the configuration", "Whoever reads this file has the credentials in it. Let the method take them from the environment or the instance"
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// unsafe warns of each kind of danger once.
func (d *decoder) unsafe(risks []risk) {
	for kind := noPerms; kind <= secretInFile; kind++ {
		var at []hcl.Range
		for _, r := range risks {
			if r.kind == kind {
				at = append(at, r.at)
			}
		}
		if len(at) > 0 {
			summary, detail := kind.warning(len(at))
			d.warnf(at[0], summary, "%s%s.", detail, places(at))
		}
	}
}

// places lists lines, by file if there are several, and not too many of them.
func places(at []hcl.Range) string {
	const most = 20
	several := false
	for _, r := range at {
		several = several || r.Filename != at[0].Filename
	}
	var out []string
	for _, r := range at[:min(len(at), most)] {
		p := strconv.Itoa(r.Start.Line)
		if several {
			p = filepath.Base(r.Filename) + ":" + p
		}
		out = append(out, p)
	}
	list := strings.Join(out, ", ")
	if len(at) > most {
		list += fmt.Sprintf(" and %d more", len(at)-most)
	}
	switch {
	case several:
		return ": " + list
	case len(at) == 1: // the diagnostic shows it
		return ""
	}
	return ": lines " + list
}
