// Package config reads configuration files: those of Vault Agent unchanged, and
// with a few keys of our own. It is the only importer of an HCL decoder. It
// does not look at flags or at the environment (but for the variable that
// allows duplicate arguments and those that aad_env_var names), and it contacts
// no server.
package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// allowDuplicates is Vault's own switch for files written before Vault 1.21.
const allowDuplicates = "VAULT_ALLOW_PENDING_REMOVAL_DUPLICATE_HCL_ATTRIBUTES"

const maxFile = 16 << 20

// settings are what build needs to know beside the files.
type settings struct {
	strict          bool
	noLogin         bool
	allowDuplicates bool
	commandLine     []string
	getenv          func(string) string
}

// input is one file that was read.
type input struct {
	name string
	src  []byte
}

// Options change how a configuration is read.
type Options struct {
	Strict  bool // the same as strict = true in a file
	NoLogin bool // for templates alone: auto_auth may be missing, and exec where there is an env_template

	ExecFromCommandLine []string // counts in the place of exec's command, and needs no exec block
}

// Load is LoadWith without options.
func Load(paths []string) (*Config, hcl.Diagnostics) { return LoadWith(paths, Options{}) }

// LoadWith reads files and directories (their *.hcl and *.json, sorted), merges
// them in order, and validates the whole. It returns everything that is wrong
// at once. The Config is never nil; with errors among the diagnostics it is not
// to be run with, but holds what could be read, so that the caller can look for
// mistakes in templates as well, and print all of them with the lines in Files.
func LoadWith(paths []string, o Options) (*Config, hcl.Diagnostics) {
	var inputs []input
	var diags hcl.Diagnostics
	for _, p := range paths {
		files, diag := expand(p)
		if diag != nil {
			diags = append(diags, diag)
		}
		for _, f := range files {
			src, err := readFile(f)
			if err != nil {
				diags = append(diags, unreadable(f, err.Error()))
				continue
			}
			inputs = append(inputs, input{f, src})
		}
	}
	if len(paths) == 0 {
		diags = append(diags, unreadable("", "no file or directory was named"))
	}
	if len(inputs) > 0 {
		soften(diags)
	}
	c, more := build(inputs, settings{
		strict: o.Strict, noLogin: o.NoLogin, allowDuplicates: os.Getenv(allowDuplicates) == "true", getenv: os.Getenv,
		commandLine: o.ExecFromCommandLine,
	})
	if len(diags) > 0 && len(inputs) == 0 {
		more = nil // "missing auto_auth" would only distract
	}
	return c, append(diags, more...)
}

// readFile takes no more than any configuration can need: a wrong path may name
// something without an end.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(src) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB, which no configuration is", name, maxFile>>20)
	}
	return src, err
}

func unreadable(name, why string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cannot read the configuration", Detail: why + "."}
	if name != "" {
		d.Subject = &hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
	}
	return d
}

// expand is the file itself, or the configuration files of a directory.
func expand(path string) ([]string, *hcl.Diagnostic) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err.Error())
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, unreadable(path, err.Error())
	}
	var out []string
	for _, e := range entries {
		full := filepath.Join(path, e.Name())
		// Stat, not the entry: Kubernetes mounts files as symbolic links.
		if info, err := os.Stat(full); isConfigName(e.Name()) && (err != nil || !info.IsDir()) {
			out = append(out, full)
		}
	}
	if len(out) == 0 {
		return nil, emptyDirectory(path)
	}
	return out, nil
}

const noFiles = "Empty directory"

func emptyDirectory(path string) *hcl.Diagnostic {
	d := unreadable(path, "the directory has no file whose name ends in .hcl or .json")
	d.Summary = noFiles
	return d
}

// soften makes an empty directory a warning, for when there are other files: as
// in Vault Agent, it then has nothing to say.
func soften(diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Summary == noFiles {
			d.Severity = hcl.DiagWarning
		}
	}
}

