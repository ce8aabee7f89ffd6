package watch_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
	"vault-renderer/testbed/devvault"
)

// authority is a Vault with a PKI engine, in fake time.
type authority struct {
	*world
	dev    *devvault.Server
	dest   string
	stop   func()
	policy lease.Policy
	resume *watch.Resume
	log    bytes.Buffer

	mu      sync.Mutex
	bodies  []string // of what was asked for
	before  int      // how many when the Watcher started
	started bool     // and nothing was counted since
}

func (a *authority) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.bodies)
}

// RoundTrip notes the bodies of what goes to the PKI engine.
func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v1/pki/issue/") {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		a.bodies = append(a.bodies, string(b))
		a.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	return a.dev.Transport().RoundTrip(r)
}

// issuing runs f with roles "web" (1000 s), "short" (1 s) and "leased".
func issuing(t *testing.T, f func(a *authority)) {
	dest := filepath.Join(t.TempDir(), "web.pem")
	synctest.Test(t, func(t *testing.T) {
		a := &authority{dev: devvault.New(devvault.Options{}), dest: dest}
		defer a.dev.Close()
		a.world = &world{t: t, sessions: &watch.Sessions{}, out: make(chan watch.Update, 10000)}
		var err error
		if a.client, err = vault.New(vault.Options{Address: "http://vault", Transport: a}); err != nil {
			t.Fatal(err)
		}
		a.write("sys/mounts/pki", `{"type":"pki"}`)
		// Written in two parts: it is no path of a home directory.
		a.write("pki/"+"root/generate/internal", `{"common_name":"canary root","key_type":"ec","ttl":"700h"}`)
		a.write("pki/roles/web", `{"allow_any_name":true,"key_type":"ec","ttl":"1000s"}`)
		a.write("pki/roles/short", `{"allow_any_name":true,"key_type":"ec","ttl":"1s"}`)
		a.write("pki/roles/leased", `{"allow_any_name":true,"key_type":"ec","ttl":"1000s","generate_lease":true}`)
		a.sessions.Set(a.session(1))
		f(a)
		if a.stop != nil {
			a.stop()
		}
		if strings.Contains(a.log.String(), "BEGIN") {
			t.Error("the log holds PEM")
		}
	})
}

func (a *authority) session(n uint64) *vault.Session {
	return a.client.With(vault.NewToken(a.dev.RootToken()), n)
}

func (a *authority) write(path, body string) {
	a.t.Helper()
	_, err := a.session(0).Fetch(a.t.Context(), vault.Request{Method: vault.MethodWrite, Path: path, Params: body})
	if err != nil {
		a.t.Fatal(err)
	}
}

// start starts a Watcher of a certificate, ending the one before it.
func (a *authority) start(path string, pairs ...string) {
	a.t.Helper()
	if a.stop != nil {
		a.stop()
	}
	kv := map[string]string{vault.DestinationParam: a.dest}
	for i := 0; i+1 < len(pairs); i += 2 {
		kv[pairs[i]] = pairs[i+1]
	}
	params, err := json.Marshal(kv)
	if err != nil {
		a.t.Fatal(err)
	}
	a.before, a.started = a.asked(), true
	ctx, cancel := context.WithCancel(a.t.Context())
	w := watch.New(watch.Options{
		Request:  vault.Request{Method: vault.MethodPKI, Path: path, Params: string(params)},
		Sessions: a.sessions, Policy: a.policy, StaticInterval: 5 * time.Minute, Resume: a.resume,
		TokenRefused: func() {}, Log: slog.New(slog.NewTextHandler(&a.log, nil)),
	})
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, a.out) }()
	a.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			a.t.Errorf("Run ended with %v", err)
		}
	}
}

// issued waits for d and wants n certificates to have been issued meanwhile.
func (a *authority) issued(d time.Duration, n int) []watch.Update {
	a.t.Helper()
	if !a.started {
		a.before = a.asked()
	}
	a.started = false
	got := a.after(d)
	if asked := a.asked() - a.before; asked != n {
		a.t.Errorf("%d certificates asked for in %v, want %d", asked, d, n)
	}
	return got
}

