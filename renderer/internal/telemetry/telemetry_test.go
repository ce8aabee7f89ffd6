package telemetry

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func start(t *testing.T, o Options) *Metrics {
	t.Helper()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func get(m *Metrics, method, target string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	m.Handler().ServeHTTP(w, r)
	return w
}

// shown is the JSON form without what the runtime says of itself.
func shown(t *testing.T, m *Metrics) map[string]any {
	t.Helper()
	w := get(m, "GET", "/agent/v1/metrics")
	var all map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %v %s", w.Code, w.Header(), err, w.Body)
	}
	for _, k := range []string{"Gauges", "Counters", "Samples"} {
		var kept []any
		for _, x := range all[k].([]any) {
			if m := x.(map[string]any); !strings.Contains(m["Name"].(string), ".runtime.") {
				kept = append(kept, m)
			}
		}
		all[k] = kept
	}
	return all
}

func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, Options{FilterDefault: true, Hostname: "h"})
		m.Authenticated(false)
		m.AuthFailure()
		m.AuthFailure()
		m.AuthSuccess()
		m.Authenticated(true)
		time.Sleep(interval)
		synctest.Wait()
		count := func(name string, n float64) map[string]any {
			return map[string]any{
				"Name": name, "Count": n, "Rate": n / 10, "Sum": n, "Min": 1.0, "Max": 1.0,
				"Mean": 1.0, "Stddev": 0.0, "Labels": map[string]any{},
			}
		}
		authenticated := map[string]any{"Name": "vault.agent.authenticated", "Value": 1.0, "Labels": map[string]any{}}
		want := map[string]any{
			"Timestamp": "2000-01-01 00:00:00 +0000 UTC", "Points": []any{}, "Samples": []any(nil),
			"Gauges":   []any{authenticated},
			"Counters": []any{count("vault.agent.auth.failure", 2), count("vault.agent.auth.success", 1)},
		}
		if d := cmp.Diff(want, shown(t, m)); d != "" {
			t.Error(d)
		}
		// What goes on being true is said in every interval.
		time.Sleep(10 * interval)
		synctest.Wait()
		want["Timestamp"], want["Counters"] = "2000-01-01 00:01:40 +0000 UTC", []any(nil)
		if d := cmp.Diff(want, shown(t, m)); d != "" {
			t.Error(d)
		}
	})
}

func TestDump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, Options{FilterDefault: true, EnableHostnameLabel: true, Hostname: "ho st", MetricsPrefix: "pp"})
		m.TemplateRendered()
		m.Authenticated(true)
		var b bytes.Buffer
		if err := m.Dump(&b); err != nil || b.Len() > 0 {
			t.Errorf("an unfinished interval: %v %s", err, b.String())
		}
		time.Sleep(interval)
		synctest.Wait()
		_ = m.Dump(&b)
		got := regexp.MustCompile(`(?m)^.*\.runtime\..*\n`).ReplaceAllString(b.String(), "")
		want := "[2000-01-01 00:00:00 +0000 UTC][G] 'pp.agent.authenticated.ho_st': 1.000\n" +
			"[2000-01-01 00:00:00 +0000 UTC][C] 'pp.agent.template.success.ho_st': Count: 1 Sum: 1.000 LastUpdated: 2000-01-01 00:00:00 +0000 UTC m="
		if !strings.HasPrefix(got, want[:strings.Index(want, " m=")]) || strings.Count(got, "\n") != 2 {
			t.Errorf("got %q, want %q", got, want)
		}
		if !strings.Contains(b.String(), "[G] 'pp.runtime.num_goroutines.ho_st': ") {
			t.Errorf("nothing of the runtime in %s", b.String())
		}
	})
}

func TestPrometheus(t *testing.T) {
	m := start(t, Options{FilterDefault: true, PrometheusRetentionTime: time.Hour, EnableHostnameLabel: true, Hostname: `a"b\`})
	m.HookFailed()
	m.HookFailed()
	m.Authenticated(true)
	m.Authenticated(false)
	m.m.AddSample([]string{"agent", "time-of.day"}, 1.5)
	m.m.AddSample([]string{"agent", "time-of.day"}, 2)
	w := get(m, "GET", "/agent/v1/metrics?format=prometheus")
	if got := w.Header().Get("Content-Type"); got != textType || w.Code != 200 {
		t.Errorf("%d %s", w.Code, got)
	}
	for _, want := range []string{
		"# HELP vault_agent_hook_failure vault_agent_hook_failure\n# TYPE vault_agent_hook_failure counter\n" +
			`vault_agent_hook_failure{host="a\"b\\"} 2` + "\n",
		"# TYPE vault_agent_authenticated gauge\n" + `vault_agent_authenticated{host="a\"b\\"} 0` + "\n",
		"# TYPE vault_agent_time_of_day summary\n" + `vault_agent_time_of_day_sum{host="a\"b\\"} 3.5` + "\n" + `vault_agent_time_of_day_count{host="a\"b\\"} 2` + "\n",
		"\nprocess_start_time_seconds ", "\nprocess_resident_memory_bytes ", "\nprocess_cpu_seconds_total ", "\ngo_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, w.Body)
		}
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ [a-z_]+|[a-z_]+(\{[a-z]+="(\\.|[^"\\])*"\})? [0-9.e+-]+)$`)
	for l := range strings.Lines(w.Body.String()) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not of the format: %q", l)
		}
	}
}

