package devvault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/testbed/devvault"
)

// creds asks for credentials as the wire has it.
func creds(ctx context.Context, c *http.Client, addr, token string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, addr+"/v1/database/creds/app", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Vault-Token", token)
	return c.Do(r)
}

func TestRefusalWithRetryAfter(t *testing.T) {
	s, db, _ := withDatabase(t)
	s.SetFaults(func(*http.Request) devvault.Fault {
		return devvault.Fault{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second}
	})
	resp, err := creds(t.Context(), &http.Client{Transport: s.Transport()}, "http://vault", s.RootToken())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	const want = `{"errors":["request path \"database/creds/app\": rate limit quota exceeded"]}` + "\n"
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || string(body) != want || len(db.Users()) != 0 {
		t.Errorf("%d, %s, %s, %v", resp.StatusCode, resp.Header.Get("Retry-After"), body, db.Users())
	}
}

// TestSlowAnswer: late, but whole; and a client that does not wait gets its own
// error, and has nothing done for it.
func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db, _ := withDatabase(t)
		s.SetFaults(func(*http.Request) devvault.Fault { return devvault.Fault{Delay: 5 * time.Second} })
		start := time.Now()
		resp, err := creds(t.Context(), &http.Client{Transport: s.Transport()}, "http://vault", s.RootToken())
		if err != nil || resp.StatusCode != 200 || time.Since(start) != 5*time.Second || len(db.Users()) != 1 {
			t.Fatalf("%v after %v, %v", err, time.Since(start), db.Users())
		}
		_ = resp.Body.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		resp, err = creds(ctx, &http.Client{Transport: s.Transport()}, "http://vault", s.RootToken())
		if !errors.Is(err, context.DeadlineExceeded) || len(db.Users()) != 1 {
			t.Errorf("%v, %v, %v", resp, err, db.Users())
		}
	})
}

// TestLostAndCutAnswers: the work is done, and the client can't know what it
// gave; the same through memory and through a socket.
func TestLostAndCutAnswers(t *testing.T) {
	s, db, _ := withDatabase(t)
	addr, stop, err := s.ServeTCP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	direct := &http.Client{Transport: s.Transport()}
	socket := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	accounts := 0
	for _, c := range []struct {
		name   string
		client *http.Client
		addr   string
	}{{"memory", direct, "http://vault"}, {"socket", socket, addr}} {
		s.SetFaults(func(*http.Request) devvault.Fault { return devvault.Fault{Break: true} })
		if resp, err := creds(t.Context(), c.client, c.addr, s.RootToken()); err == nil || len(db.Users()) != accounts {
			t.Errorf("%s: broken: %v, %v", c.name, resp, db.Users())
		}
		s.SetFaults(func(*http.Request) devvault.Fault { return devvault.Fault{Lose: true} })
		accounts++
		if resp, err := creds(t.Context(), c.client, c.addr, s.RootToken()); err == nil || len(db.Users()) != accounts {
			t.Errorf("%s: lost: %v, %v", c.name, resp, db.Users())
		}
		s.SetFaults(func(*http.Request) devvault.Fault { return devvault.Fault{Cut: true} })
		accounts++
		resp, err := creds(t.Context(), c.client, c.addr, s.RootToken())
		if err != nil || len(db.Users()) != accounts {
			t.Fatalf("%s: cut: %v, %v", c.name, err, db.Users())
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(string(body), `{"request_id":`) || int64(len(body)) >= resp.ContentLength {
			t.Errorf("%s: cut: %v after %d of %d bytes", c.name, err, len(body), resp.ContentLength)
		}
		s.SetFaults(nil)
		accounts++
		resp, err = creds(t.Context(), c.client, c.addr, s.RootToken())
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: and then: %v", c.name, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("%s: and then: %v", c.name, err)
		}
		_ = resp.Body.Close()
	}
}
