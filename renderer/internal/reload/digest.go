package reload

import (
	"encoding/json"
	"strings"
)

// Confirms says whether an application's answer (or file) names a digest
// ("sha256:<hex>") as the one in use. The hex part alone is enough, in any
// case. Of a JSON object that has the key "digest" only that key's value counts:
// other keys may say what is coming. An answer that begins like a JSON object
// and is none has been cut, and confirms nothing.
func Confirms(text, digest string) bool {
	_, sum, found := strings.Cut(digest, ":")
	if !found {
		sum = digest
	}
	if sum == "" {
		return false
	}
	text = strings.TrimLeft(text, "\ufeff \t\r\n")
	if strings.HasPrefix(text, "{") {
		var object map[string]json.RawMessage
		if json.NewDecoder(strings.NewReader(text)).Decode(&object) != nil {
			return false
		}
		if value, ok := object["digest"]; ok {
			text = string(value)
		}
	}
	return strings.Contains(strings.ToLower(text), strings.ToLower(sum))
}
