package web

import (
	"regexp"
	"strings"
)

const masked = "••••••••"

var (
	// secretKey matches names whose values are nobody's business.
	secretKey = regexp.MustCompile(`(?i)pass|pwd|secret|token|credential|private|api_?key|access_?key`)
	keyValue  = regexp.MustCompile(`^(\s*[#;]?\s*[A-Za-z_][A-Za-z0-9_.\-]*\s*[=:]\s*)(.*)$`)
	userInfo  = regexp.MustCompile(`(://[^/\s:@]*:)[^@\s]+@`)
)

// mask hides the secrets of a configuration file's text: values of keys with
// telling names, passwords in URLs, PEM blocks, every line that is no INI at
// all (it may be the rest of a value), and the known secrets wherever they
// stand.
func mask(text string, secrets ...string) string {
	var out strings.Builder
	block := false // inside -----BEGIN ... END-----
	for line := range strings.Lines(text) {
		body := strings.TrimRight(line, "\r\n")
		block = block || strings.Contains(body, "-----BEGIN")
		if block {
			block = !strings.Contains(body, "-----END")
			body = masked
		} else {
			body = maskLine(body)
		}
		for _, secret := range secrets {
			if secret != "" {
				body = strings.ReplaceAll(body, secret, masked)
			}
		}
		out.WriteString(body + "\n")
	}
	return out.String()
}

func maskLine(line string) string {
	trimmed := strings.TrimSpace(line)
	if trimmed == "" || strings.HasPrefix(trimmed, "[") && strings.HasSuffix(trimmed, "]") {
		return line
	}
	m := keyValue.FindStringSubmatch(line)
	switch {
	case m == nil && strings.HasPrefix(trimmed, "#"), m == nil && strings.HasPrefix(trimmed, ";"):
		return line // a comment in words
	case m == nil:
		return masked
	case m[2] != "" && secretKey.MatchString(m[1]):
		return m[1] + masked
	default:
		return userInfo.ReplaceAllString(line, "${1}"+masked+"@")
	}
}
