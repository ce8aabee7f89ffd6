package proof

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/testbed/capture"
)

// memory is a method's memory that a restart survives.
type memory struct {
	mu    sync.Mutex
	bytes []byte
}

func (m *memory) Load() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.bytes)
}

func (m *memory) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes = bytes.Clone(b)
	return nil
}

// renewing is a role whose program renews its SecretID.
type renewing struct {
	*suite
	t    *testing.T
	at   string // where SecretIDs are minted
	m    *method.AppRole
	log  *capture.Buffer
	out  chan auth.Event
	stop func()
}

// newRenewing makes a role; its tokens live for three seconds.
func (s *suite) newRenewing(t *testing.T, name string, role map[string]any) *renewing {
	t.Helper()
	dir := t.TempDir()
	r := &renewing{suite: s, t: t, at: "auth/approle/role/" + name + "/secret-id"}
	id, _ := s.role(t, name, role)
	s.put(t, "auth/approle/role/"+name, map[string]any{"token_policies": "proof," + name, "token_ttl": "3s", "token_max_ttl": "3s"})
	r.allow(name, true)
	log, text := logger(t)
	r.log = text
	r.m = &method.AppRole{
		Client: s.client(t, vault.Options{}), MountPath: "auth/approle", RoleIDFilePath: write(t, dir, "role_id", id),
		SecretIDFilePath: write(t, dir, "secret_id", ""), SecretIDRenew: true, SecretIDRenewPath: r.at,
		Lookup: 300 * time.Millisecond, Memory: &memory{}, Log: log,
	}
	t.Cleanup(r.kill)
	return r
}

func (r *renewing) allow(name string, mint bool) {
	rule := `path "secret/*" { capabilities = ["read"] }`
	if mint { // the line that the program's log says
		rule = fmt.Sprintf(`path "%s" { capabilities = ["update"] }`, r.at)
	}
	r.put(r.t, "sys/policies/acl/"+name, map[string]any{"policy": rule})
}

func (r *renewing) deliver(content string) {
	r.t.Helper()
	if err := os.WriteFile(r.m.SecretIDFilePath, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *renewing) keep() {
	n := uint64(0)
	k := auth.New(auth.Options{Client: r.m.Client, Method: r.m, Log: r.m.Log, Number: func() uint64 { n++; return n }})
	ctx, cancel := context.WithCancel(r.t.Context())
	out, done := make(chan auth.Event, 1000), make(chan struct{})
	go func() {
		defer close(done)
		_ = k.Run(ctx, out)
	}()
	r.out, r.stop = out, func() { cancel(); <-done }
}

func (r *renewing) kill() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// restart is another process.
func (r *renewing) restart() {
	r.kill()
	old := r.m
	r.m = restarted(old)
	r.m.SecretIDRenew, r.m.SecretIDRenewPath, r.m.Lookup, r.m.Memory = true, old.SecretIDRenewPath, old.Lookup, old.Memory
	r.keep()
}

// comes waits for n events of a kind, and wants none of another.
func (r *renewing) comes(n int, what string, is func(auth.Event) bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for n > 0 {
		select {
		case e := <-r.out:
			switch {
			case is(e):
				n--
			case e.Err != nil || e.Alarm != "":
				r.t.Fatalf("while waiting for %s: %v %q\n%s", what, e.Err, e.Alarm, r.log)
			}
		case <-deadline:
			r.t.Fatalf("%d more of %s did not come\n%s", n, what, r.log)
		}
	}
}

func (r *renewing) logsIn(n int) {
	r.t.Helper()
	r.comes(n, "a login", func(e auth.Event) bool { return e.Session != nil })
}

func (r *renewing) alarms() {
	r.t.Helper()
	r.comes(1, "an alarm", func(e auth.Event) bool { return e.Alarm != "" })
}

// ready waits until a wrapping token that differs from old is in the file, and
// gives it with what Vault says of it.
func (r *renewing) ready(old string) (string, vault.Wrapping) {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < 20*time.Second; <-tick.C {
		raw, err := os.ReadFile(r.m.SecretIDFilePath)
		token := strings.TrimSpace(string(raw))
		if err != nil || token == old || token == "" {
			continue
		}
		if w, err := r.m.Client.LookupWrapping(r.t.Context(), vault.NewToken(token)); err == nil && w.Path == r.at {
			return token, w
		}
	}
	r.t.Fatalf("no SecretID is ready\n%s", r.log)
	return "", vault.Wrapping{}
}

// Single-use SecretIDs over several logins and restarts, delivered plain and
// wrapped, for a role that allows less than is asked for.
func (s *suite) approleRenewed(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		r := s.newRenewing(t, fmt.Sprint("renewed-", wrapped), map[string]any{"secret_id_num_uses": 1, "secret_id_ttl": "10m"})
		if wrapped {
			r.m.SecretIDResponseWrappingPath = r.at
			r.deliver(s.wrapped(t, r.at))
		} else {
			r.deliver(s.put(t, r.at, nil).Data["secret_id"].(string))
		}
		r.keep()
		r.logsIn(3)
		token, w := r.ready("")
		if w.TTL != 10*time.Minute {
			t.Errorf("wrapped for %v", w.TTL)
		}
		for range 3 {
			r.restart()
			r.logsIn(1)
			token, _ = r.ready(token)
		}
		r.kill()
	}
}

