package method_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// memory is a Memory that a restart survives.
type memory struct {
	mu    sync.Mutex
	bytes []byte
}

func (m *memory) Load() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.bytes)
}

func (m *memory) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes = slices.Clone(b)
	return nil
}

const mintPath = "auth/approle/role/app/secret-id"

// renewed is a role whose program renews its SecretID, in fake time.
type renewed struct {
	*approle
	memory *memory
	resume *vault.Auth // the next Keeper takes it up
	stop   func()      // nil: no Keeper runs
	out    chan auth.Event
	alarms []string
	tokens []*vault.Session
	errs   []error
}

// renewing runs f with a role that has these settings and a policy that lets it
// mint.
func renewing(t *testing.T, role map[string]any, f func(r *renewed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		settings := map[string]any{"token_policies": "app", "token_ttl": "1h", "token_max_ttl": "2h"}
		for k, v := range role {
			settings[k] = v
		}
		r := &renewed{approle: newAppRole(t, settings), memory: &memory{}}
		r.allow(true)
		r.m.SecretIDRenew, r.m.SecretIDRenewPath, r.m.Memory = true, mintPath, r.memory
		defer r.kill()
		f(r)
	})
}

func (r *renewed) allow(mint bool) {
	rule := `path "secret/*" { capabilities = ["read"] }`
	if mint {
		rule += fmt.Sprintf("\npath %q { capabilities = [\"update\"] }", mintPath)
	}
	r.root("PUT", "sys/policies/acl/app", "", map[string]any{"policy": rule})
}

// deliver puts a SecretID into the file, wrapped or not.
func (r *renewed) deliver(wrapped bool) string {
	r.t.Helper()
	if wrapped {
		token := r.wrapped(mintPath)
		r.write("secret_id", token+"\n")
		return token
	}
	id := r.root("PUT", mintPath, "", nil)["data"].(map[string]any)["secret_id"].(string)
	r.write("secret_id", id)
	return id
}

// restart makes the method anew, as another process does.
func (r *renewed) restart() {
	r.kill()
	m := r.m
	r.m = &method.AppRole{
		Client: m.Client, MountPath: m.MountPath, RoleIDFilePath: m.RoleIDFilePath, SecretIDFilePath: m.SecretIDFilePath,
		SecretIDResponseWrappingPath: m.SecretIDResponseWrappingPath, RemoveSecretIDFileAfterRead: m.RemoveSecretIDFileAfterRead,
		SecretIDRenew: true, SecretIDRenewPath: m.SecretIDRenewPath, SecretIDRenewWrapTTL: m.SecretIDRenewWrapTTL,
		Lookup: m.Lookup, Memory: m.Memory, Log: m.Log,
	}
}

// keep runs a Keeper.
func (r *renewed) keep() {
	n := uint64(0)
	k := auth.New(auth.Options{
		Client: r.m.Client, Method: r.m, Log: r.m.Log, Lookup: -1, Resume: r.resume,
		Number: func() uint64 { n++; return n },
	})
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	r.out = make(chan auth.Event, 10000)
	go func() { done <- k.Run(ctx, r.out) }()
	r.stop = func() { cancel(); <-done }
}

func (r *renewed) kill() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// after sleeps, and sorts what came until then.
func (r *renewed) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	for len(r.out) > 0 {
		switch e := <-r.out; {
		case e.Session != nil:
			r.tokens = append(r.tokens, e.Session)
		case e.Alarm != "":
			r.alarms = append(r.alarms, e.Alarm)
		case e.Err != nil:
			r.errs = append(r.errs, e.Err)
		}
	}
}

// are checks how many logins, failures and alarms there were since the last
// call.
func (r *renewed) are(logins, failures, alarms int) {
	r.t.Helper()
	if len(r.tokens) != logins || len(r.errs) != failures || len(r.alarms) != alarms {
		r.t.Errorf("%d logins, %d failures %v, %d alarms %q; want %d, %d, %d\n%s",
			len(r.tokens), len(r.errs), r.errs, len(r.alarms), r.alarms, logins, failures, alarms, r.log.String())
	}
	r.tokens, r.errs, r.alarms = nil, nil, nil
	if text := r.log.String(); strings.Contains(text, "hvs.") {
		r.t.Errorf("a token in the log:\n%s", text)
	}
}

