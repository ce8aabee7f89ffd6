package credfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

const (
	defaultDebounce = 50 * time.Millisecond
	defaultPoll     = 5 * time.Second
	maxFileSize     = 1 << 20
)

// Options tune a Watcher; the zero value is right for most programs.
type Options struct {
	Debounce time.Duration // from a first event to reading the file; 50 ms when not set
	Poll     time.Duration // between reads without any event; 5 s when not set
	Logger   *slog.Logger  // told when file events are not available; nil: silent

	// events replaces the operating system's file events in tests with fake
	// time: fsnotify's goroutine blocks in a system call there.
	events <-chan struct{}
}

// Watcher watches one file. Make it with New.
type Watcher struct {
	path  string
	opts  Options
	asked chan struct{} // Reread's hints; holds one
}

// New returns a Watcher for the file at path, which need not exist yet (nor
// its folder).
func New(path string, o Options) *Watcher {
	if o.Debounce <= 0 {
		o.Debounce = defaultDebounce
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Watcher{path: path, opts: o, asked: make(chan struct{}, 1)}
}

// Run watches until ctx ends, then returns nil. It calls report from its own
// goroutine, one call at a time: first with what the file holds now, then at
// each change with the new credentials, or with the error that says why there
// are none. The same content, or the same error, is not reported twice in a
// row.
func (w *Watcher) Run(ctx context.Context, report func(Creds, error)) error {
	events, refresh := w.opts.events, func() {}
	if events == nil {
		dirs := newDirs(w.path, w.opts.Logger)
		defer dirs.close()
		events, refresh = dirs.hints, dirs.refresh
	}
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	var debounce <-chan time.Time // nil: no read is due
	last := ""
	for {
		if debounce == nil {
			// Watch first, then read: a change between the two is not lost.
			refresh()
			last = w.read(last, report)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.asked:
			debounce = nil
		case <-poll.C:
			debounce = nil
		case <-debounce:
			debounce = nil
		case <-events:
			// The first event starts the clock and later ones do not move it,
			// so a busy folder cannot put the read off for ever.
			if debounce == nil {
				debounce = time.After(w.opts.Debounce)
			}
		}
	}
}

// Reread makes Run read the file at once, for a program that has a reason to
// doubt what it has. It never blocks.
func (w *Watcher) Reread() {
	select {
	case w.asked <- struct{}{}:
	default:
	}
}

// read reports the file's state if it is not the last one reported, and
// returns it.
func (w *Watcher) read(last string, report func(Creds, error)) string {
	creds, err := Load(w.path)
	state := creds.Digest
	if err != nil {
		state = "error: " + err.Error()
	}
	if state != last {
		report(creds, err)
	}
	return state
}

// Load reads and decodes the file at path once.
func Load(path string) (Creds, error) {
	content, err := readFile(path)
	if err != nil {
		return Creds{}, err
	}
	creds, err := Decode(content)
	if err != nil {
		return Creds{}, fmt.Errorf("%s: %w", path, err)
	}
	return creds, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	// Opening a named pipe would block for ever.
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(content) > maxFileSize {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxFileSize)}
	}
	return content, err
}
