package vault

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestMintSecretID(t *testing.T) {
	var asked *http.Request
	var body string
	status, text := 200, `{"wrap_info":{"token":"canary-wrapping","ttl":90,"creation_time":"2026-01-02T03:04:05Z","creation_path":"auth/approle/role/app/secret-id","wrapped_accessor":"acc"}}`
	s := session(t, answer(func(r *http.Request) (int, string) {
		raw, _ := io.ReadAll(r.Body)
		asked, body = r, string(raw)
		return status, text
	}), Options{})
	info, err := s.MintSecretID(t.Context(), "auth/approle/role/app/secret-id", 90*time.Second, 2*time.Minute)
	if err != nil || info.Token.Reveal() != "canary-wrapping" || info.WrappedAccessor != "acc" {
		t.Errorf("%+v %v", info, err)
	}
	if asked.Method != "PUT" || asked.URL.Path != "/v1/auth/approle/role/app/secret-id" || body != `{"ttl":120}` ||
		asked.Header.Get("X-Vault-Wrap-TTL") != "90s" || asked.Header.Get("X-Vault-Token") != "canary-token" {
		t.Errorf("asked %s %s %s %v", asked.Method, asked.URL, body, asked.Header)
	}
	if _, err := s.MintSecretID(t.Context(), "p", time.Minute, 0); err != nil || body != `{}` {
		t.Errorf("%s %v", body, err)
	}
	for _, c := range []struct {
		status int
		answer string
		want   Class
	}{
		{403, errorsBody("permission denied"), Denied},
		{200, `{"data":{"secret_id":"canary-plain"}}`, Invalid},
		{204, "", Invalid},
	} {
		status, text = c.status, c.answer
		_, err := s.MintSecretID(t.Context(), "p", time.Minute, 0)
		if err == nil || ClassOf(err) != c.want || strings.Contains(err.Error(), "canary-") || !strings.Contains(err.Error(), "mint a SecretID at p") {
			t.Errorf("%d: %v", c.status, err)
		}
	}
}

func TestSecretIDEnd(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		end    time.Time
		ok     bool
	}{
		{200, `{"data":{"expiration_time":"2026-01-02T03:04:05.6Z"}}`, time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC), true},
		{200, `{"data":{"expiration_time":"0001-01-01T00:00:00Z"}}`, time.Time{}, true},
		{204, "", time.Time{}, false},
		{403, errorsBody("permission denied"), time.Time{}, false},
	} {
		s := session(t, answer(func(r *http.Request) (int, string) {
			if r.URL.Path != "/v1/p/lookup" {
				t.Errorf("asked %s", r.URL)
			}
			return c.status, c.body
		}), Options{})
		end, ok, err := s.SecretIDEnd(t.Context(), "p", NewToken("canary-id"))
		if !end.Equal(c.end) || ok != c.ok || (err != nil) != (c.status == 403) {
			t.Errorf("%s: %v %v %v", c.body, end, ok, err)
		}
	}
}

func TestLookupWrapping(t *testing.T) {
	s := session(t, answer(func(r *http.Request) (int, string) {
		if r.Header.Get("X-Vault-Token") != "canary-w" {
			t.Errorf("asked with %q", r.Header)
		}
		return 200, `{"data":{"creation_path":"a/b","creation_time":"2026-01-02T03:04:05Z","creation_ttl":60}}`
	}), Options{})
	w, err := s.c.LookupWrapping(t.Context(), NewToken("canary-w"))
	if err != nil || w != (Wrapping{Path: "a/b", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), TTL: time.Minute}) {
		t.Errorf("%+v %v", w, err)
	}
}
