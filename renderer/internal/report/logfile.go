package report

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LogFileOptions say where the log goes and when it is cut.
type LogFileOptions struct {
	Path           string        // a directory means vault.log in it
	RotateDuration time.Duration // 0 = 24h
	RotateBytes    int64         // 0 = however large
	RotateMaxFiles int           // archives to keep: 0 = all, negative = none
	// OnError is told once when rotating or writing begins to fail. It must not
	// log through this file. nil = nobody is told.
	OnError func(error)
}

const (
	logFileName = "vault.log" // Vault Agent's, in a directory
	logFileMode = 0o640
	// rotateRetry keeps a rotation that fails from being tried at every line.
	rotateRetry = time.Minute
)

// LogFile is a file that gets lines, and is renamed and begun anew when it is
// old or large. The one being written keeps its name; the others are
// <name>-<unix nanoseconds><extension> beside it. It may be used by several
// goroutines.
type LogFile struct {
	o LogFileOptions

	mu      sync.Mutex
	file    *os.File // nil after Close
	size    int64
	since   time.Time // when this file was begun or opened
	retryAt time.Time // no rotation before this
	failing map[string]bool
}

// OpenLogFile opens the file to append to it.
func OpenLogFile(o LogFileOptions) (*LogFile, error) {
	if strings.ContainsAny(o.Path, "*?[") {
		return nil, fmt.Errorf("log_file %q: the characters *, ? and [ are not allowed in it", o.Path)
	}
	info, err := os.Stat(o.Path)
	if strings.HasSuffix(o.Path, "/") || err == nil && info.IsDir() {
		o.Path = filepath.Join(o.Path, logFileName)
	}
	if o.RotateDuration <= 0 {
		o.RotateDuration = 24 * time.Hour
	}
	l := &LogFile{o: o, failing: map[string]bool{}}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("log_file: %w", err)
	}
	return l, nil
}

// open begins a file; the one before stays in use when that fails.
func (l *LogFile) open() error {
	f, err := os.OpenFile(l.o.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, logFileMode)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if l.file != nil {
		l.said("close", l.file.Close())
	}
	l.file, l.size, l.since = f, info.Size(), time.Now()
	return nil
}

// Write adds a line, to a new file when it is time for one. A rotation that
// fails loses nothing: the line goes to the file that there is.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return 0, os.ErrClosed
	}
	if now := time.Now(); l.due(now) && !now.Before(l.retryAt) {
		err := l.rotate(now)
		if err != nil {
			l.retryAt = now.Add(rotateRetry)
			err = fmt.Errorf("rotate log_file, which goes on growing: %w", err)
		}
		l.said("rotate", err)
		if err == nil {
			l.said("prune", l.prune())
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	l.said("write", err)
	return n, err
}

func (l *LogFile) due(now time.Time) bool {
	return now.Sub(l.since) >= l.o.RotateDuration || l.o.RotateBytes > 0 && l.size >= l.o.RotateBytes
}

// rotate gives the file its archive's name and begins a new one. A file that
// somebody else took away needs no name.
func (l *LogFile) rotate(now time.Time) error {
	archive := l.archive(now)
	err := os.Rename(l.o.Path, archive)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	renamed := err == nil
	if err := l.open(); err != nil {
		if renamed {
			err = errors.Join(err, os.Rename(archive, l.o.Path))
		}
		return err
	}
	return nil
}

// archive is a name that nothing has yet.
func (l *LogFile) archive(now time.Time) string {
	for n := now.UnixNano(); ; n++ {
		base, ext := l.parts()
		name := fmt.Sprintf("%s-%d%s", base, n, ext)
		if _, err := os.Lstat(name); err != nil {
			return name
		}
	}
}

func (l *LogFile) parts() (base, ext string) {
	ext = filepath.Ext(l.o.Path)
	return strings.TrimSuffix(l.o.Path, ext), ext
}

// prune removes the oldest archives, and only what has an archive's name.
func (l *LogFile) prune() error {
	keep := max(l.o.RotateMaxFiles, 0)
	if l.o.RotateMaxFiles == 0 {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(l.o.Path))
	if err != nil {
		return fmt.Errorf("look for old archives of log_file: %w", err)
	}
	type archive struct {
		name string
		at   int64
	}
	var all []archive
	base, ext := l.parts()
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), filepath.Base(base)+"-")
		if !ok || !strings.HasSuffix(middle, ext) || !e.Type().IsRegular() {
			continue
		}
		at, err := strconv.ParseInt(strings.TrimSuffix(middle, ext), 10, 64)
		if err == nil && at > 0 {
			all = append(all, archive{filepath.Join(filepath.Dir(l.o.Path), e.Name()), at})
		}
	}
	slices.SortFunc(all, func(a, b archive) int { return cmp.Compare(a.at, b.at) })
	var errs []error
	for _, a := range all[:max(len(all)-keep, 0)] {
		errs = append(errs, os.Remove(a.name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove old archives of log_file: %w", err)
	}
	return nil
}

// said tells of an error once, until the same thing has succeeded again.
func (l *LogFile) said(what string, err error) {
	if err != nil && !l.failing[what] && l.o.OnError != nil {
		l.o.OnError(err)
	}
	l.failing[what] = err != nil
}

// Close ends the file.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
