package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/mariadb"
)

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func startDB(t *testing.T) *mariadb.Server {
	t.Helper()
	if _, err := mariadb.Find(); err != nil {
		t.Fatal(err)
	}
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	exec(t, db, "CREATE DATABASE notes_webapp", "CREATE TABLE notes_webapp.note (id INT AUTO_INCREMENT PRIMARY KEY, content TEXT)")
	return db
}

func exec(t *testing.T, db *mariadb.Server, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if _, err := db.Admin().Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// render writes a configuration with a new user, as the renderer would. The
// grant is on the table: then a revoked session fails at once.
func render(t *testing.T, db *mariadb.Server, path, user string) {
	t.Helper()
	exec(t, db, fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'canary-%s'", user, user),
		fmt.Sprintf("GRANT SELECT, INSERT ON notes_webapp.note TO '%s'@'%%'", user))
	writeConfig(t, db, path, user, "canary-"+user)
}

func writeConfig(t *testing.T, db *mariadb.Server, path, user, password string) {
	t.Helper()
	host, port, _ := strings.Cut(db.Addr(), ":")
	content := fmt.Sprintf("\n\n[DATABASE]\nMYSQL_HOST = %s\nMYSQL_PORT = %s\nMYSQL_USER = %s\nMYSQL_PASSWORD = %s\nMYSQL_DB = notes_webapp\n", host, port, user, password)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// start runs the program and returns its URL; the test's end stops it.
func start(t *testing.T, log *capture.Buffer, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() { done <- run(ctx, append([]string{"-listen=127.0.0.1:0"}, args...), io.Discard, log) }()
	t.Cleanup(func() {
		// A connection that was opened and never used keeps a server's shutdown
		// waiting for some seconds.
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("exit code %d:\n%s", code, log)
		}
		if strings.Contains(log.String(), "canary") {
			t.Errorf("a secret in the log:\n%s", log)
		}
	})
	address := regexp.MustCompile(`address=(\S+)`)
	waitFor(t, "listening", func() bool { return address.MatchString(log.String()) })
	return "http://" + address.FindStringSubmatch(log.String())[1]
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

type report struct {
	Digest     string
	User       string
	Generation int
	Draining   int
}

func generation(t *testing.T, url string) (r report) {
	t.Helper()
	_, body := get(t, url+"/-/generation")
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return r
}

// TestLife: no file, first credentials, rotations under load with the old user
// revoked as soon as the application acknowledges, refused credentials, and a
// database that goes and comes.
func TestLife(t *testing.T) {
	db := startDB(t)
	path := filepath.Join(t.TempDir(), "config.ini")
	log := new(capture.Buffer)
	url := start(t, log, "-config="+path)

	if code, body := get(t, url+"/-/ready"); code != 503 || !strings.Contains(body, "no credentials yet") {
		t.Errorf("ready without a file: %d %s", code, body)
	}
	if code, _ := get(t, url+"/"); code != 503 {
		t.Errorf("index without a file: %d", code)
	}
	render(t, db, path, "v-0")
	waitFor(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == 200 })

	rotate(t, db, path, url)
	refuse(t, db, path, url)

	if err := db.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "not ready without a database", func() bool {
		code, body := get(t, url+"/-/ready")
		return code == 503 && strings.Contains(body, "database unreachable")
	})
	if code, _ := get(t, url+"/-/healthy"); code != 200 {
		t.Errorf("healthy: %d", code)
	}
	if err := db.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "ready again", func() bool { code, _ := get(t, url+"/-/ready"); return code == 200 })
	if code, _ := get(t, url+"/"); code != 200 {
		t.Errorf("index afterwards: %d", code)
	}
	for _, step := range []string{"new credentials in use", "old pool drained", "new credentials not in use", "database answers again"} {
		if !strings.Contains(log.String(), step) {
			t.Errorf("the log lacks %q:\n%s", step, log)
		}
	}
}

func rotate(t *testing.T, db *mariadb.Server, path, url string) {
	t.Helper()
	load := startLoad(url)
	for i := range 5 {
		before := generation(t, url).Digest
		render(t, db, path, fmt.Sprintf("v-%d", i+1))
		began := time.Now()
		waitFor(t, "the acknowledgement", func() bool { d := generation(t, url).Digest; return d != "" && d != before })
		t.Logf("acknowledged after %v", time.Since(began).Round(time.Millisecond))
		old := fmt.Sprintf("'v-%d'@'%%'", i)
		exec(t, db, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+old, "DROP USER "+old)
	}
	load.stop(t)
}

// load is eight clients that ask for the first page all the time.
type load struct {
	cancel     context.CancelFunc
	ok, failed atomic.Int64
	clients    sync.WaitGroup
}

func startLoad(url string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for range 8 {
		l.clients.Go(func() {
			for ctx.Err() == nil {
				resp, err := http.Get(url + "/")
				if err != nil || resp.StatusCode != 200 {
					l.failed.Add(1)
				} else {
					l.ok.Add(1)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}
		})
	}
	return l
}

func (l *load) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	l.clients.Wait()
	t.Logf("%d requests answered, %d failed", l.ok.Load(), l.failed.Load())
	if l.failed.Load() != 0 {
		t.Errorf("%d requests failed", l.failed.Load())
	}
}

