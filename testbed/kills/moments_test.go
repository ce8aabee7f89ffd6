package kills

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// moment is a point of a rotation, seen from outside: in Vault's audit log, or
// in the directory of the files.
type moment string

// The moments of a rotation in their order. anytime is none of them: a kill
// then does not look at what happens.
const (
	anytime    moment = "at any time"
	tokenAsked moment = "own token asked for"
	leaseAsked moment = "lease asked for" // Vault has the request, and makes the account
	leaseGiven moment = "lease given"     // Vault writes its answer
	staging    moment = "file staged"
	journaled  moment = "renames next" // their plan is in the state file
	placing    moment = "file renamed"
	saving     moment = "state saved"
	revoking   moment = "revocation asked for"
)

// trigger calls a function at the next moment of a kind.
type trigger struct {
	mu    sync.Mutex
	armed moment
	fire  func()
}

// arm has f called at the next m, at once and before anything else is looked at.
func (t *trigger) arm(m moment, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armed, t.fire = m, f
}

func (t *trigger) happened(m moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fire != nil && m == t.armed {
		t.fire()
		t.armed, t.fire = "", nil
	}
}

// follow reports what happens in the directory of the files and in the audit
// log, until the test ends.
func follow(t *testing.T, dir string, tr *trigger, a *audit) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	log, err := os.Open(servers.vault.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	for _, d := range []string{filepath.Join(dir, "run"), log.Name()} {
		if err := w.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		lines := lineReader{r: bufio.NewReaderSize(log, 1<<16)}
		var files sequence
		for e := range w.Events {
			if e.Name == log.Name() {
				lines.each(func(line []byte) { tr.happened(a.enter(line)) })
			} else if e.Has(fsnotify.Create) {
				tr.happened(files.momentOf(filepath.Base(e.Name)))
			}
		}
	}()
}

// sequence knows what appeared in the directory before.
type sequence struct{ staged bool }

// momentOf says what it means that a name appeared.
func (s *sequence) momentOf(name string) moment {
	switch {
	case strings.HasPrefix(name, ".") && !strings.HasPrefix(name, ".state"):
		s.staged = true
		return staging
	case slices.Contains(files(), name):
		s.staged = false
		return placing
	case name == "state" && s.staged:
		s.staged = false
		return journaled
	case name == "state":
		return saving
	}
	return ""
}

// lineReader gives the lines of a file that grows; a part of a line waits for
// the rest.
type lineReader struct {
	r    *bufio.Reader
	part []byte
}

func (l *lineReader) each(f func([]byte)) {
	for {
		b, err := l.r.ReadBytes('\n')
		l.part = append(l.part, b...)
		if err != nil { // its end, so far
			return
		}
		f(l.part)
		l.part = nil
	}
}

// audit counts what the audit log says.
type audit struct {
	mu  sync.Mutex
	now figures
}

type figures struct {
	logins int
	leases int // asked for
	failed int // of those, without success
}

func (a *audit) figures() figures {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

// enter counts a line and says what it means.
func (a *audit) enter(line []byte) moment {
	var entry struct {
		Type    string
		Request struct{ Path string }
		Error   string
	}
	if json.Unmarshal(line, &entry) != nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := entry.Type == "request"
	switch p := entry.Request.Path; {
	case p == "auth/approle/login" && asked:
		a.now.logins++
	case p == "database/creds/mysql-role" && asked:
		a.now.leases++
		return leaseAsked
	case p == "database/creds/mysql-role" && entry.Error != "":
		a.now.failed++
	case p == "database/creds/mysql-role":
		return leaseGiven
	case p == "auth/token/create" && asked:
		return tokenAsked
	case (p == "auth/token/revoke-self" || strings.HasPrefix(p, "sys/leases/revoke")) && asked:
		return revoking
	}
	return ""
}
