package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// masked is the source as diagnostics may show it: with the values of keys that
// hold credentials overwritten, and who logs in with what in a URL, at the same
// offsets.
func masked(src []byte, b *body) []byte {
	names := secretKeys()
	out := bytes.Clone(src)
	if len(b.items) > 0 {
		known := map[string]bool{}
		for _, n := range names {
			known[n] = true
		}
		maskBody(out, b, "", known)
		return out
	}
	// The file could not be parsed.
	pattern := regexp.MustCompile(`(?i)\b(?:` + strings.Join(names, "|") + `)"?[ \t]*[=:][ \t]*"((?:[^"\\\n]|\\.)*)`)
	for _, m := range pattern.FindAllSubmatchIndex(src, -1) {
		blot(out[m[2]:m[3]])
	}
	for _, m := range customList().FindAllSubmatchIndex(src, -1) {
		blot(out[m[2]:m[3]])
	}
	blotLogins(out)
	return out
}

// customList finds a list of variables, as far as it goes.
func customList() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(variableKeys(), "|") + `)"?[ \t]*[=:][ \t\n]*\[((?:[^\]"]|"(?:[^"\\\n]|\\.)*"?)*)`)
}

// maskBody masks what is in the value of the key within, "" at top level. What
// stands in the place of variables is as secret as they are, but for the keys
// that an env block has.
func maskBody(out []byte, b *body, within string, secret map[string]bool) {
	for _, it := range b.items {
		name := strings.ToLower(it.name)
		if slices.Contains(variableKeys(), within) && execEnvSection().key(name) == nil {
			name = within
		}
		maskNode(out, it.val, name, secret)
	}
}

// maskNode masks the value of the key name.
func maskNode(out []byte, n *node, name string, secret map[string]bool) {
	switch r := n.text; {
	case n.obj != nil:
		maskBody(out, n.obj, name, secret)
	case n.list:
		for _, e := range n.elems {
			maskNode(out, e, name, secret)
		}
	case r.Start.Byte > r.End.Byte || r.End.Byte > len(out):
	case secret[name]:
		blot(out[r.Start.Byte:r.End.Byte])
	case name != "contents":
		blotLogins(out[r.Start.Byte:r.End.Byte])
	}
}

// blotLogins overwrites the "user:password" of every URL in a text. (In a
// template it is an action, which people must be able to read.)
func blotLogins(text []byte) {
	for {
		_, rest, found := bytes.Cut(text, []byte("://"))
		if !found {
			return
		}
		host := rest
		if end := bytes.IndexAny(rest, "/?#\"' \t\n"); end >= 0 {
			host = rest[:end]
		}
		if at := bytes.LastIndexByte(host, '@'); at > 0 {
			blot(host[:at])
		}
		text = rest
	}
}

// blot keeps line breaks, so that lines stay where they are, and quotes.
func blot(text []byte) {
	for i, c := range text {
		if c != '\n' && c != '"' {
			text[i] = '*'
		}
	}
}

// secretKeys are the keys whose values are credentials themselves, and words
// under which people write a credential where the name of a file belongs.
func secretKeys() []string {
	return append(variableKeys(),
		"circonus_api_token", "aad", "password", "passwd", "secret_id", "token", "jwt", "vault_token",
		// The keys of methods that the schema calls secret.
		"access_secret", "access_token", "private_key", "secret_key", "session_token",
	)
}

// variableKeys are the key for variables of the child process, which may be
// anything, and what people write in its place.
func variableKeys() []string { return []string{"custom", "env", "environment"} }