func refuse(t *testing.T, db *mariadb.Server, path, url string) {
	t.Helper()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := generation(t, url)
	writeConfig(t, db, path, "v-wrong", "canary-wrong")
	waitFor(t, "refused", func() bool {
		_, body := get(t, url+"/-/ready")
		return strings.Contains(body, `new credentials refused: error 1045 for user "v-wrong"`)
	})
	if code, _ := get(t, url+"/"); code != 200 || generation(t, url) != before {
		t.Errorf("the old credentials do not serve: %d, %+v", code, generation(t, url))
	}
	// The account comes later: found by the retry, without another file.
	exec(t, db, "CREATE USER 'v-wrong'@'%' IDENTIFIED BY 'canary-wrong'", "GRANT SELECT, INSERT ON notes_webapp.note TO 'v-wrong'@'%'")
	waitFor(t, "used by retry", func() bool { return generation(t, url).User == "v-wrong" })
	if err := os.WriteFile(path, good, 0o600); err != nil { // in place
		t.Fatal(err)
	}
	waitFor(t, "back", func() bool { return generation(t, url).Digest == before.Digest })
}

// TestRevokedWithoutNotice takes the account in use away under load, with a
// renderer that makes another when it is told: no request fails.
func TestRevokedWithoutNotice(t *testing.T) {
	db := startDB(t)
	dir := t.TempDir()
	path, socket := filepath.Join(dir, "config.ini"), filepath.Join(dir, "status.sock")
	render(t, db, path, "v-0")
	var n atomic.Int64
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	renderer := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/-/refresh" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.WriteHeader(http.StatusAccepted)
		render(t, db, path, fmt.Sprintf("v-%d", n.Add(1)))
	})}
	go func() { _ = renderer.Serve(listener) }()
	t.Cleanup(func() { _ = renderer.Close() })
	log := new(capture.Buffer)
	url := start(t, log, "-config="+path, "-refresh=unix://"+socket)
	waitFor(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == 200 })

	load := startLoad(url)
	for range 3 {
		was := generation(t, url)
		exec(t, db, fmt.Sprintf("DROP USER '%s'@'%%'", was.User))
		began := time.Now()
		waitFor(t, "another account", func() bool { g := generation(t, url); return g.Generation > was.Generation && g.Digest != "" })
		t.Logf("well again after %v", time.Since(began).Round(time.Millisecond))
		// A request is repeated once: each that was refused has its answer before
		// the next account is taken away.
		answered := load.ok.Load()
		waitFor(t, "answers", func() bool { return load.ok.Load() >= answered+30 })
	}
	load.stop(t)
	if text := log.String(); !strings.Contains(text, "the renderer was told") || !strings.Contains(text, "database error") {
		t.Errorf("the log:\n%s", text)
	}
}

func TestCheck(t *testing.T) {
	db := startDB(t)
	path := filepath.Join(t.TempDir(), "config.ini")
	check := func() (int, string) {
		var out bytes.Buffer
		code := run(t.Context(), []string{"-check", "-config=" + path}, &out, &out)
		if strings.Contains(out.String(), "canary") {
			t.Errorf("a secret in %q", out.String())
		}
		return code, strings.TrimSpace(out.String())
	}
	if code, out := check(); code != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("%d %s", code, out)
	}
	render(t, db, path, "v-check")
	if code, out := check(); code != 0 || !strings.HasPrefix(out, `ok: user "v-check" can use database "notes_webapp" at 127.0.0.1:`) {
		t.Errorf("%d %s", code, out)
	}
	writeConfig(t, db, path, "v-check", "canary-other")
	if code, out := check(); code != 1 || !strings.Contains(out, "1045") || strings.Contains(out, "\n") {
		t.Errorf("%d %s", code, out)
	}
	if err := os.WriteFile(path, []byte("[DATABASE]\nMYSQL_PASSWORD = canary-x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := check(); code != 1 || !strings.Contains(out, "has no MYSQL_HOST, MYSQL_USER, MYSQL_DB") {
		t.Errorf("%d %s", code, out)
	}
}

// TestCheckIsBounded: a server that takes the connection and says nothing does
// not hold up a rollout.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel() // it waits
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	path := filepath.Join(t.TempDir(), "config.ini")
	content := "[DATABASE]\nMYSQL_HOST = 127.0.0.1\nMYSQL_PORT = " + port + "\nMYSQL_USER = u\nMYSQL_PASSWORD = canary-x\nMYSQL_DB = d\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	began := time.Now()
	code := run(t.Context(), []string{"-check", "-config=" + path}, &out, &out)
	if took := time.Since(began); code != 1 || took > checkTimeout+5*time.Second || strings.Contains(out.String(), "canary") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%d after %v: %s", code, took, out.String())
	}
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]int{"-h": 0, "-nope": 2, "extra": 2, "-log-format=xml": 2, "-listen=nonsense": 1, "-refresh=nonsense": 1} {
		var out bytes.Buffer
		if code := run(t.Context(), []string{args}, &out, &out); code != want || out.Len() == 0 {
			t.Errorf("%s: exit code %d, %s", args, code, out.String())
		}
	}
}
