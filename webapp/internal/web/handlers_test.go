package web

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"vault-renderer/testbed/mariadb"
	"vault-renderer/webapp/credfile"
)

// TestSite walks through every route on one real database.
func TestSite(t *testing.T) {
	db, content := startDB(t)
	s := newSite(t, false)
	beforeCredentials(t, s)
	s.offer(content)
	waitFor(t, "ready", func() bool { return s.get("/-/ready").Code == 200 })

	notes(t, s)
	crossSite(t, s)
	generationPage(t, s, content)
	headers(t, s)
	if w := s.get("/config"); w.Code != 200 || !strings.Contains(w.Body.String(), "v-web") || !strings.Contains(w.Body.String(), masked) {
		t.Errorf("config: %d %s", w.Code, w.Body)
	}
	revoked(t, s, db)
}

func beforeCredentials(t *testing.T, s *site) {
	t.Helper()
	for path, want := range map[string]int{"/": 503, "/read/1": 503, "/add": 200, "/config": 503, "/-/healthy": 200, "/-/ready": 503, "/-/generation": 200, "/nowhere": 404} {
		if w := s.get(path); w.Code != want {
			t.Errorf("%s before credentials: %d", path, w.Code)
		}
	}
	if w := s.get("/"); !strings.Contains(w.Body.String(), "no database credentials yet") || w.Header().Get("Retry-After") == "" {
		t.Errorf("index before credentials: %s", w.Body)
	}
	if w := s.post("x"); w.Code != 503 {
		t.Errorf("post before credentials: %d", w.Code)
	}
	s.offer("[DATABASE]\nMYSQL_PASSWORD = canary-half\n")
	waitFor(t, "the reason", func() bool {
		return strings.Contains(s.get("/-/ready").Body.String(), "no credentials yet: incomplete: section [DATABASE] has no MYSQL_HOST")
	})
}

