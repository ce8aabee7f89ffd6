package dropin

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vault-renderer/testbed/port"
)

// sandbox is the directory of one run of one program, and the names that the
// case's placeholders stand for in it.
type sandbox struct {
	w     *world
	dir   string
	names map[string]string // placeholder -> value
	made  map[string]string // what Vault made for this sandbox -> its name

	recorder *recorder // nil, when the case uses none
	notified *notified // the same
}

// newSandbox makes the directory with the case's files.
func newSandbox(w *world, c *testCase, program string) (*sandbox, error) {
	dir := filepath.Join(w.dir, c.name, program)
	if err := os.MkdirAll(filepath.Join(w.dir, c.name, "home-"+program), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	free, err := port.Free()
	if err != nil {
		return nil, err
	}
	s := &sandbox{w: w, dir: dir, made: map[string]string{}, names: map[string]string{
		"DIR":  dir,
		"KV":   "secret/" + c.name + "-" + program,
		"KV1":  "kv1/" + c.name + "-" + program,
		"PORT": strconv.Itoa(free),
	}}
	for k, v := range w.names {
		s.names[k] = v
	}
	if strings.Contains(c.text, "${RECORDER}") {
		s.recorder, s.names["RECORDER"] = w.record()
	}
	if strings.Contains(c.text, "${NOTIFY}") {
		s.names["NOTIFY"] = filepath.Join(w.dir, c.name, "notify-"+program)
		if s.notified, err = listenNotify(s.names["NOTIFY"]); err != nil {
			return nil, err
		}
	}
	for _, f := range c.files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(s.expand(string(f.Data))), 0o644); err != nil {
			return nil, err
		}
	}
	for _, words := range c.fill {
		if err := s.fill(words); err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(words, " "), err)
		}
	}
	return s, nil
}

// expand replaces the placeholders that are known, and nothing else: ${FOO}
// in a configuration must reach the programs as it is.
func (s *sandbox) expand(text string) string {
	for name, value := range s.names {
		text = strings.ReplaceAll(text, "${"+name+"}", value)
	}
	return text
}

func (s *sandbox) expandAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = s.expand(w)
	}
	return out
}

// reduce takes what differs between the two sandboxes out of a text.
func (s *sandbox) reduce(text string) string {
	for _, name := range []string{"DIR", "KV", "KV1", "PORT", "RECORDER"} {
		if s.names[name] == "" {
			continue
		}
		text = strings.ReplaceAll(text, s.names[name], "${"+name+"}")
	}
	for made, name := range s.made {
		text = strings.ReplaceAll(text, made, "(made for "+name+")")
	}
	return text
}

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, s.expand(name)) }

func (s *sandbox) write(name, content string) error {
	return os.WriteFile(s.path(name), []byte(content), 0o644)
}

// fill obeys one directive that makes something.
func (s *sandbox) fill(words []string) error {
	need := map[string]int{"put": 2, "put1": 2, "wrapped-thing": 2, "jwt": 2, "owner": 2, "dir": 2, "crlf": 2}
	if n := need[words[0]]; len(words) < max(n, 2) || n == 0 && len(words) < 3 {
		return fmt.Errorf("words are missing")
	}
	switch words[0] {
	case "mode":
		mode, err := strconv.ParseUint(words[2], 8, 32)
		if err != nil {
			return err
		}
		return os.Chmod(s.path(words[1]), os.FileMode(mode))
	case "owner":
		return os.Chown(s.path(words[1]), s.w.uid, s.w.gid)
	case "link":
		return os.Symlink(s.expand(words[2]), s.path(words[1]))
	case "dir":
		return os.MkdirAll(s.path(words[1]), 0o755)
	case "quoted":
		text, err := unquote(words[2])
		if err != nil {
			return err
		}
		return s.write(words[1], s.expand(text))
	case "crlf":
		b, err := os.ReadFile(s.path(words[1]))
		if err != nil {
			return err
		}
		return s.write(words[1], strings.ReplaceAll(string(b), "\n", "\r\n"))
	case "put":
		return s.w.put(s.names["KV"], words[1:])
	case "put1":
		return s.w.put1(s.names["KV1"], words[1:])
	}
	return s.fillCredential(words)
}

// fillCredential writes what Vault hands out into a file.
func (s *sandbox) fillCredential(words []string) error {
	var content string
	var err error
	switch words[0] {
	case "role-id":
		content, err = s.w.roleID(words[2])
	case "secret-id":
		content, err = s.w.secretID(words[2], "")
	case "wrapped-secret-id":
		content, err = s.w.secretID(words[2], "5m")
	case "wrapped-thing":
		content, err = s.w.wrappedThing()
	case "token-file":
		content, err = s.w.token(words[2:])
	case "jwt":
		content, err = s.w.jwt(words[2:])
	default:
		return fmt.Errorf("unknown directive")
	}
	if err != nil {
		return err
	}
	if words[0] != "role-id" {
		s.made[content] = words[1]
	}
	return s.write(words[1], content)
}
