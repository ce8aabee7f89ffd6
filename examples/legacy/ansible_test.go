package legacy

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

const role = "ansible/roles/vault_agent/"

// installRole does what the tasks of the role that place templates do.
func installRole(h *host) error {
	text, err := h.source(role + "defaults/main.yml")
	if err != nil {
		return err
	}
	vars := scalars(text)
	vars["ansible_managed"] = "Ansible managed"
	tasks, err := h.source(role + "tasks/main.yml")
	if err != nil {
		return err
	}
	for _, task := range strings.Split(tasks, "\n- name: ")[1:] {
		if !strings.Contains(task, "ansible.builtin.template:") {
			continue
		}
		if err := h.template(scalars(task), vars); err != nil {
			return err
		}
	}
	return nil
}

func (h *host) template(task, vars map[string]string) error {
	text, err := h.source(role + "templates/" + task["src"])
	if err != nil {
		return err
	}
	dest, err := render(task["dest"], vars)
	if err != nil {
		return err
	}
	if text, err = render(text, vars); err != nil {
		return fmt.Errorf("%s: %w", task["src"], err)
	}
	mode, err := strconv.ParseUint(task["mode"], 8, 32)
	if err != nil {
		return err
	}
	return h.place(dest, text, fs.FileMode(mode))
}

// scalars are the lines "key: value" of a YAML text, however deep.
func scalars(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			out[k] = strings.Trim(v, `"`)
		}
	}
	return out
}

var jinja = regexp.MustCompile(`\{%\s*(raw|endraw)\s*%\}\n?|\{\{\s*(\w+)\s*\}\}`)

// render is as much of Ansible's Jinja2 as the role uses: variables, and raw
// blocks. A newline behind a mark is dropped, but not at the end of the text.
func render(text string, vars map[string]string) (string, error) {
	var out strings.Builder
	raw, last := false, 0
	for _, m := range jinja.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(text[last:m[0]])
		last = m[1]
		switch {
		case m[2] >= 0:
			raw = text[m[2]:m[3]] == "raw"
		case raw:
			out.WriteString(text[m[0]:m[1]])
		default:
			v, ok := vars[text[m[4]:m[5]]]
			if !ok {
				return "", fmt.Errorf("the variable %s has no value", text[m[4]:m[5]])
			}
			out.WriteString(v)
		}
	}
	out.WriteString(text[last:])
	if raw {
		return "", fmt.Errorf("a raw block does not end")
	}
	return out.String() + strings.Repeat("\n", max(0, newlines(text)-newlines(out.String()))), nil
}

// newlines counts those at the end of a text.
func newlines(text string) int { return len(text) - len(strings.TrimRight(text, "\n")) }
