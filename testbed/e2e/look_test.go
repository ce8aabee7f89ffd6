package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// eventually waits for a condition, with a deadline.
func (r *rig) eventually(what string, within time.Duration, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// said waits until the renderer has logged a text.
func (r *rig) said(within time.Duration, text string) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("the renderer says %q", text), within, func() bool { return r.renderer.said(text) > 0 })
}

func (r *rig) ready() bool {
	code, _, err := r.get("/-/ready")
	return err == nil && code == http.StatusOK
}

// generation is the webapp's own report of what it uses.
type generation struct {
	Digest     string `json:"digest"`
	User       string `json:"user"`
	Generation int    `json:"generation"`
	Draining   int    `json:"draining"`
}

func (r *rig) generation() (g generation) {
	if _, body, err := r.get("/-/generation"); err == nil {
		_ = json.Unmarshal([]byte(body), &g)
	}
	return g
}

// rotations waits until the webapp has used n more generations.
func (r *rig) rotations(n int, within time.Duration) {
	r.t.Helper()
	from := r.generation().Generation
	r.eventually(fmt.Sprintf("%d rotations", n), within, func() bool { return r.generation().Generation >= from+n })
}

// report is what the tests need of the renderer's own report.
type report struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
	Vault   string   `json:"vault"`
	Secrets []struct {
		Reason    string     `json:"reason"`
		Error     string     `json:"error"`
		ExpiresAt *time.Time `json:"expires_at"`
	} `json:"secrets"`
	Rollouts []struct {
		Generation uint64 `json:"generation"`
		Stage      string `json:"stage"`
		Error      string `json:"error"`
	} `json:"rollouts"`
	Revoking int `json:"revoking"`
}

// status asks the renderer how it is.
func (r *rig) status() (s report, err error) {
	var d net.Dialer
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", r.dir+"/run/status.sock")
	}}
	resp, err := (&http.Client{Transport: tr, Timeout: 2 * time.Second}).Get("http://renderer/-/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// ill says why not everything is as it should be; "" = it is: both programs are
// ready, and the application uses what the renderer has put in place.
func (r *rig) ill() string {
	s, err := r.status()
	switch {
	case err != nil:
		return "no status: " + err.Error()
	case !s.Ready:
		return "the renderer is not ready: " + strings.Join(s.Reasons, "; ")
	case s.Vault != "answers":
		return "Vault is " + s.Vault
	case len(s.Rollouts) != 1 || s.Rollouts[0].Stage != "acked":
		return fmt.Sprintf("rollouts: %+v", s.Rollouts)
	case len(s.Secrets) != 1 || s.Secrets[0].Error != "":
		return fmt.Sprintf("secrets: %+v", s.Secrets)
	case !r.ready():
		return "the webapp is not ready"
	}
	if d := r.digest(); d == "" || r.generation().Digest != d {
		return "the webapp uses another file"
	}
	return ""
}

func (r *rig) well() bool { return r.ill() == "" }

// digest is that of the file with the credentials.
func (r *rig) digest() string {
	b, err := os.ReadFile(r.file())
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// field reads one value of the rendered file.
func (r *rig) field(name string) string {
	b, _ := os.ReadFile(r.file())
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, " = "); ok && k == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// accounts is how many accounts in MySQL this test's Vault has made and not
// dropped.
func (r *rig) accounts() (n int) {
	r.t.Helper()
	users, err := r.db.Users(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, u := range users {
		if strings.HasPrefix(u, r.prefix()) {
			n++
		}
	}
	return n
}

// noAccountsLeft ends both programs and waits for Vault to drop the accounts
// whose leases lapse.
func (r *rig) noAccountsLeft(within time.Duration) {
	r.t.Helper()
	r.stopLoad()
	for _, p := range []*process{r.web, r.renderer} {
		if err := p.end(); err != nil {
			r.t.Error(err)
		}
	}
	r.eventually("Vault has dropped every account of this test", within, func() bool { return r.accounts() == 0 })
}