// one wants one value among the updates, and gives its parts.
func one(t *testing.T, got []watch.Update) (cert, key, ca string, chain []string) {
	t.Helper()
	if len(got) != 1 || got[0].Err != nil || got[0].Secret == nil {
		t.Fatalf("updates %+v", got)
	}
	d := got[0].Secret.Data.Unwrap()
	cert, _ = d["cert"].(string)
	key, _ = d["key"].(string)
	ca, _ = d["ca"].(string)
	chain, _ = d["ca_chain"].([]string)
	return cert, key, ca, chain
}

// render writes the destination as a template would.
func (a *authority) render(parts ...string) { put(a.t, a.dest, strings.Join(parts, "")) }

func leaf(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// A certificate is asked for once, lives in its file through restarts and
// logins, and is replaced when the threshold of its life has passed.
func TestCertificate(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/web?x=y", "common_name", "a.example.com", "ip_sans", "10.1.2.3")
		got := a.issued(time.Second, 1)
		cert, key, ca, chain := one(a.t, got)
		if got[0].Local || a.bodies[0] != `{"common_name":"a.example.com","ip_sans":"10.1.2.3"}` {
			t.Errorf("sent %s", a.bodies[0])
		}
		if slices.ContainsFunc(a.dev.Requests(), func(r string) bool { return strings.HasSuffix(r, "/mounts/pki/issue/web") }) {
			t.Error("the mount was looked up: a policy may not allow that, and nothing depends on it")
		}
		for _, text := range []string{cert, key, ca} {
			if !strings.HasSuffix(text, "-----\n") {
				t.Errorf("ends %q", text[len(text)-10:])
			}
		}
		if len(chain) != 1 || chain[0] != ca || leaf(a.t, cert, key).Subject.CommonName != "a.example.com" {
			t.Errorf("chain %q", chain)
		}
		a.render(cert, key, ca)
		a.sessions.Set(a.session(2))
		if got := a.issued(100*time.Second, 0); len(got) != 0 {
			t.Errorf("updates of a new session: %+v", got)
		}

		a.start("pki/issue/web?x=y", "common_name", "a.example.com", "ip_sans", "10.1.2.3")
		got = a.issued(0, 0)
		cert2, key2, ca2, chain2 := one(a.t, got)
		if cert2 != cert || key2 != key || ca2 != ca || len(chain2) != 1 || !got[0].Local {
			t.Error("a restart changes the certificate")
		}
		a.issued(795*time.Second, 0) // at 896 s
		got = a.issued(2*time.Second, 1)
		cert2, key2, _, _ = one(a.t, got)
		if cert2 == cert || got[0].Local {
			t.Error("the same certificate again")
		}
		c := leaf(a.t, cert2, key2)
		if at := c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 9 / 10); time.Until(at) < 890*time.Second {
			t.Errorf("replaced in %v", time.Until(at))
		}
		a.issued(890*time.Second, 0) // the file still holds the old one
		a.issued(10*time.Second, 1)
	})
}

// A certificate's jitter is its own: it is replaced within a quarter of its life
// before the threshold, and every start comes to the same moment.
func TestCertificateJitter(t *testing.T) {
	issuing(t, func(a *authority) {
		a.policy = lease.Policy{Threshold: 0.5, Rand: func() float64 { return 0.3 }}
		moments := map[time.Duration]bool{}
		for range 5 {
			a.start("pki/issue/web", "common_name", "a.example.com")
			cert, key, ca, _ := one(a.t, a.issued(0, 1))
			a.stop()
			a.render(cert, key, ca)
			a.stop = nil
			issued := time.Now()
			for time.Since(issued) < 200*time.Second { // each start asks the file only
				a.start("pki/issue/web", "common_name", "a.example.com")
				a.issued(10*time.Second, 0)
			}
			for before := a.asked(); a.asked() == before; {
				a.after(time.Second)
			}
			at := time.Since(issued)
			// Of 1030 s, dated back by 30 s.
			if moments[at] = true; at < 227*time.Second || at > 486*time.Second {
				t.Errorf("replaced after %v", at)
			}
			a.stop()
			a.stop = nil
			a.render()
		}
		if len(moments) < 3 {
			t.Errorf("replaced after %v", moments)
		}
		said := map[string]bool{}
		for _, m := range regexp.MustCompile(`replaced_at=(\S+)`).FindAllStringSubmatch(a.log.String(), -1) {
			said[m[1]] = true
		}
		if len(said) != 5 {
			t.Errorf("%d moments for 5 certificates", len(said))
		}
	})
}