// wraps says what Vault knows of what is in the file.
func (r *renewed) wraps() vault.Wrapping {
	r.t.Helper()
	w, err := r.m.Client.LookupWrapping(r.t.Context(), vault.NewToken(r.content()))
	if err != nil {
		r.t.Errorf("what is in the file: %v\n%s", err, r.log.String())
	}
	if w.Path != mintPath {
		r.t.Errorf("made at %q", w.Path)
	}
	return w
}

func (r *renewed) content() string {
	r.t.Helper()
	raw, err := os.ReadFile(r.path("secret_id"))
	if err != nil {
		r.t.Error(err)
	}
	return strings.TrimSpace(string(raw))
}

// steal uses up the wrapping token in the file.
func (r *renewed) steal() {
	r.t.Helper()
	if _, err := r.m.Client.Unwrap(r.t.Context(), vault.NewToken(r.content())); err != nil {
		r.t.Fatal(err)
	}
}

// Through many logins and restarts there always is a SecretID, single-use or
// not, delivered wrapped or not, remembered or not.
func TestRenewForEver(t *testing.T) {
	for name, role := range map[string]map[string]any{
		"single use":     {"secret_id_num_uses": 1, "secret_id_ttl": "3h"},
		"two uses":       {"secret_id_num_uses": 2},
		"no limits":      {},
		"shorter token":  {"secret_id_num_uses": 1, "token_ttl": "5m", "token_max_ttl": "5m"},
		"short SecretID": {"secret_id_ttl": "10m", "secret_id_num_uses": 1},
	} {
		for _, wrapped := range []bool{true, false} {
			for _, remembered := range []bool{true, false} {
				if name != "single use" && wrapped != remembered {
					continue
				}
				t.Run(fmt.Sprintf("%s wrapped %v remembered %v", name, wrapped, remembered), func(t *testing.T) {
					renewing(t, role, func(r *renewed) {
						if wrapped {
							r.m.SecretIDResponseWrappingPath = mintPath
						}
						if !remembered {
							r.m.Memory = nil
						}
						first := r.deliver(wrapped)
						r.keep()
						r.after(time.Second)
						r.are(1, 0, 0)
						if r.content() == first {
							t.Error("the file has what was delivered")
						}
						for range 2 {
							r.wraps()
							r.after(2 * time.Hour)
							r.restart()
							r.keep()
							r.after(time.Second)
							if len(r.tokens) < 2 {
								t.Errorf("%d logins", len(r.tokens))
							}
							r.tokens = nil
							r.are(0, 0, 0)
						}
					})
				})
			}
		}
	}
}

// The wrapping token is replaced two thirds into its life, and so is what lies
// in Vault: nothing piles up.
func TestRenewInTime(t *testing.T) {
	renewing(t, map[string]any{"token_ttl": "768h", "token_max_ttl": "768h"}, func(r *renewed) {
		r.m.SecretIDRenewWrapTTL = 30 * time.Minute
		r.deliver(false)
		r.keep()
		r.after(0)
		made := r.wraps().Created
		r.after(19 * time.Minute)
		if w := r.wraps(); !w.Created.Equal(made) || w.TTL != 30*time.Minute {
			t.Errorf("%+v, first made at %v", w, made)
		}
		r.after(61 * time.Second)
		if w := r.wraps(); w.Created.Sub(made).Round(time.Minute) != 20*time.Minute {
			t.Errorf("replaced after %v", w.Created.Sub(made))
		}
		r.after(5 * time.Hour)
		r.wraps()
		if keys := r.root("LIST", mintPath, "", nil)["data"].(map[string]any)["keys"].([]any); len(keys) > 5 {
			t.Errorf("%d SecretIDs in Vault", len(keys))
		}
		r.are(1, 0, 0)
		st, err := os.Stat(r.path("secret_id"))
		if err != nil || st.Mode() != 0o600 {
			t.Errorf("%v %v", st.Mode(), err)
		}
	})
}

