package method_test

import (
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// A login is a look-up with the trimmed token, wherever the method is mounted.
func TestTokenFile(t *testing.T) {
	for name, c := range map[string]struct {
		data      string
		ttl       time.Duration
		renewable bool
	}{
		"service":        {`"ttl":60,"renewable":true`, time.Minute, true},
		"batch":          {`"ttl":60,"renewable":false`, time.Minute, false},
		"without an end": {`"ttl":0,"renewable":false,"policies":["p"]`, 0, false},
		"root":           {`"ttl":0,"renewable":false,"policies":["root"]`, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			m := &method.TokenFile{Client: f.client, TokenFilePath: f.write("token", "\n canary-1 \n"), Log: f.logger()}
			f.answers(200, `{"data":{"accessor":"a",`+c.data+`}}`)
			a, err := m.Login(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if a.ClientToken.Reveal() != "canary-1" || a.TTL.TTL != c.ttl || a.TTL.Renewable != c.renewable {
				t.Errorf("%q %+v", a.ClientToken.Reveal(), a.TTL)
			}
			if got := f.got(); len(got) != 1 || got[0].path != "auth/token/lookup-self" || got[0].token != "canary-1" {
				t.Errorf("asked %q", got)
			}
			if !f.exists("token") {
				t.Error("the file is gone")
			}
		})
	}
}

// Another token is found at the next login; one that ended is reported.
func TestTokenFileReplaced(t *testing.T) {
	f := newFake(t)
	m := &method.TokenFile{Client: f.client, TokenFilePath: f.write("token", "canary-1"), Log: f.logger()}
	f.answers(403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`)
	f.fails(m, true, "look up the token", "invalid token")
	f.answers(200, `{"data":{"ttl":60}}`)
	f.write("token", "canary-2")
	if a, err := m.Login(t.Context()); err != nil || !a.ClientToken.Equal(vault.NewToken("canary-2")) {
		t.Error(err)
	}
}