// Without a session a good certificate is used all the same.
func TestCertificateBeforeLogin(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/web", "common_name", "a.example.com")
		cert, key, ca, _ := one(a.t, a.issued(0, 1))
		a.render(cert, ca, key)
		a.sessions = &watch.Sessions{}
		a.start("pki/issue/web", "common_name", "a.example.com")
		one(a.t, a.issued(time.Minute, 0))
	})
}

// What stands in the destination decides whether Vault is asked.
func TestCertificateInDestination(t *testing.T) {
	const dh = "-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n"
	const broken = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n"
	for name, c := range map[string]struct {
		file  func(cert, key, ca string) string
		ask   []string
		age   time.Duration
		asked int
	}{
		"all":               {file: func(c, k, ca string) string { return c + k + ca }},
		"key first":         {file: func(c, k, ca string) string { return k + c + ca }},
		"no authority":      {file: func(c, k, _ string) string { return k + c }},
		"other text":        {file: func(c, k, _ string) string { return "# made by hand\n" + k + "\n\n" + dh + c }},
		"indented":          {file: func(c, k, _ string) string { return "tls:\n  " + strings.ReplaceAll(c+k, "\n", "\n  ") }},
		"behind a key":      {file: func(c, k, _ string) string { return "cert: " + c + "key: " + k }},
		"JSON":              {file: func(c, k, _ string) string { b, _ := json.Marshal([]string{c, k}); return string(b) }},
		"CR LF":             {file: func(c, k, _ string) string { return strings.ReplaceAll(c+k, "\n", "\r\n") }},
		"same names":        {file: func(c, k, _ string) string { return c + k }, ask: []string{"common_name", "A.example.com", "alt_names", "b.example.com"}},
		"no key":            {file: func(c, _, ca string) string { return c + ca }, asked: 1},
		"a CSR's":           {file: func(c, _, ca string) string { return c + ca }, ask: []string{"csr", "x"}},
		"no certificate":    {file: func(_, k, ca string) string { return k + ca }, asked: 1},
		"no X.509":          {file: func(c, k, _ string) string { return c + k + broken }, asked: 1},
		"torn":              {file: func(c, k, _ string) string { return c[:len(c)/2] + k }, asked: 1},
		"empty":             {file: func(_, _, _ string) string { return "" }, asked: 1},
		"another name":      {file: func(c, k, _ string) string { return c + k }, ask: []string{"common_name", "z.example.com"}, asked: 1},
		"another alt name":  {file: func(c, k, _ string) string { return c + k }, ask: []string{"common_name", "a.example.com", "alt_names", "b.example.com,z.example.com"}, asked: 1},
		"another address":   {file: func(c, k, _ string) string { return c + k }, ask: []string{"common_name", "a.example.com", "ip_sans", "10.9.9.9"}, asked: 1},
		"a name of letters": {file: func(c, k, _ string) string { return c + k }, ask: []string{"common_name", "bücher.example.com"}},
		"nearly due":        {file: func(c, k, _ string) string { return c + k }, age: 890 * time.Second},
		"due":               {file: func(c, k, _ string) string { return c + k }, age: 900 * time.Second, asked: 1},
		"ended":             {file: func(c, k, _ string) string { return c + k }, age: 2000 * time.Second, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			issuing(t, func(a *authority) {
				first := []string{"common_name", "a.example.com", "alt_names", "b.example.com", "ip_sans", "10.1.2.3"}
				a.start("pki/issue/web", first...)
				cert, key, ca, _ := one(a.t, a.issued(0, 1))
				a.stop()
				a.render(c.file(cert, key, ca))
				a.stop = nil
				a.after(c.age)
				if c.ask == nil {
					c.ask = first
				}
				a.start("pki/issue/web", c.ask...)
				now, _, _, _ := one(a.t, a.issued(0, c.asked))
				if (now == cert) != (c.asked == 0) {
					t.Errorf("the same certificate: %v", now == cert)
				}
			})
		})
	}
}

