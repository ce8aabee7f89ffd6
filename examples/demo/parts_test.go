package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEvents(t *testing.T) {
	for _, c := range []struct{ from, line, want string }{
		{"renderer", `{"@level":"info","@message":"logged in","method":"approle","session":1}`, "renderer  logged in with approle, wrote the token to run/vault-token"},
		{"renderer", `{"@level":"info","@message":"secret leased","secret":"database/creds/x","ttl":"6s"}`, "renderer  leased database/creds/x (ttl 6s)"},
		{"renderer", `{"@level":"debug","@message":"lease renewed","ttl":"4s","last":true}`, "renderer  renewed the lease (ttl 4s), for the last time: its maximum is near"},
		{"renderer", `{"@level":"debug","@message":"unchanged"}`, ""},
		{"renderer", `{"@level":"info","@message":"new in some version","@timestamp":"x","a":1}`, "renderer  new in some version (a=1)"},
		{"renderer", `{"@level":"warn","@message":"Vault does not answer","error":"refused"}`, "renderer  Vault does not answer (error=refused)"},
		{"renderer", `Error: not JSON`, "renderer  Error: not JSON"},
		{"webapp", `{"level":"INFO","msg":"new credentials in use","user":"v-a","generation":4}`, "webapp    new pool: user v-a (generation 4)"},
		{"webapp", `{"level":"INFO","msg":"old pool drained","took":2000000}`, "webapp    old pool closed after 2ms: nobody uses the old account any more"},
		{"webapp", `{"level":"WARN","msg":"database error","time":"x","error":"1045"}`, "webapp    database error (error=1045)"},
		{"webapp", `null`, "webapp    null"},
	} {
		var out strings.Builder
		e := &events{timeline: &timeline{began: time.Now(), out: &out}}
		if c.from == "renderer" {
			e.renderer(c.line)
		} else {
			e.webapp(c.line)
		}
		if got := strings.TrimSuffix(out.String(), "\n"); !strings.HasSuffix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s:\ngot  %q\nwant %q", c.line, got, c.want)
		}
	}
}

// TestTrickleCounts: every answer that a visitor would not like is counted.
func TestTrickleCounts(t *testing.T) {
	fine := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !fine:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Method == http.MethodPost:
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	}))
	var out strings.Builder
	tr := newTrickle(&timeline{began: time.Now(), out: &out}, srv.URL)
	for n := range 20 {
		tr.one(n)
	}
	if requests, failed := tr.counts(); requests != 20 || failed != 0 || tr.notes != 2 {
		t.Errorf("%d requests, %d failed, %d notes", requests, failed, tr.notes)
	}
	fine = false
	tr.one(0)
	tr.one(1)
	srv.Close()
	tr.one(3)
	got := tr.failures()
	if len(got) != 3 || !slices.Contains(got, "1 x POST /add: 503 Service Unavailable") || !strings.Contains(fmt.Sprint(got), "refused") {
		t.Errorf("%q", got)
	}
	if !strings.Contains(out.String(), "FAILED GET /: 503") {
		t.Error(out.String())
	}
}

func TestChild(t *testing.T) {
	var got []string
	each := func(s string) { got = append(got, s) }
	c, err := startChild("x", exec.Command("sh", "-c", "echo one; printf two; exit 3"), each, each)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.wait(); err == nil || err.Error() != "x: exit status 3" {
		t.Errorf("%v", err)
	}
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
	if _, err := startChild("x", exec.Command("/does/not/exist"), each, each); err == nil {
		t.Error("started")
	}
}

func TestProblems(t *testing.T) {
	good := summary{expected: true, rotations: 1}
	short := summary{} // ended by hand before anything could rotate
	for _, s := range []summary{good, short} {
		if p := s.problems(); len(p) != 0 {
			t.Errorf("%+v: %q", s, p)
		}
	}
	bad := summary{expected: true, failed: 2, failures: []string{"2 x GET /: 503"}, left: []string{"v-a"}, wrong: []string{"webapp: exit status 1"}}
	want := []string{"2 requests failed: 2 x GET /: 503", "no rotation happened (the first takes about 15 seconds)", "the account v-a is left behind", "webapp: exit status 1"}
	if got := bad.problems(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	var out strings.Builder
	bad.print(&out, false)
	if !strings.Contains(out.String(), "FAILED: no rotation happened") || !strings.Contains(out.String(), "MySQL accounts left behind       1\n") {
		t.Error(out.String())
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("VAULT", "real")
	t.Setenv("DEMO_SECONDS", "60")
	if o, err := fromEnvironment(); err != nil || o.vault != "real" || o.run != time.Minute {
		t.Errorf("%+v %v", o, err)
	}
	for key, value := range map[string]string{"VAULT": "true", "DEMO_SECONDS": "1m"} {
		t.Run(key, func(t *testing.T) {
			t.Setenv(key, value)
			if _, err := fromEnvironment(); err == nil || !strings.Contains(err.Error(), key+"="+value) {
				t.Error(err)
			}
		})
	}
}
