package reload

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// Environ is the process's environment for a hook: without the token that the
// agent itself may have been given, and with set instead of what is there.
func Environ(set map[string]string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, replaced := set[name]
		return name == "VAULT_TOKEN" || replaced
	})
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		env = append(env, n+"="+set[n])
	}
	return env
}

// environ is env (nil = the process's own) with what a command may want to know
// of g: who, which, and where. Of a name that is there twice the last counts.
func (g Generation) environ(env []string) []string {
	if env == nil {
		env = Environ(nil)
	}
	return append(slices.Clone(env),
		"VAULT_RENDERER_ROLLOUT="+g.Rollout,
		"VAULT_RENDERER_GENERATION="+strconv.FormatUint(g.N, 10),
		"VAULT_RENDERER_DIGEST="+g.Digest,
		"VAULT_RENDERER_FILES="+strings.Join(g.paths(), "\n"),
		"VAULT_RENDERER_STAGED="+strings.Join(g.staged(), "\n"),
	)
}