// A restart that takes up the token takes up its SecretIDs too: none is minted,
// and the file stays as it is. What a killed process left beside it goes.
func TestRenewResumed(t *testing.T) {
	renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
		r.deliver(false)
		r.keep()
		r.after(time.Minute)
		session, was := r.tokens[0], r.content()
		r.are(1, 0, 0)
		r.restart()
		left := r.write(".secret_id.0123456789ab.vault-renderer.tmp", "canary-left")
		life := lease.Lease{TTL: 59 * time.Minute, Renewable: true, IssuedAt: time.Now()}
		r.resume = &vault.Auth{ClientToken: session.Token(), TTL: life}
		r.requests()
		r.keep()
		r.after(4 * time.Minute)
		r.are(1, 0, 0) // the one that was taken up
		want := []string{"GET /v1/auth/token/lookup-self", lookup}
		if got := r.requests(); !slices.Equal(slices.Sorted(slices.Values(got)), want) || r.content() != was {
			t.Errorf("asked %q", got)
		}
		if _, err := os.Stat(left); err == nil {
			t.Error("the temporary file is still there")
		}
	})
}

// Somebody else uses the wrapping token in the file: that is noticed, named and
// made good; and again when it is noticed at a login only.
func TestRenewStolen(t *testing.T) {
	for _, looking := range []bool{true, false} {
		renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
			if !looking {
				r.m.Lookup = -1
			}
			r.deliver(false)
			r.keep()
			r.after(time.Minute)
			r.are(1, 0, 0)
			r.steal()
			r.after(6 * time.Minute)
			if looking {
				r.are(0, 0, 1)
				r.wraps()
				return
			}
			r.are(0, 0, 0)
			r.after(2 * time.Hour) // the spare is used
			r.are(1, 0, 1)
			r.wraps()
			for _, want := range []string{"security: somebody else has used", "secret-id-accessor/destroy secret_id_accessor=", r.path("secret_id")} {
				if !strings.Contains(r.log.String(), want) {
					t.Errorf("the log lacks %q:\n%s", want, r.log.String())
				}
			}
		})
	}
}

// What was delivered was used by somebody else, or has expired: both are said,
// and the program waits for another one.
func TestRenewDeliveredTooLate(t *testing.T) {
	renewing(t, map[string]any{}, func(r *renewed) {
		r.m.SecretIDResponseWrappingPath = mintPath
		r.deliver(true)
		r.steal()
		r.keep()
		r.after(4 * time.Second)
		r.are(0, 3, 1)
		if text := r.log.String(); strings.Count(text, "security: ") != 1 || !strings.Contains(text, "has expired, or somebody else") {
			t.Errorf("log:\n%s", text)
		}
		r.deliver(true)
		r.after(time.Minute)
		r.are(1, 0, 0)
		r.wraps()
	})
}

// A token that was made elsewhere is not used, and does not stop a program that
// has a spare.
func TestRenewForeign(t *testing.T) {
	renewing(t, map[string]any{}, func(r *renewed) {
		r.m.SecretIDResponseWrappingPath = mintPath
		r.deliver(true)
		r.keep()
		r.after(time.Second)
		r.are(1, 0, 0)
		r.restart()
		foreign := r.wrapped("sys/wrapping/wrap")
		r.write("secret_id", foreign)
		r.keep()
		r.after(time.Second)
		r.are(1, 0, 1)
		r.wraps()
		if path, err := r.m.Client.WrapLookup(r.t.Context(), vault.NewToken(foreign)); err != nil || path != "sys/wrapping/wrap" {
			t.Errorf("the foreign token was used: %q %v", path, err)
		}
	})
}

