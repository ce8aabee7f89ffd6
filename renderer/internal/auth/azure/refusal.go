package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"vault-renderer/renderer/internal/auth/cloud"
)

// refusal is what Azure says of a refused request.
func refusal(a cloud.Answer) string {
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(a.Body, &e) != nil || e.Error == "" {
		return fmt.Sprintf("status %d", a.Status)
	}
	first, _, _ := strings.Cut(e.Description, "\n") // below are ids for Microsoft's support
	return fmt.Sprintf("%s (%s)", e.Error, strings.TrimSpace(first))
}

// redact takes a secret that an answer repeats out of an error.
func redact(err error, secret string) error {
	if secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "[redacted]"))
}
