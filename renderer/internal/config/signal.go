package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// signalNames are the signals worth sending to a process that shall reload.
func signalNames() []string {
	return []string{
		"SIGABRT", "SIGALRM", "SIGBUS", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT", "SIGIO", "SIGKILL", "SIGPIPE", "SIGPROF", "SIGQUIT", "SIGSEGV",
		"SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM",
		"SIGWINCH", "SIGXCPU", "SIGXFSZ",
	}
}

// signal takes "SIGHUP", "sighup" and "HUP".
func (d *decoder) signal(s string, at hcl.Range) (any, bool) {
	if s == "" {
		return nil, false // as if not written, as in Vault Agent
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if name == "SIGIOT" {
		name = "SIGABRT" // one signal, two names
	}
	if !slices.Contains(signalNames(), name) {
		d.errorf(at, "Unknown signal", "There is no signal of that name; write one such as \"SIGHUP\" or \"SIGUSR1\".")
		return nil, false
	}
	return name, true
}
