package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vault-renderer/renderer/internal/state"
)

// TestDistrust: what can't be trusted is set aside with one warning, and a new
// state takes its place.
func TestDistrust(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		aside string
		why   string
	}{
		"empty":          {write(""), "damaged", "does not begin"},
		"other file":     {write("[database]\nuser = canary-x\n"), "damaged", "does not begin"},
		"other version":  {change("state 1 ", "state 2 "), "foreign", "another version"},
		"changed":        {change(`"generation":1`, `"generation":2`), "damaged", "checksum"},
		"cut off":        {func(p string) error { return os.Truncate(p, 120) }, "damaged", "checksum"},
		"longer":         {grow("\n"), "damaged", "checksum"},
		"group may read": {func(p string) error { return os.Chmod(p, 0o640) }, "foreign", "mode 0640"},
		"all may write":  {func(p string) error { return os.Chmod(p, 0o602) }, "foreign", "mode 0602"},
		"link":           {link, "foreign", "symbolic link"},
		"directory":      {replaced(func(p string) error { return os.Mkdir(p, 0o700) }), "foreign", "not a regular file"},
		"pipe":           {replaced(func(p string) error { return unix.Mkfifo(p, 0o600) }), "foreign", "not a regular file"},
		"too large":      {func(p string) error { return os.Truncate(p, 64<<20+1) }, "damaged", "64 MiB"},
	} {
		t.Run(name, func(t *testing.T) { distrust(t, c.spoil, c.aside, c.why) })
	}
	t.Run("another user's", func(t *testing.T) {
		if os.Geteuid() == 0 { // nobody else can give a file away
			distrust(t, func(p string) error { return os.Chown(p, 12345, -1) }, "foreign", "another user")
		}
	})
}

func distrust(t *testing.T, spoil func(string) error, aside, why string) {
	d := newDir(t)
	d.saved(t, small())
	d.saved(t, small())
	aside = d.path + "." + aside
	if err := os.WriteFile(aside, []byte("of an earlier time"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := spoil(d.path); err != nil {
		t.Fatal(err)
	}
	s, st := d.open(t)
	defer s.Close()
	if st != nil {
		t.Fatal("trusted")
	}
	log := d.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=WARN") || !strings.Contains(log, why) ||
		!strings.Contains(log, aside) || !strings.Contains(log, d.path) {
		t.Errorf("logged: %s", log)
	}
	mustHide(t, "the log", log)
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	info := stat(t, aside)
	if info.Mode().IsRegular() && info.Mode() != 0o600 {
		t.Errorf("set aside with mode %v", info.Mode())
	}
	if b, _ := os.ReadFile(d.path + ".target"); b != nil && stat(t, d.path+".target").Mode() != 0o644 {
		t.Error("a link's target was changed")
	}
	save(t, s, small())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d.again(t) == nil {
		t.Error("the new state was not read")
	}
}

func write(content string) func(string) error {
	return func(p string) error { return os.WriteFile(p, []byte(content), 0o600) }
}

func change(from, to string) func(string) error {
	return func(p string) error {
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if !bytes.Contains(b, []byte(from)) {
			return fmt.Errorf("no %q in the file", from)
		}
		return os.WriteFile(p, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600)
	}
}

func grow(by string) func(string) error {
	return func(p string) error {
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(p, append(b, by...), 0o600)
	}
}

func replaced(by func(string) error) func(string) error {
	return func(p string) error { return errors.Join(os.Remove(p), by(p)) }
}

// link makes the file a link to one that has everything right but is readable
// for all.
func link(p string) error {
	return errors.Join(os.Rename(p, p+".target"), os.Chmod(p+".target", 0o644), os.Symlink(p+".target", p))
}

func TestForeignBinding(t *testing.T) {
	d := newDir(t)
	b := d.saved(t, full())
	o := d.options()
	o.Binding = "that"
	s, st, err := state.Open(o)
	if err != nil || st != nil {
		t.Fatalf("%v, %v", st, err)
	}
	defer s.Close()
	if aside, err := os.ReadFile(d.path + ".foreign"); err != nil || !bytes.Equal(aside, b) {
		t.Errorf("not kept as it was: %v", err)
	}
	if log := d.log.String(); !strings.Contains(log, "another configuration") {
		t.Error(log)
	}
}

// TestAsideInTheWay: what can't be set aside stops the start, with its name.
func TestAsideInTheWay(t *testing.T) {
	d := newDir(t)
	d.saved(t, small())
	if err := errors.Join(write("x")(d.path), os.MkdirAll(filepath.Join(d.path+".damaged", "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	_, _, err := state.Open(d.options())
	if err == nil || !strings.Contains(err.Error(), d.path+".damaged") {
		t.Fatalf("%v", err)
	}
	if err := os.RemoveAll(d.path + ".damaged"); err != nil {
		t.Fatal(err)
	}
	d.again(t) // the lock is free
}

func TestDirectoryCannotBeMade(t *testing.T) {
	d := newDir(t)
	if err := os.WriteFile(filepath.Dir(d.path), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := state.Open(d.options()); err == nil || !strings.Contains(err.Error(), d.path) {
		t.Errorf("%v", err)
	}
}