// While the program runs, a new SecretID is delivered, the file is removed, or
// can't be written.
func TestRenewFile(t *testing.T) {
	renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
		r.m.SecretIDResponseWrappingPath = mintPath
		r.deliver(true)
		r.keep()
		r.after(time.Second)
		delivered := r.deliver(true)
		r.after(fileLook)
		r.are(1, 0, 0)
		if r.content() == delivered {
			t.Error("what was delivered is still there")
		}
		r.wraps()
		if _, err := r.m.Client.Unwrap(r.t.Context(), vault.NewToken(delivered)); err == nil {
			t.Error("what was delivered was not taken")
		}
		if err := os.Remove(r.path("secret_id")); err != nil {
			t.Fatal(err)
		}
		r.after(fileLook)
		r.wraps()
		if err := os.Remove(r.path("secret_id")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(r.path("secret_id"), 0o700); err != nil {
			t.Fatal(err)
		}
		r.requests()
		r.after(10 * time.Minute)
		if n := len(slices.DeleteFunc(r.requests(), func(s string) bool { return !strings.HasSuffix(s, mintPath) })); n != 1 {
			t.Errorf("minted %d times", n)
		}
		if n := strings.Count(r.log.String(), "can't be put into its file"); n != 1 {
			t.Errorf("said %d times:\n%s", n, r.log.String())
		}
		if err := os.Remove(r.path("secret_id")); err != nil {
			t.Fatal(err)
		}
		r.after(6 * time.Minute)
		r.wraps()
		r.are(0, 0, 0)
	})
}

const fileLook = 11 * time.Second

// The policy does not let the program mint: it says so once, with what would
// help, and again before the SecretID ends. When the policy is mended all is
// well.
func TestRenewDenied(t *testing.T) {
	renewing(t, map[string]any{"secret_id_ttl": "3h", "token_ttl": "768h", "token_max_ttl": "768h"}, func(r *renewed) {
		r.allow(false)
		r.m.SecretIDResponseWrappingPath = mintPath
		r.deliver(true)
		r.keep()
		r.after(110 * time.Minute)
		r.are(1, 0, 0)
		const said = "Vault refuses to mint the next one"
		if n := strings.Count(r.log.String(), said); n != 1 || !strings.Contains(r.log.String(), `path \"`+mintPath+`\" { capabilities = [\"update\"] }`) {
			t.Errorf("said %d times:\n%s", n, r.log.String())
		}
		r.after(20 * time.Minute)
		r.are(0, 0, 1)
		r.allow(true)
		r.after(6 * time.Minute)
		r.wraps()
		r.restart()
		r.keep()
		r.after(time.Hour)
		r.are(1, 0, 0)
	})
}

// Vault is away while the next one is minted, and while the wrapping token is
// used: nothing is lost, nobody is suspected.
func TestRenewAway(t *testing.T) {
	for _, failing := range []string{lookup, unwrap, login, "PUT /v1/" + mintPath} {
		t.Run(failing, func(t *testing.T) {
			renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
				r.deliver(false)
				r.keep()
				r.after(time.Minute)
				r.are(1, 0, 0)
				r.restart()
				r.vault.SetFault(func(q *http.Request) (int, bool) { return 0, q.Method+" "+q.URL.Path == failing })
				r.keep()
				r.after(time.Minute)
				r.vault.SetFault(nil)
				r.after(6 * time.Minute)
				r.wraps()
				if len(r.tokens) != 1 || len(r.alarms) != 0 {
					t.Errorf("%d logins, alarms %q\n%s", len(r.tokens), r.alarms, r.log.String())
				}
			})
		})
	}
}

// The answer to an unwrapping gets lost, or the program is killed before it has
// it: the spare is used, and nobody is accused.
func TestRenewLostAnswer(t *testing.T) {
	renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
		r.deliver(false)
		r.keep()
		r.after(time.Minute)
		r.restart()
		r.vault.SetFault(func(q *http.Request) (int, bool) { return 0, q.Method+" "+q.URL.Path == unwrap })
		r.keep()
		r.after(0)
		r.vault.SetFault(nil)
		r.steal() // as if Vault had answered
		r.restart()
		r.alarms, r.tokens, r.errs = nil, nil, nil
		r.keep()
		r.after(time.Minute)
		r.are(1, 0, 0)
		if !strings.Contains(r.log.String(), "or by somebody else") {
			t.Errorf("log:\n%s", r.log.String())
		}
		r.wraps()
	})
}

