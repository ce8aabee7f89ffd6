package legacy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// look describes every file of the host that its agent may have to do with.
func (h *host) look() (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file that has gone meanwhile
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(h.root, path)
		if err != nil {
			return err
		}
		switch name {
		case "usr", "etc/systemd", "home": // ours, and what may be changed
			return fs.SkipDir
		}
		all[name], err = h.describe(name, path)
		return err
	})
	return all, err
}

// settled looks until nothing changes any more.
func (h *host) settled(ctx context.Context, ended <-chan struct{}) (map[string]string, error) {
	var last map[string]string
	var since time.Time
	err := await(ctx, ended, func() error {
		now, err := h.look()
		switch {
		case err != nil:
			return err
		case !maps.Equal(last, now):
			last, since = now, time.Now()
		}
		if time.Since(since) < 500*time.Millisecond {
			return errors.New("files still change")
		}
		return nil
	})
	return last, err
}

func (h *host) describe(name, path string) (string, error) {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "gone", nil
	}
	if err != nil {
		return "", err
	}
	sys := st.Sys().(*syscall.Stat_t)
	head := fmt.Sprintf("%v %d:%d", st.Mode(), sys.Uid, sys.Gid)
	if !st.Mode().IsRegular() {
		return head, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "gone", nil
	}
	return head + "\n" + h.content(name, string(b)), err
}

var (
	token   = regexp.MustCompile(`^hvs\.\S+$`)
	account = regexp.MustCompile(`(?m)^(user|password)(\s*=\s*)(\S+)$`)
)

// content is what of a file's content is the same on every host.
func (h *host) content(name, text string) string {
	switch {
	case strings.HasSuffix(name, "systemctl.calls"):
		return strings.Join(h.calls(), "\n")
	case strings.HasSuffix(name, ".log"):
		return "(log)"
	case strings.HasSuffix(name, ".pid"):
		return "(pid)"
	case strings.Contains(name, "_id"), strings.HasPrefix(name, "etc/vault-agent/tls/"), strings.HasPrefix(name, "run/secrets/"):
		return "(delivered)"
	case token.MatchString(text):
		return h.w.describeToken(text)
	case strings.HasSuffix(name, "my.cnf"):
		text = account.ReplaceAllString(text, "${1}${2}(new for every host)")
	}
	return strings.ReplaceAll(text, h.root, "")
}

// describeToken is what Vault knows of a token, without what is new for each.
func (w *world) describeToken(text string) string {
	s, err := w.root.Auth().Token().Lookup(text)
	if err != nil {
		return "a token that Vault does not know"
	}
	out := "a token"
	for _, k := range []string{"creation_ttl", "display_name", "meta", "num_uses", "orphan", "path", "policies", "renewable", "type"} {
		out += fmt.Sprintf("\n  %s: %v", k, s.Data[k])
	}
	return out
}
