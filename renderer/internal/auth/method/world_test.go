package method_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/capture"
)

// asked is one request that Vault got.
type asked struct {
	path  string // without /v1/
	token string
	body  map[string]any
}

// fake is a Vault that answers as the test says, and whatever a method needs
// around it.
type fake struct {
	t      *testing.T
	dir    string
	log    capture.Buffer
	client *vault.Client

	mu     sync.Mutex
	asked  []asked
	status int // of the next answers; 0 = no connection
	body   string
	hook   func() // called at each request
}

const granted = `{"auth":{"client_token":"canary-token","accessor":"a","policies":["p"],"token_policies":["p"],"lease_duration":60,"renewable":true}}`

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, dir: t.TempDir(), status: 200, body: granted}
	c, err := vault.New(vault.Options{Address: "http://vault", Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	f.client = c
	t.Cleanup(func() {
		if strings.Contains(f.log.String(), "canary-") {
			t.Errorf("a secret in the log:\n%s", f.log.String())
		}
	})
	return f
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := asked{path: strings.TrimPrefix(r.URL.Path, "/v1/"), token: r.Header.Get("X-Vault-Token")}
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &a.body); err != nil {
				return nil, err
			}
		}
	}
	f.asked = append(f.asked, a)
	if f.hook != nil {
		f.hook()
	}
	if f.status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{
		StatusCode: f.status, Status: fmt.Sprint(f.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(f.body)), ContentLength: int64(len(f.body)), Request: r,
	}, nil
}

// answers sets what Vault says from now on.
func (f *fake) answers(status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.body = status, body
}

// before has hook called before each answer.
func (f *fake) before(hook func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// got is what was asked since the last call.
func (f *fake) got() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.asked
	f.asked = nil
	return out
}

func (f *fake) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&f.log, nil)) }

func (f *fake) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fake) write(name, content string) string {
	f.t.Helper()
	p := f.path(name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return p
}

// link makes name a symlink to target.
func (f *fake) link(name, target string) string {
	f.t.Helper()
	p := f.path(name)
	if err := os.Symlink(target, p); err != nil {
		f.t.Fatal(err)
	}
	return p
}

// exists does not follow a symlink.
func (f *fake) exists(name string) bool {
	_, err := os.Lstat(f.path(name))
	return err == nil
}

type loginer interface {
	Login(context.Context) (*vault.Auth, error)
}

// sends logs in and checks what Vault got.
func (f *fake) sends(m loginer, path string, body map[string]any) {
	f.t.Helper()
	a, err := m.Login(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	if a.ClientToken.Reveal() != "canary-token" {
		f.t.Errorf("token %q", a.ClientToken.Reveal())
	}
	got := f.got()
	if len(got) != 1 || got[0].path != path || got[0].token != "" || !maps.Equal(got[0].body, body) {
		f.t.Errorf("Vault got %q, want %s %q", got, path, body)
	}
}

// fails logs in and wants an error with all these words and no secret; asks
// says whether Vault may be asked.
func (f *fake) fails(m loginer, asks bool, words ...string) {
	f.t.Helper()
	_, err := m.Login(f.t.Context())
	if err == nil {
		f.t.Fatalf("logged in; want an error with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			f.t.Errorf("%q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "canary-") {
		f.t.Errorf("a secret in %q", err)
	}
	if got := f.got(); (len(got) > 0) != asks {
		f.t.Errorf("Vault got %q", got)
	}
}
