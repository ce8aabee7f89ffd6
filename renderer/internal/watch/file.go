package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"vault-renderer/renderer/internal/vault"
)

const (
	filePoll = 2 * time.Second
	maxFile  = 64 << 20 // bytes
)

// runFile watches a file of this host until ctx ends. It asks nobody for
// notices: a poll sees every way in which a file can change, on every file
// system.
func (w *Watcher) runFile(ctx context.Context, out chan<- Update) error {
	w.local = true
	tick := time.NewTicker(filePoll)
	defer tick.Stop()
	var f file
	for {
		if err := w.look(ctx, out, &f); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look reads the file if it may have changed, and sends what is new.
func (w *Watcher) look(ctx context.Context, out chan<- Update, f *file) error {
	path := w.o.Request.Path
	if f.unchanged(path) {
		return nil
	}
	content, info, err := readFile(path)
	if err != nil {
		f.info = nil
		w.tries++
		return send(ctx, out, Update{Request: w.o.Request, Err: fileError(path, err), Tries: w.tries, Local: true})
	}
	f.info, f.readAt = info, time.Now()
	return w.report(ctx, out, &vault.Secret{Data: vault.NewData(map[string]any{"content": string(content)})}, grant{})
}

// file is what the last look at a file saw.
type file struct {
	info   fs.FileInfo // nil = it could not be read
	readAt time.Time
}

// unchanged says whether the file surely is as it was read. One that was
// written just before it was read may have been written again within the same
// tick of the file system's clock.
func (f *file) unchanged(path string) bool {
	if f.info == nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(f.info, now) && f.info.Size() == now.Size() &&
		f.info.ModTime().Equal(now.ModTime()) && f.readAt.Sub(now.ModTime()).Abs() > filePoll
}

var (
	errNotRegular = errors.New("is no regular file")
	errTooBig     = fmt.Errorf("is larger than %d MiB", maxFile>>20)
)

// readFile gives the content of a regular file. A pipe or a device would keep
// the reader waiting, or never end: it is an error.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errNotRegular // opening one can have effects already
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err = f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, errNotRegular
	case info.Size() > maxFile:
		return nil, nil, errTooBig
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errTooBig
	}
	return content, info, err
}

// fileError gives err the class that an answer of Vault would have. It is never
// Transient: that would mean that Vault is away.
func fileError(path string, err error) error {
	out := &vault.Error{Op: "read the file", Path: path, Class: vault.Invalid, Detail: err.Error()}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		out.Detail = pe.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Class, out.Detail = vault.NotFound, ""
	case errors.Is(err, fs.ErrPermission):
		out.Class, out.Detail = vault.Denied, ""
	}
	return out
}
