package dropin

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// testCase is one file of testdata/cases. Its directives, one a line before
// the first file ("#" begins a comment):
//
//	exit N|running    what Vault Agent ends with; "running" = not by itself
//	args WORD ...     arguments of "agent"; without it -config=agent.hcl, and
//	                  -exit-after-auth unless there are "do" lines
//	env NAME=VALUE    one variable; there are no others but PATH, HOME, TMPDIR
//	says REGEXP       Vault Agent prints this: the case shows what it means to
//	has FILE          Vault Agent leaves this file ...
//	lacks FILE        ... and not this one
//	deadline 10s      longest run
//	umask 077         of both programs
//	streams           compare format and least level of what is logged, too
//
// Things that are made anew for each program, before it runs:
//
//	put KEY=VALUE ...            the secret ${KV} (KV v2)
//	put1 KEY=VALUE ...           the secret ${KV1} (KV v1)
//	role-id FILE ROLE            of auth/approle
//	secret-id FILE ROLE          the same
//	wrapped-secret-id FILE ROLE  a wrapping token of one
//	token-file FILE POLICY [TTL] a token; "root" as policy is a root token
//	wrapped-thing FILE           a wrapping token of something else
//	jwt FILE [CLAIM=VALUE ...]   a JWT for auth/jwt
//	mode FILE 0600               chmod, after all files are there
//	owner FILE                   chown to ${UID}:${GID}
//	link FILE TARGET             symbolic link
//	dir DIR                      empty directory
//	quoted FILE "..."            content as a Go string: bytes that txtar can't hold
//	crlf FILE                    \n becomes \r\n
//
// ${RECORDER} is the address of a way to Vault on which the headers of logins
// and reads are recorded, and compared; ${NOTIFY} is a socket of systemd's.
//
// What is compared otherwise than byte by byte:
//
//	token FILE         a token: what Vault says about it
//	wrapped FILE       wrapping information: the same, after unwrapping
//	encrypted FILE [derive] [aad=TEXT] [wrapped]   decrypted first
//	mask FILE REGEXP   matches are not compared
//	opaque FILE        mode and owner only
//	log FILE           as "streams" says
//
// What happens while the programs run; without these they end by themselves,
// with these they get SIGTERM at the end:
//
//	do file FILE            wait until it is there, with something in it
//	do text FILE REGEXP     wait until it holds this
//	do gone FILE            wait until it is not there
//	do remember FILE        keep its content ...
//	do changed FILE         ... and wait until it is another
//	do put KEY=VALUE ...    write ${KV}; put1: ${KV1}
//	do write FILE TEXT      as a quoted Go string
//	do fill DIRECTIVE ...   one of the directives that make files
//	do revoke FILE          revoke the token in it
//	do remove FILE          delete it
//	do signal NAME          HUP, TERM, INT, USR1, USR2
//	do request METHOD URL [HEADER=VALUE]   until it is answered; the status is compared
//	do pause 2s             let time pass, unless the program ends
//	do look                 compare the files now, too
//	do exit                 wait for the end
type testCase struct {
	name     string
	about    []string // the comment lines
	exit     string
	args     []string
	argsSet  bool
	env      []string
	says     []*regexp.Regexp
	has      []string
	lacks    []string
	deadline time.Duration
	umask    string
	streams  bool
	fill     [][]string // directives that make something
	compare  [][]string // directives of comparison
	steps    [][]string
	files    []txtar.File
	text     string // everything, for the surface test
}

func loadCases(t *testing.T) []*testCase {
	t.Helper()
	names, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []*testCase
	for _, name := range names {
		c, err := loadCase(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, c)
	}
	return all
}

func loadCase(path string) (*testCase, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := txtar.Parse(b)
	c := &testCase{
		name:     strings.TrimSuffix(filepath.Base(path), ".txtar"),
		files:    a.Files,
		deadline: 10 * time.Second,
		text:     string(b),
	}
	for i, line := range bytes.Split(a.Comment, []byte("\n")) {
		if err := c.directive(string(bytes.TrimSpace(line))); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if c.exit == "" {
		return nil, fmt.Errorf("no exit directive")
	}
	if len(c.about) == 0 {
		return nil, fmt.Errorf("no comment that says what it shows")
	}
	return c, nil
}

func (c *testCase) directive(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "":
	case "#":
		c.about = append(c.about, rest)
	case "exit":
		c.exit = rest
	case "args":
		c.args, c.argsSet = append(c.args, strings.Fields(rest)...), true
	case "env":
		c.env = append(c.env, rest)
	case "says":
		re, err := regexp.Compile(rest)
		c.says = append(c.says, re)
		return err
	case "has":
		c.has = append(c.has, rest)
	case "lacks":
		c.lacks = append(c.lacks, rest)
	case "umask":
		c.umask = rest
	case "streams":
		c.streams = true
	case "deadline":
		var err error
		c.deadline, err = time.ParseDuration(rest)
		return err
	case "do":
		return c.step(rest)
	default:
		return c.filesDirective(word, rest)
	}
	return nil
}

func (c *testCase) step(text string) error {
	words := strings.Fields(text)
	if len(words) == 0 {
		return fmt.Errorf("do what?")
	}
	switch words[0] {
	case "text", "write":
		words = strings.SplitN(text, " ", 3)
		if len(words) < 3 {
			return fmt.Errorf("do %s needs a file and a text", words[0])
		}
	}
	c.steps = append(c.steps, words)
	return nil
}

func (c *testCase) filesDirective(word, rest string) error {
	makes := []string{
		"put", "put1", "role-id", "secret-id", "wrapped-secret-id", "token-file", "wrapped-thing", "jwt",
		"mode", "owner", "link", "dir", "quoted", "crlf",
	}
	compares := []string{"token", "wrapped", "encrypted", "mask", "opaque", "log"}
	words := append([]string{word}, strings.Fields(rest)...)
	if word == "quoted" || word == "mask" {
		file, text, ok := strings.Cut(rest, " ")
		if !ok {
			return fmt.Errorf("%s needs a file and a text", word)
		}
		words = []string{word, file, text}
	}
	switch {
	case slices.Contains(makes, word):
		c.fill = append(c.fill, words)
	case slices.Contains(compares, word) && len(words) > 1:
		c.compare = append(c.compare, words)
	default:
		return fmt.Errorf("unknown directive %q", word)
	}
	return nil
}

// arguments are those of the command "agent".
func (c *testCase) arguments() []string {
	switch {
	case c.argsSet:
		return c.args
	case len(c.steps) > 0:
		return []string{"-config=agent.hcl"}
	default:
		return []string{"-config=agent.hcl", "-exit-after-auth"}
	}
}

func unquote(s string) (string, error) {
	v, err := strconv.Unquote(s)
	if err != nil {
		return "", fmt.Errorf("%s is no quoted string: %w", s, err)
	}
	return v, nil
}
