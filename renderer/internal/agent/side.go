package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/tmpl"
)

// sideFiles are the files that a template writes with writeToFile, of several
// writes to one file what they come to.
func sideFiles(u *unit) (outs []rollout.Output, err error) {
	at := map[string]int{}
	for _, w := range u.writes {
		path := filepath.Clean(w.Path)
		if err := allowed(u.cfg.SandboxPath, path); err != nil {
			return nil, fmt.Errorf("template %q: writeToFile: %w", u.cfg.Name, err)
		}
		i, again := at[path]
		if !again {
			i, at[path] = len(outs), len(outs)
			outs = append(outs, rollout.Output{File: sideFile(path, w)})
		}
		if w.Append && !again {
			if outs[i].Content, err = os.ReadFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("template %q: writeToFile: %w", u.cfg.Name, err)
			}
		} else if !w.Append {
			outs[i].Content = nil
		}
		outs[i].Content = append(outs[i].Content, w.Content...)
	}
	return outs, nil
}

func sideFile(path string, w tmpl.WriteFile) destination.File {
	return destination.File{Path: path, Perms: w.Perms, ExactPerms: true, User: w.User, Group: w.Group, CreateDirs: !w.Append}
}

// allowed wants a path below the sandbox, wherever the links above it lead.
func allowed(sandbox, path string) error {
	if sandbox == "" {
		return nil
	}
	root, err := filepath.EvalSymlinks(sandbox)
	if err != nil {
		return fmt.Errorf("sandbox_path: %w", err)
	}
	dir := filepath.Dir(path)
	for {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			if real != root && !strings.HasPrefix(real, root+string(filepath.Separator)) {
				return fmt.Errorf("%s is outside of sandbox_path (%s)", path, sandbox)
			}
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return err
		}
		dir = filepath.Dir(dir) // it will be made
	}
}
