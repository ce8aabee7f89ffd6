package credfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reports collects what a Watcher says.
type reports struct {
	mu   sync.Mutex
	list []string // a password, or an error's text
	c    chan struct{}
}

func (r *reports) add(c Creds, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.list = append(r.list, "error: "+err.Error())
	} else {
		r.list = append(r.list, c.Password)
	}
	select {
	case r.c <- struct{}{}:
	default:
	}
}

func (r *reports) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.list, "\n")
}

// waitFor waits until the newest report contains want.
func (r *reports) waitFor(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		ok := len(r.list) > 0 && strings.Contains(r.list[len(r.list)-1], want)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.c:
		case <-deadline:
			t.Fatalf("no report of %q; so far:\n%s", want, r.all())
		}
	}
}

// watch runs a Watcher until the test ends. The poll is too slow to help:
// events have to do.
func watch(t *testing.T, path string, o Options) (*Watcher, *reports) {
	t.Helper()
	if o.Poll == 0 {
		o.Poll = time.Hour
	}
	r := &reports{c: make(chan struct{}, 1)}
	w := New(path, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx, r.add) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w, r
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, content string) {
	t.Helper()
	write(t, path+".tmp", content)
	must(t, os.Rename(path+".tmp", path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRenameOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.ini")
	write(t, path, sample("p0"))
	_, r := watch(t, path, Options{})
	r.waitFor(t, "p0")
	for _, p := range []string{"p1", "p2", "p3"} {
		replace(t, path, sample(p))
		r.waitFor(t, p)
	}
	if got := r.all(); got != "p0\np1\np2\np3" {
		t.Errorf("reports: %s", got)
	}
}

func TestSameContentIsReportedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.ini")
	write(t, path, sample("p0"))
	w, r := watch(t, path, Options{})
	r.waitFor(t, "p0")
	replace(t, path, sample("p0"))
	w.Reread()
	replace(t, path, sample("p1"))
	r.waitFor(t, "p1")
	if got := r.all(); got != "p0\np1" {
		t.Errorf("reports: %s", got)
	}
}

func TestHalfWrittenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.ini")
	_, r := watch(t, path, Options{})
	r.waitFor(t, "no such file")

	full := sample("p1")
	half := full[:strings.Index(full, "MYSQL_DB")]
	write(t, path, half)
	r.waitFor(t, "has no MYSQL_DB")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(full[len(half):])
	must(t, errors.Join(err, f.Close()))
	r.waitFor(t, "p1")

	must(t, os.Remove(path))
	r.waitFor(t, "no such file")
}

func TestKubernetesSymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	generation := func(name, password string) {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		write(t, filepath.Join(dir, name, "config.ini"), sample(password))
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	generation("..1", "p1")
	must(t, os.Symlink("..data/config.ini", filepath.Join(dir, "config.ini")))
	_, r := watch(t, filepath.Join(dir, "config.ini"), Options{})
	r.waitFor(t, "p1")
	generation("..2", "p2")
	r.waitFor(t, "p2")
	must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	generation("..3", "p3")
	r.waitFor(t, "p3")
	replace(t, filepath.Join(dir, "..3", "config.ini"), sample("p4")) // inside the linked folder
	r.waitFor(t, "p4")
}

func TestDirectoryRemovedAndMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	path := filepath.Join(dir, "config.ini")
	_, r := watch(t, path, Options{}) // the folder is missing at the start
	r.waitFor(t, "no such file")
	for _, p := range []string{"p1", "p2", "p3"} {
		must(t, os.Mkdir(dir, 0o700))
		replace(t, path, sample(p))
		r.waitFor(t, p)
		replace(t, path, sample(p+"-again"))
		r.waitFor(t, p+"-again")
		must(t, os.RemoveAll(dir))
		r.waitFor(t, "no such file")
	}
}

func TestDirectoryIsALinkThatMoves(t *testing.T) {
	base := t.TempDir()
	for _, name := range []string{"a", "b"} {
		must(t, os.Mkdir(filepath.Join(base, name), 0o700))
		write(t, filepath.Join(base, name, "config.ini"), sample("p-"+name))
	}
	current := filepath.Join(base, "current")
	must(t, os.Symlink("a", current))
	_, r := watch(t, filepath.Join(current, "config.ini"), Options{})
	r.waitFor(t, "p-a")
	must(t, os.Symlink("b", current+".tmp"))
	must(t, os.Rename(current+".tmp", current))
	r.waitFor(t, "p-b")
	replace(t, filepath.Join(base, "b", "config.ini"), sample("p-b2"))
	r.waitFor(t, "p-b2")
}

func TestWithoutEventsThePollDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.ini")
	write(t, path, sample("p0"))
	// A channel that never speaks: as when inotify is used up, or on NFS.
	w, r := watch(t, path, Options{Poll: 10 * time.Millisecond, events: make(chan struct{})})
	r.waitFor(t, "p0")
	replace(t, path, sample("p1"))
	r.waitFor(t, "p1")
	w.Reread()
}

func TestRereadAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.ini")
	write(t, path, sample("p0"))
	w, r := watch(t, path, Options{events: make(chan struct{})})
	r.waitFor(t, "p0")
	replace(t, path, sample("p1"))
	w.Reread()
	w.Reread()
	r.waitFor(t, "p1")
}

func TestExhaustedWatchesAreLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	d := newDirs(filepath.Join(t.TempDir(), "x"), slog.New(slog.NewTextHandler(&out, nil)))
	defer d.close()
	d.warn(errors.New("too many open files"))
	d.warn(errors.New("too many open files"))
	if got := strings.Count(out.String(), "too many open files"); got != 1 {
		t.Errorf("logged %d times:\n%s", got, out.String())
	}
}

func TestLoadRefusesWhatIsNotAFile(t *testing.T) {
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	big := filepath.Join(t.TempDir(), "big")
	write(t, big, strings.Repeat("#", maxFileSize+1))
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}

// TestDebounceAndPollInFakeTime checks the clock exactly: a storm of events is
// one read, 50 ms after its first event, and silence is read every 5 s.
func TestDebounceAndPollInFakeTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.ini")
	synctest.Test(t, func(t *testing.T) {
		events := make(chan struct{})
		var at []time.Duration
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		w := New(path, Options{events: events})
		go func() {
			defer close(done)
			_ = w.Run(ctx, func(Creds, error) { at = append(at, time.Since(start)) })
		}()
		synctest.Wait() // "missing" at 0
		time.Sleep(time.Second)
		write(t, path, sample("p1"))
		for range 20 { // events go on beyond the debounce time
			events <- struct{}{}
			time.Sleep(4 * time.Millisecond)
		}
		write(t, path, sample("p2")) // at 1080 ms, without an event
		time.Sleep(10 * time.Second)
		cancel()
		<-done
		want := []time.Duration{0, 1050 * time.Millisecond, 1102 * time.Millisecond}
		if len(at) != len(want) {
			t.Fatalf("reports at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("reports at %v, want %v", at, want)
				break
			}
		}
	})
}
