package devvault

import (
	"slices"
	"testing"
)

func TestMostSpecificRuleWins(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	s.policies["p"] = mustPolicy(`
path "secret/*"           { capabilities = ["read"] }
path "secret/team/*"      { capabilities = ["list"] }
path "secret/team/exact"  { capabilities = ["update"] }
path "secret/+/exact"     { capabilities = ["delete"] }
path "secret/team/no/*"   { capabilities = ["deny"] }
path "old/*"              { policy = "write" }
`)
	s.policies["q"] = mustPolicy(`path "secret/*" { capabilities = ["create"] }`)
	tok := &token{policies: []string{"p", "q", "missing"}}
	for path, want := range map[string][]string{
		"secret/x":          {"create", "read"},
		"secret/team/x":     {"list"},
		"secret/team/exact": {"update"},
		"secret/b/exact":    {"delete"},
		"secret/team/no/x":  {"deny"},
		"secret":            {"deny"},
		"old/a":             {"create", "delete", "list", "read", "update"},
	} {
		if got := s.capabilities(tok, path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestParameterRules(t *testing.T) {
	ru := mustPolicy(`path "x" {
  capabilities = ["update"]
  allowed_parameters = { "lease_id" = ["database/creds/app/*"], "sync" = [] }
  denied_parameters = { "evil" = [] }
  required_parameters = ["lease_id"]
}`).rules[0]
	for name, c := range map[string]struct {
		body map[string]any
		want bool
	}{
		"matches":         {map[string]any{"lease_id": "database/creds/app/1"}, true},
		"any value":       {map[string]any{"lease_id": "database/creds/app/1", "sync": true}, true},
		"other value":     {map[string]any{"lease_id": "auth/x"}, false},
		"other parameter": {map[string]any{"lease_id": "database/creds/app/1", "foo": 1}, false},
		"denied":          {map[string]any{"lease_id": "database/creds/app/1", "evil": 1}, false},
		"required":        {map[string]any{"sync": true}, false},
	} {
		if got := ru.admits(c.body); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
