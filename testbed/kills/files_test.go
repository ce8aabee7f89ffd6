package kills

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// renameWindow is how long the files may belong to different generations while
// a run lives: the renderer renames one right after the other. It is much longer
// than that takes (a millisecond) because both programs share two cores with
// everything else.
const renameWindow = 250 * time.Millisecond

// account is what a file says.
type account struct{ user, password string }

// What the files hold, whole: anything else is a file in parts.
var (
	wholeINI = regexp.MustCompile(`^\[DATABASE\]\nMYSQL_HOST = \S+\nMYSQL_PORT = \d+\nMYSQL_USER = (v-\S+)\nMYSQL_PASSWORD = (\S+)\nMYSQL_DB = notes_webapp\n$`)
	wholeCNF = regexp.MustCompile(`^\[client\]\nhost = \S+\nport = \d+\nuser = "?(v-[^"\s]+)"?\npassword = "?([^"\s]+)"?\n$`)
)

// reader looks at files all the time.
//
// A file must be whole at every look. The files must name one account, with two
// exceptions: for renameWindow within one run, and, when a run was killed
// between the renames, until the next run is ready.
type reader struct {
	dir      string
	files    []string // the first one is looked at twice
	every    time.Duration
	renderer *renderer
	problem  func(format string, args ...any)

	mu       sync.Mutex
	seen     map[account]bool
	looks    int
	mixed    mixture
	longest  time.Duration // within one run
	mixtures int
}

// mixture is a stretch in which the files named different accounts.
type mixture struct {
	since time.Time // zero = there is none
	run   int       // in which it was seen first
	told  bool
}

// watch looks until ctx ends. All files must be there.
func (r *reader) watch(ctx context.Context) {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		r.look()
		<-tick.C
	}
}

func (r *reader) look() {
	now, at := r.renderer.phase(), time.Now() // before the files: see judge
	accounts, err := r.accounts()
	if err != nil {
		r.problem("%v", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	for _, a := range accounts {
		r.seen[a] = true
	}
	if accounts[0] != accounts[len(accounts)-1] {
		return // it changed under this look; the next one tells
	}
	r.judge(same(accounts), now, at)
}

// accounts reads all files, and the first one again.
func (r *reader) accounts() (out []account, err error) {
	for _, name := range append(slices.Clone(r.files), r.files[0]) {
		whole := wholeCNF
		if name == "config.ini" {
			whole = wholeINI
		}
		a, err := r.read(name, whole)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func same(accounts []account) bool { return len(slices.Compact(slices.Clone(accounts))) == 1 }

// judge is given what was so before the files were read: a run that was ready
// then has no excuse for what it did not repair.
func (r *reader) judge(one bool, now phase, at time.Time) {
	m := &r.mixed
	switch {
	case one:
		*m = mixture{}
	case m.since.IsZero():
		*m = mixture{since: at, run: now.run}
		r.mixtures++
	case now.run != m.run && now.ready:
		r.tell(m, "run %d left the files of two generations, and run %d was ready with them", m.run, now.run)
	case now.run == m.run && now.alive:
		r.longest = max(r.longest, at.Sub(m.since))
		if at.Sub(m.since) > renameWindow {
			r.tell(m, "the files were of two generations for %v in run %d", at.Sub(m.since), m.run)
		}
	}
}

func (r *reader) tell(m *mixture, format string, args ...any) {
	if !m.told {
		m.told = true
		r.problem(format, args...)
	}
}

func (r *reader) read(name string, whole *regexp.Regexp) (account, error) {
	b, err := os.ReadFile(filepath.Join(r.dir, "run", name))
	if err != nil {
		return account{}, err
	}
	m := whole.FindSubmatch(b)
	if m == nil {
		return account{}, fmt.Errorf("%s is not whole: %d bytes", name, len(b))
	}
	return account{string(m[1]), string(m[2])}, nil
}

// together says whether all files name one account right now. Nobody may be
// writing.
func (r *reader) together() bool {
	accounts, err := r.accounts()
	return err == nil && same(accounts)
}

// hidden are the temporary files, and what was kept of the generation before.
func hidden(dir string) (names []string) {
	entries, _ := os.ReadDir(filepath.Join(dir, "run"))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}