// A key that is another certificate's is none.
func TestCertificateWithAnothersKey(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/web", "common_name", "a.example.com")
		cert, _, _, _ := one(a.t, a.issued(0, 1))
		a.start("pki/issue/web", "common_name", "a.example.com")
		_, key, _, _ := one(a.t, a.issued(0, 1))
		a.render(cert, key)
		a.start("pki/issue/web", "common_name", "a.example.com")
		a.issued(0, 1)
	})
}

// Two certificates in one destination: each call finds its own.
func TestTwoCertificatesInOneFile(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/web", "common_name", "a.example.com")
		certA, keyA, ca, _ := one(a.t, a.issued(0, 1))
		a.start("pki/issue/web", "common_name", "b.example.com")
		certB, keyB, _, _ := one(a.t, a.issued(0, 1))
		a.render(certA, certB, ca, keyB, keyA)
		for name, want := range map[string][2]string{"a.example.com": {certA, keyA}, "b.example.com": {certB, keyB}} {
			a.start("pki/issue/web", "common_name", name)
			cert, key, gotCA, chain := one(a.t, a.issued(0, 0))
			if cert != want[0] || key != want[1] || gotCA != ca || len(chain) != 1 {
				t.Errorf("%s has another's certificate", name)
			}
		}
	})
}

// Without a destination every start asks.
func TestCertificateWithoutDestination(t *testing.T) {
	issuing(t, func(a *authority) {
		a.dest = ""
		a.start("pki/issue/web", "common_name", "a.example.com")
		a.issued(800*time.Second, 1)
		a.start("pki/issue/web", "common_name", "a.example.com")
		a.issued(0, 1)
	})
}

// With generate_lease a certificate ends with its token: it is a lease.
func TestLeasedCertificate(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/leased", "common_name", "a.example.com")
		got := a.issued(time.Second, 1)
		cert, key, ca, _ := one(a.t, got)
		if !got[0].Secret.Lease.Leased() {
			t.Fatal("no lease")
		}
		a.render(cert, key, ca)
		a.sessions.Set(a.session(2))
		again, _, _, _ := one(a.t, a.issued(time.Second, 1))
		if again == cert {
			t.Error("the certificate of a dead lease is in use")
		}
		a.issued(890*time.Second, 0)
		a.issued(10*time.Second, 1)
	})
}

// While Vault refuses or is away, the certificate stays in use.
func TestCertificateWhileVaultRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		class  vault.Class
	}{"denied": {403, vault.Denied}, "storage": {500, vault.Transient}, "no answer": {0, vault.Transient}} {
		t.Run(name, func(t *testing.T) {
			issuing(t, func(a *authority) {
				a.start("pki/issue/web", "common_name", "a.example.com")
				cert, key, ca, _ := one(a.t, a.issued(890*time.Second, 1))
				a.render(cert, key, ca)
				a.dev.SetFault(func(*http.Request) (int, bool) { return c.status, true })
				for i, u := range a.after(40 * time.Second) {
					if u.Secret != nil || vault.ClassOf(u.Err) != c.class || u.Tries != i+1 ||
						!strings.HasPrefix(u.Err.Error(), "issue a certificate at pki/issue/web: ") {
						t.Fatalf("update %+v", u)
					}
				}
				a.dev.SetFault(nil)
				one(a.t, a.issued(31*time.Second, 1))
			})
		})
	}
}

// Certificates that are due as they come are not asked for without end.
func TestNoStormOfCertificates(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/short", "common_name", "a.example.com")
		a.after(10 * time.Minute)
		if n := a.asked(); n < 8 || n > 12 { // 1 s, doubling up to 5 min
			t.Errorf("%d certificates in 10 min", n)
		}
		if !strings.Contains(a.log.String(), "clock") {
			t.Error("nothing said")
		}
	})
}

