package main

import (
	"fmt"
	"strings"
)

// A file of snippets: each is a line "=== name options", the template, and
// the recorded answer: "--- want" with the output, or "--- error", or
// "--- missing"; then perhaps files that were written, "--- file name mode".
// The line break before a marker is not part of what stands above it.
type snippetFile struct {
	head     string
	snippets []snippet
}

type snippet struct {
	title  string // name and options, as they stand there
	name   string
	opts   map[string]string
	text   string
	answer answer
}

func parse(raw string) (*snippetFile, error) {
	head, rest, _ := strings.Cut("\n"+raw, "\n=== ")
	f := &snippetFile{head: strings.TrimPrefix(head+"\n", "\n")}
	for _, part := range strings.Split(strings.TrimSuffix(rest, "\n"), "\n=== ") {
		s, err := parseSnippet(part)
		if err != nil {
			return nil, err
		}
		f.snippets = append(f.snippets, s)
	}
	return f, nil
}

func parseSnippet(part string) (snippet, error) {
	sections := strings.Split(part, "\n--- ")
	title, text, _ := strings.Cut(sections[0], "\n")
	words := strings.Fields(title)
	if len(words) == 0 {
		return snippet{}, fmt.Errorf("a snippet without a name: %q", part)
	}
	s := snippet{title: title, name: words[0], text: text, opts: map[string]string{}}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		s.opts[k] = v
	}
	for _, sec := range sections[1:] {
		kind, body, _ := strings.Cut(sec, "\n")
		switch name, isFile := strings.CutPrefix(kind, "file "); {
		case isFile:
			s.answer.Files = append(s.answer.Files, name+"\n"+body)
		case kind == "want":
			s.answer.Output = body
		case kind == "error":
			s.answer.Error = "yes"
		case kind == "missing":
			s.answer.Missing = true
		default:
			return s, fmt.Errorf("%s: a section %q", s.name, kind)
		}
	}
	return s, nil
}

func (f *snippetFile) String() string {
	var b strings.Builder
	b.WriteString(f.head)
	for _, s := range f.snippets {
		fmt.Fprintf(&b, "=== %s\n%s\n", s.title, s.text)
		switch {
		case s.answer.Error != "":
			b.WriteString("--- error\n")
		case s.answer.Missing:
			b.WriteString("--- missing\n")
		default:
			fmt.Fprintf(&b, "--- want\n%s\n", s.answer.Output)
		}
		for _, f := range s.answer.Files {
			fmt.Fprintf(&b, "--- file %s\n", f)
		}
	}
	return b.String()
}
