package legacy

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// unit is a systemd unit as the manager reads it: section.Directive -> values.
type unit map[string][]string

// directives are those that the units here use, by section. `systemd-analyze
// verify` has been asked about each.
func directives() map[string][]string {
	return map[string][]string{
		"Unit": {
			"Description", "Documentation", "Wants", "Requires", "After", "Before",
			"ConditionFileNotEmpty", "ConditionPathIsDirectory", "StartLimitIntervalSec", "StartLimitBurst",
		},
		"Service": {
			"Type", "NotifyAccess", "User", "Group", "SupplementaryGroups", "UMask", "PIDFile",
			"Environment", "EnvironmentFile", "ExecStartPre", "ExecStart", "ExecReload",
			"KillMode", "KillSignal", "TimeoutStartSec", "TimeoutStopSec", "Restart", "RestartSec",
			"RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve", "StateDirectory", "StateDirectoryMode",
			"LogsDirectory", "LogsDirectoryMode", "ReadWritePaths",
			"LimitCORE", "LimitMEMLOCK", "AmbientCapabilities", "CapabilityBoundingSet", "NoNewPrivileges",
			"PrivateDevices", "PrivateTmp", "ProtectSystem", "ProtectHome", "ProtectControlGroups", "ProtectKernelModules",
			"ProtectKernelTunables", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "LockPersonality",
			"SystemCallArchitectures",
		},
		"Install": {"WantedBy"},
	}
}

func readUnit(path string) (unit, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	u, section, known := unit{}, "", directives()
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok || !slices.Contains(known[section], k) {
			return nil, fmt.Errorf("%s: systemd has no %q in [%s]", path, line, section)
		}
		u[section+"."+k] = append(u[section+"."+k], v)
	}
	return u, nil
}

// service is the last value of a directive of [Service].
func (u unit) service(name, otherwise string) string {
	if v := u["Service."+name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return otherwise
}

// environment is what the unit adds to the environment; files win.
func (u unit) environment() (map[string]string, error) {
	env := map[string]string{}
	for _, v := range u["Service.Environment"] {
		for _, word := range words(v) {
			k, v, _ := strings.Cut(word, "=")
			env[k] = v
		}
	}
	for _, v := range u["Service.EnvironmentFile"] {
		path, optional := strings.CutPrefix(v, "-")
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) && optional {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && line[0] != '#' {
				env[k] = strings.Trim(v, `"'`)
			}
		}
	}
	return env, nil
}

// command gives the words of an Exec directive. $NAME as a word becomes any
// number of words, ${NAME} stays within one.
func command(line string, env map[string]string) []string {
	var out []string
	for _, w := range words(line) {
		if name, ok := strings.CutPrefix(w, "$"); ok && !strings.HasPrefix(name, "{") {
			out = append(out, words(env[name])...)
			continue
		}
		for name, value := range env {
			w = strings.ReplaceAll(w, "${"+name+"}", value)
		}
		out = append(out, w)
	}
	return out
}

// words splits at blanks outside quotes, which are dropped.
func words(line string) []string {
	var out []string
	var word strings.Builder
	in, quote := false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			in, quote = true, r
		case quote == 0 && (r == ' ' || r == '\t'):
			if in {
				out = append(out, word.String())
			}
			in = false
			word.Reset()
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if in {
		out = append(out, word.String())
	}
	return out
}
