package method

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// file is where a credential lies.
type file struct {
	path string
	what string // for people: "secret_id"
	raw  bool   // blanks and newlines around it are part of the credential
	log  *slog.Logger
}

// read gives the credential. There is none in a file that is missing, empty or
// blank.
func (f file) read() (string, error) {
	b, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s file %s does not exist", f.what, f.path)
	case err != nil:
		return "", fmt.Errorf("%s file: %w", f.what, err)
	}
	v := string(b)
	if !f.raw {
		v = strings.TrimSpace(v)
	}
	if v == "" {
		return "", fmt.Errorf("%s file %s is empty", f.what, f.path)
	}
	return v, nil
}

// there says whether something lies at the path, readable or not.
func (f file) there() bool {
	_, err := os.Lstat(f.path)
	return err == nil
}

// removal says whether a credential is removed from its file after its use,
// and whether a symlink is (else what it points to).
type removal struct{ on, followSymlinks bool }

// used is called with the end of a login that sent value. The file goes when
// Vault has answered: while Vault is away it stays, so that a restart does not
// lose it. An answer that is no gets the next step added.
func (f file) used(value string, r removal, err error) error {
	if !answered(err) {
		return err
	}
	if r.on {
		f.remove(value, r.followSymlinks)
	}
	if err != nil && !f.there() {
		return fmt.Errorf("%w; if the %s is wrong, put a new one into %s", err, f.what, f.path)
	}
	return err
}

// remove removes the file if it still holds what was used: a new one may have
// been delivered in the meantime.
func (f file) remove(used string, followSymlinks bool) {
	if now, err := f.read(); err != nil || now != used {
		return
	}
	path := f.path
	if followSymlinks {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Warn("the "+f.what+" file could not be removed", "file", path, "error", err)
	}
}

// cached is a credential, and what it was when its file was last there.
type cached struct {
	mu    sync.Mutex // a Watch looks while a Login loads
	value string
}

// load reads f; a file that is missing or empty gives what was read before.
func (c *cached) load(f file) (string, error) {
	v, err := f.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.value = v
		return v, nil
	}
	if c.value == "" {
		return "", err
	}
	if f.there() {
		f.log.Warn("the "+f.what+" of before is used again", "error", err)
	}
	return c.value, nil
}

func (c *cached) get() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

func (c *cached) set(v string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}
