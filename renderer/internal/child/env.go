package child

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// longestVariable is what the kernel takes as one string of an environment,
// NAME= and the byte at its end included (MAX_ARG_STRLEN is 32 pages).
const longestPages = 32

// CleanEnv gives of an environment only what tells a program where it is:
// search path, home, user, language, time zone, terminal.
func CleanEnv(environ []string) []string {
	keep := []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR",
	}
	return only(environ, func(name string) bool {
		return slices.Contains(keep, name) || strings.HasPrefix(name, "LC_")
	})
}

// FilterEnv gives of an environment what a pattern of allow matches and none of
// deny; no allow allows all. Patterns are those of path.Match, for names.
func FilterEnv(environ, allow, deny []string) ([]string, error) {
	for _, p := range slices.Concat(allow, deny) {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("%q is no pattern for names of variables: %w", p, err)
		}
	}
	return only(environ, func(name string) bool {
		return (len(allow) == 0 || matches(allow, name)) && !matches(deny, name)
	}), nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

func only(environ []string, keep func(name string) bool) []string {
	out := make([]string, 0, len(environ))
	for _, kv := range environ {
		if keep(nameOf(kv)) {
			out = append(out, kv)
		}
	}
	return out
}

func nameOf(kv string) string {
	name, _, _ := strings.Cut(kv, "=")
	return name
}

// withoutOurs leaves out what service managers told us and nobody else: a child
// that answered for us would be believed.
func withoutOurs(environ []string, token bool) []string {
	ours := []string{
		"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
		"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES",
	}
	return only(environ, func(name string) bool {
		return !slices.Contains(ours, name) && (token || name != "VAULT_TOKEN")
	})
}

// CheckEnv says what of NAME=value pairs no program can be given: all of it,
// and never a value.
func CheckEnv(environ []string) error {
	var bad []error
	for _, kv := range environ {
		bad = append(bad, checkVariable(kv))
	}
	return errors.Join(bad...)
}

func checkVariable(kv string) error {
	name, value, found := strings.Cut(kv, "=")
	longest := longestPages*os.Getpagesize() - 1
	switch {
	case found && (name == "" || strings.ContainsRune(name, 0)):
		return fmt.Errorf("%q can't be the name of an environment variable", name)
	case !found:
		return errors.New("a variable of the environment has no name") // the text may be a value
	case strings.ContainsRune(value, 0):
		return fmt.Errorf("the value of the environment variable %s has a NUL byte in it, which no environment can hold: encode it (base64Encode) or put it into a file", name)
	case len(kv) > longest:
		return fmt.Errorf("the environment variable %s has %d bytes, but the kernel takes at most %d for one: put it into a file", name, len(kv), longest)
	}
	return nil
}

// merge lays over on top of base; of a name that is there twice the last counts.
func merge(base, over []string) []string {
	set := make(map[string]bool, len(over))
	for _, kv := range over {
		set[nameOf(kv)] = true
	}
	out := only(base, func(name string) bool { return !set[name] })
	return append(out, canonical(over)...)
}

// canonical sorts variables; of a name that is there twice the last stays. Two
// environments are the same when their canonical forms are.
func canonical(environ []string) []string {
	last := make(map[string]string, len(environ))
	for _, kv := range environ {
		last[nameOf(kv)] = kv
	}
	out := make([]string, 0, len(last))
	for _, kv := range last {
		out = append(out, kv)
	}
	slices.Sort(out)
	return out
}

// lookupEnv gives the value of a variable.
func lookupEnv(environ []string, name string) string {
	for _, kv := range slices.Backward(environ) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}