// dying is a way to Vault, and a Memory, of a program that dies at a certain
// moment: Vault has done what it was asked, and the answer does not arrive.
type dying struct {
	to   http.RoundTripper
	m    *memory
	mu   sync.Mutex
	left int // requests and saves until then
}

func (d *dying) step() (alive bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left--
	return d.left >= 0
}

func (d *dying) RoundTrip(q *http.Request) (*http.Response, error) {
	if d.dead() {
		return nil, os.ErrClosed
	}
	a, err := d.to.RoundTrip(q)
	if d.step() {
		return a, err
	}
	_ = a.Body.Close()
	return nil, os.ErrClosed
}

func (d *dying) dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left < 0
}

func (d *dying) Load() []byte { return d.m.Load() }

func (d *dying) Save(b []byte) error {
	if d.step() {
		return d.m.Save(b)
	}
	return os.ErrClosed
}

// Whatever the program did last when it died, the next one logs in, and accuses
// nobody.
func TestRenewKilledAnywhere(t *testing.T) {
	renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
		r.deliver(false)
		r.keep()
		r.after(time.Minute)
		client := r.m.Client
		died := 0
		for at := range 14 {
			r.restart()
			d := &dying{to: r.vault.Transport(), m: r.memory, left: at}
			c, err := vault.New(vault.Options{Address: "http://vault", Transport: d})
			if err != nil {
				t.Fatal(err)
			}
			r.m.Client, r.m.Memory = c, d
			r.keep()
			r.after(500 * time.Millisecond)
			r.kill()
			if d.dead() {
				died++
			}
			r.m.Client, r.m.Memory = client, r.memory
			r.restart()
			r.tokens, r.errs, r.alarms = nil, nil, nil
			r.keep()
			r.after(time.Minute)
			if len(r.tokens) == 0 || len(r.alarms) != 0 {
				t.Fatalf("killed after %d: %d logins, %v, alarms %q\n%s", at, len(r.tokens), r.errs, r.alarms, r.log.String())
			}
			r.wraps()
		}
		if died < 8 || died == 14 {
			t.Errorf("died %d times", died)
		}
	})
}

// A SecretID that is refused while the old token lives is replaced with it.
func TestRenewRescue(t *testing.T) {
	renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
		r.deliver(false)
		r.keep()
		r.after(time.Minute)
		r.are(1, 0, 0)
		// All SecretIDs are destroyed; the wrapping token is still good.
		list := r.root("LIST", mintPath, "", nil)["data"].(map[string]any)["keys"].([]any)
		for _, accessor := range list {
			r.root("PUT", mintPath+"-accessor/destroy", "", map[string]any{"secret_id_accessor": accessor})
		}
		r.after(2 * time.Hour)
		if len(r.tokens) != 1 || len(r.errs) != 1 {
			t.Errorf("%d logins, %v", len(r.tokens), r.errs)
		}
		r.wraps()
	})
}

// What was remembered is damaged, or about another role: it is not used.
func TestRenewForgets(t *testing.T) {
	for name, damage := range map[string]func(*renewed){
		"damaged": func(r *renewed) { r.memory.bytes = []byte(`{"in_hand": "canary-x`) },
		"another": func(r *renewed) {
			r.m.Memory = &memory{bytes: []byte(`{"path":"auth/approle/role/other/secret-id","spent":["x"]}`)}
		},
		"nothing": func(r *renewed) { r.memory.bytes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			renewing(t, map[string]any{"secret_id_num_uses": 1}, func(r *renewed) {
				r.deliver(false)
				r.keep()
				r.after(time.Minute)
				r.restart()
				damage(r)
				r.keep()
				r.after(time.Minute)
				r.are(2, 0, 0)
				r.wraps()
			})
		})
	}
}