// Without limits of the role, what is minted ends with its wrapping token.
func (s *suite) approleRenewedUnlimited(t *testing.T) {
	r := s.newRenewing(t, "renewed-unlimited", map[string]any{})
	r.m.SecretIDRenewWrapTTL = time.Hour
	r.deliver(s.put(t, r.at, nil).Data["secret_id"].(string))
	r.keep()
	r.logsIn(1)
	token, w := r.ready("")
	r.kill()
	if w.TTL != time.Hour || time.Since(w.Created) > time.Minute {
		t.Errorf("%+v", w)
	}
	data, err := r.m.Client.Unwrap(t.Context(), vault.NewToken(token))
	if err != nil {
		t.Fatal(err)
	}
	root := r.m.Client.With(vault.NewToken(s.server.Client().Token()), 1)
	id := vault.NewToken(data.Unwrap()["secret_id"].(string))
	if end, ok, err := root.SecretIDEnd(t.Context(), r.at, id); err != nil || !ok || !within(time.Until(end), time.Hour) {
		t.Errorf("ends %v %v %v", end, ok, err)
	}
	if _, ok, err := root.SecretIDEnd(t.Context(), r.at, vault.NewToken("canary-none")); err != nil || ok {
		t.Errorf("one that is not there: %v %v", ok, err)
	}
}

// Somebody else uses the wrapping token, while the program runs, and while it
// does not; and one that was delivered.
func (s *suite) approleRenewedStolen(t *testing.T) {
	r := s.newRenewing(t, "renewed-stolen", map[string]any{"secret_id_num_uses": 1, "secret_id_ttl": "10m"})
	r.deliver(s.put(t, r.at, nil).Data["secret_id"].(string))
	steal := func(token string) {
		if _, err := s.server.Client().Logical().UnwrapWithContext(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	r.keep()
	r.logsIn(1)
	token, _ := r.ready("")
	r.kill()
	steal(token)
	r.restart()
	r.alarms()
	r.logsIn(1) // with the spare
	if !strings.Contains(r.log.String(), "security: somebody else has used") || !strings.Contains(r.log.String(), "secret_id_accessor=") {
		t.Errorf("log:\n%s", r.log)
	}
	token, _ = r.ready(token)
	steal(token)
	r.alarms()
	r.ready(token)
	r.kill()

	r = s.newRenewing(t, "renewed-late", map[string]any{"secret_id_num_uses": 1})
	r.m.SecretIDResponseWrappingPath = r.at
	token = s.wrapped(t, r.at)
	steal(token)
	r.deliver(token)
	r.keep()
	r.alarms()
	if !strings.Contains(r.log.String(), "it has expired, or somebody else has used it") {
		t.Errorf("log:\n%s", r.log)
	}
}

// The policy does not allow to mint: that is said with the line that helps, and
// with that line it works.
func (s *suite) approleRenewedDenied(t *testing.T) {
	r := s.newRenewing(t, "renewed-denied", map[string]any{"secret_id_num_uses": 2})
	r.allow("renewed-denied", false)
	r.deliver(s.put(t, r.at, map[string]any{"ttl": "1m"}).Data["secret_id"].(string))
	r.keep()
	r.logsIn(1)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !strings.Contains(r.log.String(), "Vault refuses to mint"); <-tick.C {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("log:\n%s", r.log)
		}
	}
	if !strings.Contains(r.log.String(), `path \"`+r.at+`\" { capabilities = [\"update\"] }`) {
		t.Errorf("log:\n%s", r.log)
	}
	r.allow("renewed-denied", true)
	r.ready("")
	r.logsIn(2)
}
