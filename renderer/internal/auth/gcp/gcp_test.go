package gcp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/auth/gcp"
)

func TestGCE(t *testing.T) {
	g := newGoogle(t)
	m, v := method(t, "gce")
	t.Setenv("GCE_METADATA_HOST", g.host())
	for _, sa := range []string{"", "default", account} {
		m.ServiceAccount = sa
		a, err := m.Login(t.Context())
		if err != nil || a.ClientToken.Reveal() != "canary-token" || v.Path != "PUT /v1/auth/gcp/login" {
			t.Fatalf("%v %s: %v", a, v.Path, err)
		}
		body := v.Bodies[len(v.Bodies)-1]
		claims, err := verify(&g.googles.PublicKey, fmt.Sprint(body["jwt"]))
		if err != nil || claims["aud"] != "https://vault.test:8200/vault/app" || body["role"] != "app" || len(body) != 2 {
			t.Errorf("%v, claims %v: %v", body, claims, err)
		}
	}
	if d := cmp.Diff([]string{"default/identity", "default/identity", account + "/identity"}, g.asked); d != "" {
		t.Error(d)
	}
}

func TestIAM(t *testing.T) {
	user := `{"type":"authorized_user","client_id":"c","client_secret":"canary-c","refresh_token":"canary-refresh"}`
	tests := map[string]func(t *testing.T, g *google, m *gcp.Method){
		"a file": func(t *testing.T, g *google, m *gcp.Method) {
			m.Credentials = cloudtest.Write(t, "key.json", g.keyFile(t, g.key))
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
		},
		"a file's content": func(t *testing.T, g *google, m *gcp.Method) { m.Credentials = "\n" + g.keyFile(t, g.key) },
		"GOOGLE_CREDENTIALS": func(t *testing.T, g *google, _ *gcp.Method) {
			t.Setenv("GOOGLE_CREDENTIALS", g.keyFile(t, g.key))
		},
		"GOOGLE_APPLICATION_CREDENTIALS": func(t *testing.T, g *google, m *gcp.Method) {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", cloudtest.Write(t, "key.json", g.keyFile(t, g.key)))
			m.ServiceAccount = "default"
		},
		"Vault's own file": func(t *testing.T, g *google, _ *gcp.Method) {
			cloudtest.Write(t, filepath.Join(os.Getenv("HOME"), ".gcp", "credentials"), g.keyFile(t, g.key))
		},
		"gcloud's file": func(t *testing.T, g *google, _ *gcp.Method) {
			cloudtest.Write(t, filepath.Join(os.Getenv("HOME"), ".config", "gcloud", "application_default_credentials.json"), g.keyFile(t, g.key))
		},
		"the machine": func(t *testing.T, g *google, _ *gcp.Method) { t.Setenv("GCE_METADATA_HOST", g.host()) },
		"a user": func(t *testing.T, g *google, m *gcp.Method) {
			m.Credentials, m.ServiceAccount = user, account
			m.Transport = g.alone()
		},
	}
	for name, set := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGoogle(t)
			m, v := method(t, "iam")
			m.IAMEndpoint, m.JWTExp = g.url, 5*time.Minute
			set(t, g, m)
			if _, err := m.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			claims, err := verify(&g.key.PublicKey, fmt.Sprint(v.Bodies[0]["jwt"]))
			if err != nil {
				t.Fatal(err)
			}
			if claims["aud"] != "http://vault/app" || claims["sub"] != account || len(claims) != 3 {
				t.Errorf("claims %v", claims)
			}
			exp, _ := claims["exp"].(float64)
			if life := time.Until(time.Unix(int64(exp), 0)); life > 5*time.Minute || life < 4*time.Minute {
				t.Errorf("a life of %v", life)
			}
		})
	}
}

