package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/mariadb"
	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
)

// site is an App on a real database.
type site struct {
	*App
	t       *testing.T
	log     *capture.Buffer
	handler http.Handler
	path    string
	pool    *dbpool.Pool
	reread  chan struct{}   // gets a value when the App wants the file read again
	refused func()          // what the renderer does when it is told
	told    atomic.Int64    // how often it was
	shown   strings.Builder // every body that was served
}

// newSite serves; nothing is in use until take is called.
func newSite(t *testing.T, showSecrets bool) *site {
	t.Helper()
	pool, err := dbpool.Open(dbpool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, log: new(capture.Buffer), path: filepath.Join(t.TempDir(), "config.ini"), pool: pool, reread: make(chan struct{}, 100)}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.App = New(Options{
		Pool: pool, ConfigPath: s.path, ShowSecrets: showSecrets, Log: log, Reread: func() { s.reread <- struct{}{} },
		Refused: s.tell, RefusedWait: 2 * time.Second,
	})
	s.handler = s.Handler()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = pool.Close()
		if strings.Contains(s.log.String(), "canary") {
			t.Errorf("a secret in the log:\n%s", s.log)
		}
		if !showSecrets && strings.Contains(s.shown.String(), "canary") {
			t.Errorf("a secret on a page:\n%s", s.shown.String())
		}
	})
	return s
}

// tell is the renderer's side.
func (s *site) tell(reason string) {
	if !regexp.MustCompile(`^the database refused the newest credentials: error \d+$`).MatchString(reason) {
		s.t.Errorf("reason %q", reason)
	}
	if s.told.Add(1) == 1 && s.refused != nil {
		s.refused()
	}
}

func (s *site) do(r *http.Request) *httptest.ResponseRecorder {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	s.shown.WriteString(w.Body.String())
	return w
}

func (s *site) get(path string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.do(httptest.NewRequest("GET", path, nil))
}

func (s *site) post(note string, header ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest("POST", "/add", strings.NewReader(url.Values{"note": {note}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return s.do(r)
}

// offer writes the configuration and hands it to the App, as the watcher does.
func (s *site) offer(content string) {
	s.t.Helper()
	if err := os.WriteFile(s.path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.Offer(credfile.Decode([]byte(content)))
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// startDB starts a database with the notes' table and one user, and returns
// its configuration file's content.
func startDB(t *testing.T) (db *mariadb.Server, content string) {
	t.Helper()
	if _, err := mariadb.Find(); err != nil {
		t.Fatal(err)
	}
	db, err := mariadb.Start(t.Context(), mariadb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Stop() })
	for _, q := range []string{
		"CREATE DATABASE notes_webapp",
		"CREATE TABLE notes_webapp.note (id INT AUTO_INCREMENT PRIMARY KEY, content TEXT)",
		"CREATE USER 'v-web'@'%' IDENTIFIED BY 'canary-web'",
		"GRANT SELECT, INSERT ON notes_webapp.note TO 'v-web'@'%'",
	} {
		if _, err := db.Admin().Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	return db, configFor(db, "v-web", "canary-web")
}

func configFor(db *mariadb.Server, user, password string) string {
	host, port, _ := strings.Cut(db.Addr(), ":")
	return fmt.Sprintf("[DATABASE]\nMYSQL_HOST = %s\nMYSQL_PORT = %s\nMYSQL_USER = %s\nMYSQL_PASSWORD = %s\nMYSQL_DB = notes_webapp\n", host, port, user, password)
}
