package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// validate checks what only the whole configuration can show. end is where a
// missing block would have to be written.
func (d *decoder) validate(c *Config, end hcl.Range) {
	switch {
	case c.AutoAuth == nil:
		d.errorf(end, "Missing auto_auth", "The configuration needs an \"auto_auth\" block: how to log in to Vault.")
	case len(c.AutoAuth.Sinks) == 0 && len(c.Templates) == 0:
		d.errorf(c.AutoAuth.Range, "Nothing to write", "The configuration needs a \"template\" block, or a \"sink\" block in \"auto_auth\".")
	}
	first := map[string]hcl.Range{}
	for _, t := range c.Templates {
		d.source(t)
		if t.Destination == "" {
			continue
		}
		dest := filepath.Clean(t.Destination)
		if prev, ok := first[dest]; ok {
			d.errorf(t.Range, "Repeated destination", "This template writes the same file as the one at %s:%d.", prev.Filename, prev.Start.Line)
			continue
		}
		first[dest] = t.Range
	}
}

// source wants the template's file to be there: a wrong path would otherwise
// show only once Vault has answered.
func (d *decoder) source(t Template) {
	if t.Source == "" {
		return
	}
	at, name := t.SourceRange, strconv.Quote(t.Source)
	if strings.Contains(t.Source, "\n") {
		name = "of that name" // the source line does not show such a path either
	}
	switch info, err := os.Stat(t.Source); {
	case os.IsNotExist(err):
		d.errorf(at, "Missing template file", "There is no file %s (a relative path starts at the working directory).", name)
	case err != nil:
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		d.errorf(at, "Unreadable template file", "%s: %s.", name, err)
	case info.IsDir():
		d.errorf(at, "Unreadable template file", "%s is a directory.", name)
	}
}