func notes(t *testing.T, s *site) {
	t.Helper()
	if w := s.get("/"); w.Code != 200 || !strings.Contains(w.Body.String(), "no notes yet") {
		t.Errorf("empty index: %d %s", w.Code, w.Body)
	}
	for _, empty := range []string{"", "  \n\t "} {
		if w := s.post(empty); w.Code != 303 || w.Header().Get("Location") != "/" {
			t.Errorf("empty note: %d", w.Code)
		}
	}
	if w := s.post("  <b>first</b> & ünïcode 🎉 \n"); w.Code != 303 || w.Header().Get("Location") != "/" {
		t.Errorf("note: %d %s", w.Code, w.Body)
	}
	if w := s.get("/"); !strings.Contains(w.Body.String(), "&lt;b&gt;first&lt;/b&gt; &amp; ünïcode 🎉<") || !strings.Contains(w.Body.String(), `href="/read/1"`) || strings.Contains(w.Body.String(), "/read/2") {
		t.Errorf("index: %s", w.Body)
	}
	if w := s.get("/read/1"); w.Code != 200 || !strings.Contains(w.Body.String(), "<article>&lt;b&gt;first&lt;/b&gt;") {
		t.Errorf("note 1: %d %s", w.Code, w.Body)
	}
	for _, missing := range []string{"/read/99", "/read/x", "/read/99999999999999999999"} {
		if w := s.get(missing); w.Code != 303 || w.Header().Get("Location") != "/" {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
	if w := s.post(strings.Repeat("x", maxBody)); w.Code != 413 {
		t.Errorf("long note: %d", w.Code)
	}
}

func crossSite(t *testing.T, s *site) {
	t.Helper()
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if w := s.post("evil", header...); w.Code != 403 {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
	if w := s.post("from the form", "Sec-Fetch-Site", "same-origin"); w.Code != 303 {
		t.Errorf("same origin: %d", w.Code)
	}
	if w := s.get("/"); strings.Contains(w.Body.String(), "evil") {
		t.Error("another site wrote a note")
	}
}

func generationPage(t *testing.T, s *site, content string) {
	t.Helper()
	creds, err := credfile.Decode([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	w := s.get("/-/generation")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["digest"] != creds.Digest || got["user"] != "v-web" || got["pools"] != 1.0 || got["generation"] != 1.0 || got["draining"] != 0.0 {
		t.Errorf("%s", w.Body)
	}
	if open, ok := got["open_connections"].(map[string]any); !ok || open["1"] == nil {
		t.Errorf("open connections: %s", w.Body)
	}
	if since, _ := got["since"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(since) {
		t.Errorf("since: %s", w.Body)
	}
}

func headers(t *testing.T, s *site) {
	t.Helper()
	for _, path := range []string{"/", "/-/ready", "/config", "/style.css", "/nowhere"} {
		h := s.get(path).Header()
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if w := s.get("/style.css"); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("style: %v", w.Header())
	}
}

// revoked takes the account away without notice: the page stays readable, the
// file is asked for again, and the log names the error.
func revoked(t *testing.T, s *site, db *mariadb.Server) {
	t.Helper()
	if _, err := db.Admin().Exec("DROP USER 'v-web'@'%'"); err != nil {
		t.Fatal(err)
	}
	w := s.get("/")
	if w.Code != 503 || !strings.Contains(w.Body.String(), "does not answer right now") {
		t.Errorf("revoked: %d %s", w.Code, w.Body)
	}
	select {
	case <-s.reread:
	default:
		t.Error("the file is not read again")
	}
	if !strings.Contains(s.log.String(), "1142") {
		t.Errorf("the log does not name the error: %s", s.log)
	}
	if s.told.Load() == 0 {
		t.Error("the renderer is not told")
	}
}

// TestRevokedAndReplaced: an account that is taken away without notice costs
// the request that meets it some time, and no request fails; what is written
// is written once.
func TestRevokedAndReplaced(t *testing.T) {
	db, content := startDB(t)
	for name, ask := range map[string]func(*site) int{
		"read": func(s *site) int { return s.get("/").Code },
		"add":  func(s *site) int { return s.post("canary-free " + s.path).Code },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, false)
			s.offer(content)
			waitFor(t, "ready", func() bool { return s.get("/-/ready").Code == 200 })
			if code := s.get("/read/1").Code; code != 200 && code != 303 { // a session of the old account
				t.Fatal(code)
			}
			for _, q := range []string{
				"CREATE USER 'v-next'@'%' IDENTIFIED BY 'canary-next'", "GRANT SELECT, INSERT ON notes_webapp.note TO 'v-next'@'%'",
				"DROP USER 'v-web'@'%'",
			} {
				if _, err := db.Admin().Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			s.refused = func() { s.offer(configFor(db, "v-next", "canary-next")) }
			if code := ask(s); code != 200 && code != 303 {
				t.Errorf("%d, told %d times: %s", code, s.told.Load(), s.log)
			}
			var rows int
			err := db.Admin().QueryRow("SELECT COUNT(*) FROM notes_webapp.note WHERE content = ?", "canary-free "+s.path).Scan(&rows)
			if want := map[string]int{"add": 1}[name]; err != nil || rows != want {
				t.Errorf("%d rows, %v", rows, err)
			}
			if _, err := db.Admin().Exec("RENAME USER 'v-next'@'%' TO 'v-web'@'%'"); err != nil {
				t.Fatal(err)
			}
			content = configFor(db, "v-web", "canary-next")
		})
	}
}

// TestDigestOnlyWhenDrained: the acknowledgement waits for the last old
// transaction.
func TestDigestOnlyWhenDrained(t *testing.T) {
	db, content := startDB(t)
	s := newSite(t, false)
	s.offer(content)
	waitFor(t, "ready", func() bool { return s.get("/-/ready").Code == 200 })
	first := s.report().Digest
	tx, err := s.pool.DB().Begin()
	if err != nil {
		t.Fatal(err)
	}
	s.offer("# again\n" + content)
	waitFor(t, "the switch", func() bool { return s.report().Next != "" })
	if r := s.report(); r.Digest != "" || r.Next == first || r.Draining != 1 || r.Generation != 2 {
		t.Errorf("%+v", r)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if r := s.report(); r.Digest == "" || r.Digest == first || r.Draining != 0 || r.Next != "" {
		t.Errorf("%+v", r)
	}
	waitFor(t, "the log", func() bool { return strings.Contains(s.log.String(), "old pool drained") })

	// New credentials that do not work leave everything as it is.
	good := s.report().Digest
	s.offer(configFor(db, "v-nobody", "canary-nobody"))
	waitFor(t, "refused", func() bool {
		w := s.get("/-/ready")
		return w.Code == 503 && w.Body.String() == "new credentials refused: error 1045 for user \"v-nobody\"\n"
	})
	if r := s.report(); r.Digest != good || s.get("/").Code != 200 {
		t.Errorf("%+v", r)
	}
	s.offer("# again\n" + content)
	waitFor(t, "ready again", func() bool { return s.get("/-/ready").Code == 200 })
	if s.report().Generation != 2 {
		t.Error("the configuration in use was used again")
	}
}

func TestShowSecrets(t *testing.T) {
	s := newSite(t, true)
	s.offer("[DATABASE]\nMYSQL_PASSWORD = canary-shown\n")
	if w := s.get("/config"); !strings.Contains(w.Body.String(), "canary-shown") || strings.Contains(w.Body.String(), "secrets masked") {
		t.Errorf("%s", w.Body)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"MYSQL_USER = u":                       "MYSQL_USER = u",
		"MYSQL_PASSWORD = canary":              "MYSQL_PASSWORD = " + masked,
		"mysql_password: canary":               "mysql_password: " + masked,
		"# MYSQL_PASSWORD = canary":            "# MYSQL_PASSWORD = " + masked,
		"API_KEY=canary":                       "API_KEY=" + masked,
		"vault_token = canary":                 "vault_token = " + masked,
		"URL = mysql://u:canary@h/db":          "URL = mysql://u:" + masked + "@h/db",
		"OTHER = xx-the-secret-yy":             "OTHER = xx-" + masked + "-yy",
		"[DATABASE]":                           "[DATABASE]",
		"# a comment":                          "# a comment",
		"":                                     "",
		"    canary-continued":                 masked,
		"MYSQL_PASSWORD =":                     "MYSQL_PASSWORD =",
		"-----BEGIN KEY-----\na=b\n-----END X": masked + "\n" + masked + "\n" + masked,
	} {
		got := strings.TrimSuffix(mask(in+"\n", "the-secret", ""), "\n")
		if got != want {
			t.Errorf("%q:\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestPagesEscape(t *testing.T) {
	a := New(Options{})
	for _, name := range []string{"index.html", "read.html", "add.html", "config.html", "error.html"} {
		w := httptest.NewRecorder()
		evil := "<script>"
		a.render(w, 200, name, page{Title: evil, Message: evil, Notes: []note{{1, evil}}, Note: note{1, evil}, Path: evil, Text: evil})
		if w.Code != 200 || strings.Contains(w.Body.String(), evil) || !strings.Contains(w.Body.String(), "</html>") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