// The clocks differ by hours: a certificate is replaced within its life all the
// same, and not all the time.
func TestCertificateOfAnotherClock(t *testing.T) {
	for off, want := range map[time.Duration][2]int{-3 * time.Hour: {4, 12}, 3 * time.Hour: {4, 5}} {
		issuing(t, func(a *authority) {
			cert := func() (int, string) {
				return 200, certAt(a.t, time.Now().Add(off), time.Hour)
			}
			s := &server{start: time.Now(), read: cert}
			var err error
			if a.client, err = vault.New(vault.Options{Address: "http://vault", Transport: s}); err != nil {
				t.Fatal(err)
			}
			a.sessions.Set(a.client.With(vault.NewToken("canary-token"), 1))
			a.start("pki/issue/web", "common_name", "a.example.com")
			a.after(1000 * time.Second)
			first := len(s.when("read"))
			if off > 0 {
				a.after(3*time.Hour - 1000*time.Second)
				first = len(s.when("read"))
			}
			if first < want[0] || first > want[1] {
				t.Errorf("by %v: %d certificates", off, first)
			}
		})
	}
}

func TestAnswerWithoutCertificate(t *testing.T) {
	for name, body := range map[string]string{
		"another engine": `{"data":{"ciphertext":"canary"}}`,
		"only the CA's":  `{"data":{"certificate":"-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----"}}`,
		"nothing":        "",
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{read: always(200, body)}
			watchingFor(t, s, vault.Request{Method: vault.MethodPKI, Path: "pki/issue/x", Params: `{}`}, func(w *world) {
				got := w.after(10 * time.Minute)
				if n := len(got); n < 20 || n > 30 || vault.ClassOf(got[0].Err) != vault.Invalid {
					t.Fatalf("%d updates, %+v", n, got[0])
				}
				if text := got[0].Err.Error(); strings.Contains(text, "canary") || !strings.Contains(text, "no certificate") {
					t.Error(text)
				}
			})
		})
	}
	s := &server{read: always(200, "{}")}
	watchingFor(t, s, vault.Request{Method: vault.MethodPKI, Path: "pki/issue/x", Params: `{"format":"der"}`}, func(w *world) {
		if got := w.after(time.Second); len(got) == 0 || !strings.Contains(fmt.Sprint(got[0].Err), "format=pem_bundle") || len(s.asked) != 0 {
			t.Errorf("updates %+v", got)
		}
	})
}

// A bundle, and engines that call their texts otherwise.
func TestWaysOfAnswering(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/web", "common_name", "a.example.com")
		plain := one4(one(a.t, a.issued(0, 1)))
		a.start("pki/issue/web", "common_name", "a.example.com", "format", "pem_bundle")
		bundle := one4(one(a.t, a.issued(0, 1)))
		leaf(a.t, bundle["cert"], bundle["key"])
		if bundle["ca"] != plain["ca"] || bundle["chain"] != plain["chain"] || bundle["cert"] == bundle["ca"] {
			t.Error("a bundle gives something else")
		}
		for name, data := range map[string]map[string]any{
			"another engine": {"pem": plain["key"] + plain["cert"], "chain": plain["ca"]},
			"twice":          {"certificate": plain["cert"], "private_key": plain["key"], "issuing_ca": plain["ca"], "ca_chain": []string{plain["ca"], plain["ca"]}},
		} {
			body, err := json.Marshal(map[string]any{"data": data})
			if err != nil {
				t.Fatal(err)
			}
			s := &server{start: time.Now(), read: always(200, string(body))}
			client, err := vault.New(vault.Options{Address: "http://vault", Transport: s})
			if err != nil {
				t.Fatal(err)
			}
			a.sessions.Set(client.With(vault.NewToken("canary-token"), 3))
			a.start("pki/issue/web", "common_name", "a.example.com")
			if got := one4(one(a.t, a.after(0))); !maps.Equal(got, plain) {
				t.Errorf("%s: %v", name, len(got["cert"]))
			}
		}
	})
}

func one4(cert, key, ca string, chain []string) map[string]string {
	return map[string]string{"cert": cert, "key": key, "ca": ca, "chain": strings.Join(chain, "")}
}

// The watcher reads the destination and leaves it alone.
func TestDestinationIsNotWritten(t *testing.T) {
	issuing(t, func(a *authority) {
		a.start("pki/issue/web", "common_name", "a.example.com")
		a.issued(time.Hour, 5)
		if _, err := os.Stat(a.dest); !os.IsNotExist(err) {
			t.Error("the watcher wrote a file")
		}
	})
}