func TestHandler(t *testing.T) {
	off, on := start(t, Options{FilterDefault: true}), start(t, Options{FilterDefault: true, PrometheusRetentionTime: 1})
	for _, c := range []struct {
		m              *Metrics
		method, target string
		accept         string
		code           int
		kind, body     string
	}{
		{off, "POST", "/", "", 405, "application/json", `{"errors":[]}` + "\n"},
		{off, "HEAD", "/", "", 405, "application/json", `{"errors":[]}` + "\n"},
		{off, "GET", "/?format=prometheus", "", 400, "text/plain", "prometheus is not enabled"},
		{off, "GET", "/?format=bogus", "", 400, "text/plain", `metric response format "bogus" unknown`},
		{on, "GET", "/?format=bogus", "", 400, "text/plain", `metric response format "bogus" unknown`},
		{on, "GET", "/", "application/openmetrics-text;version=1.0.0,*/*", 200, textType, ""},
		{on, "GET", "/", "prometheus/telemetry", 200, textType, ""},
		{on, "GET", "/", "text/plain", 200, "application/json", ""},
		{nil, "GET", "/", "", 404, "text/plain; charset=utf-8", "404 page not found\n"},
	} {
		w := get(c.m, c.method, c.target, "Accept", c.accept)
		if w.Code != c.code || w.Header().Get("Content-Type") != c.kind || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s %s %s: %d %s %s", c.method, c.target, c.accept, w.Code, w.Header(), w.Body)
		}
	}
}

// TestHostname follows Vault Agent: the name of the host is in gauges when
// there are several places for them.
func TestHostname(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "vault_agent_authenticated"},
		{Options{StatsdAddress: "127.0.0.1:1"}, "vault_my_host_agent_authenticated"},
		{Options{StatsdAddress: "127.0.0.1:1", DisableHostname: true}, "vault_agent_authenticated"},
		{Options{StatsdAddress: "127.0.0.1:1", EnableHostnameLabel: true}, `vault_agent_authenticated{host="my-host"}`},
	} {
		c.o.FilterDefault, c.o.PrometheusRetentionTime, c.o.Hostname = true, time.Hour, "my-host"
		m := start(t, c.o)
		m.Authenticated(true)
		m.AuthSuccess()
		got := get(m, "GET", "/?format=prometheus").Body.String()
		if !strings.Contains(got, "\n"+c.want+" 1\n") || strings.Contains(got, "my_host_agent_auth_success") {
			t.Errorf("%+v: %s", c.o, got)
		}
	}
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{FilterDefault: true, BlockedPrefixes: []string{"vault.agent.auth."}}, "hook"},
		{Options{AllowedPrefixes: []string{"vault.agent.auth"}}, "auth"},
		{Options{}, ""},
	} {
		c.o.PrometheusRetentionTime = time.Hour
		m := start(t, c.o)
		m.AuthSuccess()
		m.HookSucceeded()
		got := get(m, "GET", "/?format=prometheus").Body.String()
		for _, what := range []string{"auth", "hook"} {
			if strings.Contains(got, "vault_agent_"+what+"_success") != (what == c.want) {
				t.Errorf("%+v: %s", c.o, got)
			}
		}
	}
}

func TestNil(t *testing.T) {
	var m *Metrics
	everything(m)
	if err := m.Dump(io.Discard); err != nil {
		t.Error(err)
	}
	m.Close()
}

func everything(m *Metrics) {
	for _, f := range []func(){
		m.AuthSuccess, m.AuthFailure, m.SecretFetched, m.SecretFailed, m.TemplateRendered,
		m.TemplateFailed, m.HookSucceeded, m.HookFailed,
	} {
		f()
	}
	m.Authenticated(true)
}

func TestAfterClose(t *testing.T) {
	m := start(t, Options{FilterDefault: true, PrometheusRetentionTime: 1, StatsdAddress: "127.0.0.1:1"})
	m.Close()
	m.Close()
	everything(m)
	if w := get(m, http.MethodGet, "/?format=prometheus"); !strings.Contains(w.Body.String(), "vault_agent_secret_failure 1") {
		t.Errorf("got %s", w.Body)
	}
}

func TestBadDogStatsD(t *testing.T) {
	if _, err := New(Options{DogStatsDAddress: "nowhere"}); err == nil || !strings.Contains(err.Error(), "dogstatsd_addr") {
		t.Errorf("got %v", err)
	}
}