// TestReadAnew: the key file counts as it is at the login.
func TestReadAnew(t *testing.T) {
	g := newGoogle(t)
	m, v := method(t, "iam")
	m.IAMEndpoint = g.url
	m.Credentials = cloudtest.Write(t, "key.json", g.keyFile(t, cloudtest.RSAKey(t)))
	_, err := m.Login(t.Context())
	if err == nil || !regexp.MustCompile(`^gcp: the credentials in /.*/key.json: invalid_grant \(Invalid JWT Signature. \[redacted\]\)$`).MatchString(err.Error()) {
		t.Fatalf("%v", err)
	}
	cloudtest.Write(t, m.Credentials, g.keyFile(t, g.key))
	if _, err := m.Login(t.Context()); err != nil || len(v.Bodies) != 1 {
		t.Error(err)
	}
}

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		kind string
		set  func(t *testing.T, g *google, m *gcp.Method)
		want string
	}{
		"bad type":      {"gke", func(*testing.T, *google, *gcp.Method) {}, `type "gke" is unknown: it is gce or iam`},
		"metadata down": {"gce", func(*testing.T, *google, *gcp.Method) {}, `instance metadata at 127.0.0.1:1: .*refused`},
		"no such account": {"gce", func(t *testing.T, g *google, m *gcp.Method) {
			t.Setenv("GCE_METADATA_HOST", g.host())
			m.ServiceAccount = "gone"
		}, `the machine has no service account gone`},
		"not Google's": {"gce", func(t *testing.T, g *google, _ *gcp.Method) {
			t.Setenv("GCE_METADATA_HOST", g.host())
			g.strange = true
		}, `this is not Google's service`},
		"no credentials": {"iam", func(*testing.T, *google, *gcp.Method) {}, `no credentials found: .*instance metadata at 127.0.0.1:1: .*refused`},
		"no file":        {"iam", func(_ *testing.T, _ *google, m *gcp.Method) { m.Credentials = "/nowhere/key.json" }, `credentials file: open /nowhere/key.json: no such file`},
		"no JSON":        {"iam", func(t *testing.T, _ *google, m *gcp.Method) { m.Credentials = cloudtest.Write(t, "key", "canary-key") }, `are not in the form of a Google credentials file`},
		"bad JSON":       {"iam", func(_ *testing.T, _ *google, m *gcp.Method) { m.Credentials = "{canary-key" }, `the configured credentials are not in the form`},
		"unknown kind":   {"iam", func(_ *testing.T, _ *google, m *gcp.Method) { m.Credentials = `{"type":"canary"}` }, ``},
		"bad key": {"iam", func(_ *testing.T, g *google, m *gcp.Method) {
			m.Credentials = `{"type":"service_account","client_email":"x@y","private_key":"canary-key","token_uri":"` + g.url + `/token"}`
		}, `the configured credentials: .*`},
		"a user alone": {"iam", func(_ *testing.T, g *google, m *gcp.Method) {
			m.Credentials = `{"type":"authorized_user","client_id":"c","client_secret":"canary-c","refresh_token":"canary-refresh"}`
		}, `the configured credentials name no service account: service_account must be set`},
		"ended": {"iam", func(_ *testing.T, g *google, m *gcp.Method) {
			m.Credentials = `{"type":"authorized_user","client_id":"c","client_secret":"canary-c","refresh_token":"canary-old"}`
			m.ServiceAccount, m.Transport = account, g.alone()
		}, `the configured credentials: invalid_grant \(Bad Request \)`},
		"not allowed": {"iam", func(t *testing.T, g *google, m *gcp.Method) {
			m.Credentials, m.ServiceAccount = g.keyFile(t, g.key), "other@x"
		}, `sign a JWT as other@x at http://127.0.0.1:\d+: PERMISSION_DENIED \(iam.serviceAccounts.signJwt denied on other@x to Bearer \[redacted\]\)`},
		"signer down": {"iam", func(t *testing.T, g *google, m *gcp.Method) {
			m.Credentials, m.IAMEndpoint = g.keyFile(t, g.key), "http://127.0.0.1:1"
		}, `sign a JWT as app@.* at http://127.0.0.1:1: .*refused`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGoogle(t)
			m, v := method(t, tc.kind)
			m.IAMEndpoint = g.url
			tc.set(t, g, m)
			_, err := m.Login(t.Context())
			if err == nil || !regexp.MustCompile(`^gcp: .*`+tc.want).MatchString(err.Error()) {
				t.Fatalf("%v", err)
			}
			t.Log(err)
			if text := err.Error(); name != "unknown kind" && strings.Contains(text, "canary") || strings.Contains(text, "\n") || len(v.Bodies) != 0 {
				t.Errorf("%v; Vault was sent %v", err, v.Bodies)
			}
		})
	}
}
