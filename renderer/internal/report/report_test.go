package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	denied := errors.New("permission denied")
	joined := errors.Join(errors.New("one"), WithHint(errors.New("two"), "do this"))
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"none", nil, ""},
		{"plain", denied, "vault-renderer: error: permission denied\n"},
		{
			"hint", fmt.Errorf("read database/creds/app: %w", WithHint(denied, "let the policy allow it")),
			"vault-renderer: error: read database/creds/app: permission denied\nvault-renderer: hint: let the policy allow it\n",
		},
		{"joined", joined, "vault-renderer: error: one\nvault-renderer: error: two\nvault-renderer: hint: do this\n"},
		{
			"joined inside", fmt.Errorf("template: %w", joined),
			"vault-renderer: error: template: one\nvault-renderer: error: template: two\nvault-renderer: hint: do this\n",
		},
		{
			"two in one sentence", fmt.Errorf("%w, and then %w", denied, errors.New("gone")),
			"vault-renderer: error: permission denied, and then gone\n",
		},
		{
			"same hint twice", errors.Join(WithHint(denied, "h"), WithHint(denied, "h")),
			"vault-renderer: error: permission denied\nvault-renderer: error: permission denied\nvault-renderer: hint: h\n",
		},
		{"control characters", errors.New("a\x1b[2Jb\rc"), "vault-renderer: error: a [2Jb c\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			Error(&b, c.err)
			if got := b.String(); got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

func TestWithHintKeepsTheError(t *testing.T) {
	base := errors.New("x")
	if err := WithHint(base, "y"); !errors.Is(err, base) || err.Error() != "x" {
		t.Errorf("got %v", err)
	}
	if err := WithHint(nil, "y"); err != nil {
		t.Errorf("hint on nothing: %v", err)
	}
}
