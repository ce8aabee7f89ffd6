package gcp

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// refusal is what Google says of a refused request: OAuth's form, or that of
// the other services.
func refusal(status int, raw []byte) string {
	var o struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(raw, &o) == nil && o.Error != "" {
		return fmt.Sprintf("%s (%s)", o.Error, o.Description)
	}
	var s struct {
		Error struct{ Status, Message string } `json:"error"`
	}
	if json.Unmarshal(raw, &s) == nil && s.Error.Status != "" {
		return fmt.Sprintf("%s (%s)", s.Error.Status, s.Error.Message)
	}
	return fmt.Sprintf("status %d", status)
}

// withoutTokens takes JWTs and Google's access tokens out of a text.
func withoutTokens(s string) string {
	return regexp.MustCompile(`(eyJ|ya29\.)[\w.+/=-]+`).ReplaceAllString(s, "[redacted]")
}