// isConfigName leaves out what editors keep beside a file.
func isConfigName(name string) bool {
	switch {
	case strings.HasSuffix(name, "~"), strings.HasPrefix(name, ".#"):
		return false
	case strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return false
	}
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".json")
}

// build is LoadWith without the reading.
func build(inputs []input, o settings) (*Config, hcl.Diagnostics) {
	files := map[string]*hcl.File{}
	var bodies []*body
	var diags hcl.Diagnostics
	broken := false
	for _, in := range inputs {
		f, b, more := parse(in, o.allowDuplicates)
		files[in.name] = f
		bodies, diags = append(bodies, b), append(diags, more...)
		broken = broken || len(b.items) == 0 && more.HasErrors()
	}
	d := &decoder{strict: o.strict || anyStrict(bodies), noLogin: o.noLogin, commandLine: o.commandLine, getenv: o.getenv}
	root := Schema()
	var parts []part
	end := hcl.Range{Start: hcl.InitialPos, End: hcl.InitialPos}
	for _, b := range bodies {
		end = b.end
		parts = append(parts, d.file(d.read(b, root, b.end)))
	}
	w := merge(parts, d.strict)
	if !broken { // a block may be missing only because its file could not be read
		d.validate(w, end)
	}
	d.unsafe(w.risks)
	w.Files = files
	return w.Config, order(inputs, append(diags, d.diags...))
}

// parse reads one file by HCL1's rules, or as JSON if its first character says
// so, whatever its name.
func parse(in input, allowDup bool) (*hcl.File, *body, hcl.Diagnostics) {
	// HCL1 drops the carriage returns of CRLF; without them its offsets are
	// right for diagnostics too.
	src := append([]byte{}, bytes.ReplaceAll(in.src, []byte("\r\n"), []byte("\n"))...)
	read := parseHCL1
	if trimmed := bytes.TrimSpace(src); len(trimmed) > 0 && trimmed[0] == '{' {
		read = parseJSON
	}
	b, diags := read(in.name, src)
	diags = append(diags, duplicates(b, allowDup)...)
	return &hcl.File{Bytes: shown(src, b), Body: b, Nav: nav{b}}, b, diags
}

// shown is the source as diagnostics show it. Their writer prints whole lines,
// and so a file that cannot be parsed and has very long ones is not shown.
func shown(src []byte, b *body) []byte {
	const longest = 2000
	if len(b.items) == 0 {
		for line := range bytes.Lines(src) {
			if len(line) > longest {
				return nil
			}
		}
	}
	return masked(src, b)
}

// anyStrict looks for strict = true before anything is decoded: it changes
// defaults and severities in every file.
func anyStrict(bodies []*body) bool {
	for _, b := range bodies {
		for _, it := range b.items {
			if strings.EqualFold(it.name, "strict") && it.val.obj == nil && plain(it.val.scalarOrNull()) == true {
				return true
			}
		}
	}
	return false
}

// order sorts diagnostics the way the files are read, which is how people
// go through them.
func order(inputs []input, diags hcl.Diagnostics) hcl.Diagnostics {
	rank := map[string]int{}
	for i, in := range inputs {
		rank[in.name] = i
	}
	sort.SliceStable(diags, func(i, j int) bool {
		a, b := diags[i].Subject, diags[j].Subject
		if a == nil || b == nil {
			return a == nil && b != nil
		}
		if a.Filename != b.Filename {
			return rank[a.Filename] < rank[b.Filename]
		}
		return a.Start.Byte < b.Start.Byte
	})
	return diags
}

// At turns a line and column of a template's contents into a place in the
// configuration file. In a heredoc every line is a line of the file; a quoted
// string stands on one line, whatever line breaks are escaped in it.
func (t *Template) At(line, col int) (filename string, fileLine, fileCol int) {
	return textAt(t.ContentsRange, line, col)
}

func textAt(r hcl.Range, line, col int) (filename string, fileLine, fileCol int) {
	if r.Start.Line == r.End.Line {
		return r.Filename, r.Start.Line, r.Start.Column
	}
	return r.Filename, r.Start.Line + line - 1, r.Start.Column + col - 1
}
