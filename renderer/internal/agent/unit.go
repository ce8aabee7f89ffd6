package agent

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/reload"
	"vault-renderer/renderer/internal/tmpl"
	"vault-renderer/renderer/internal/vault"
)

// unit is one template with all its state. Only the loop touches it.
type unit struct {
	cfg   config.Template
	text  string
	t     *tmpl.Template
	file  destination.File
	hooks []reload.Hook

	variable string // of the child, in place of a file; "" = it is a file
	value    string // of the variable: in use
	before   string // what a refusal goes back to

	dirty   bool             // to be executed
	queued  bool             // on the loop's list
	missing bool             // the last execution lacked secrets that are on their way
	uses    []vault.Request  // what the last execution asked for
	watched []vault.Request  // what it has a watcher for
	err     error            // why the last execution or write failed
	logged  string           // the last failure that was logged
	content []byte           // executed, to be put in place
	writes  []tmpl.WriteFile // what goes with it
	ready   bool             // content is newer than what is in place
	done    bool             // a content was put in place once
	stamp   destination.Stamp

	// Ids of leases: of the last execution's, of what is in place, and of what
	// the application is known to use.
	leases, placed, acked []string
	told                  bool     // the application was told of what is in place
	side                  []string // paths of what writeToFile put in place
	generation            uint64   // that is in place
	digest                string   // of what is in place, "sha256:<hex>"
	flight                *flight  // in which it is; nil = none

	runs int // how often the template was executed: a measure

	quiet quiet

	retry   lease.Backoff
	retryAt time.Time // when a failure of our own (disk, template) is tried again; zero = not
	failed  int       // such failures in a row
}

func newUnit(t config.Template, rand func() float64) *unit {
	return &unit{cfg: t, retry: lease.Backoff{Min: time.Second, Max: time.Minute, Rand: rand}}
}

// position is where an error of the template stands for its author: a line of
// the template's own file, or of the configuration that holds contents.
func (u *unit) position(te *tmpl.Error) (file string, line, col int) {
	if u.cfg.Source != "" {
		return u.cfg.Source, te.Line, te.Col
	}
	return u.cfg.At(te.Line, te.Col)
}

func (u *unit) place(te *tmpl.Error) string {
	file, line, col := u.position(te)
	if col > 0 {
		return fmt.Sprintf("%s:%d:%d", file, line, col)
	}
	return fmt.Sprintf("%s:%d", file, line)
}

func templateError(err error) *tmpl.Error {
	var te *tmpl.Error
	if errors.As(err, &te) {
		return te
	}
	return nil
}

// execute runs the template on v and notes what came of it.
func (u *unit) execute(v tmpl.View, strict bool) {
	u.dirty, u.ready = false, false
	u.runs++
	res, err := u.t.Execute(v)
	u.uses = res.Used
	u.missing = err == nil && len(res.Missing) > 0
	if err == nil && !u.missing {
		err = u.judge(res.Content, strict)
	}
	if err != nil {
		u.fail(err)
		return
	}
	if u.missing {
		return
	}
	u.err = nil
	u.content, u.writes, u.ready = res.Content, res.Writes, true
}

var (
	errEmpty   = errors.New("the template renders to nothing; say allow_empty = true if that is meant")
	errNUL     = errors.New("the value holds a NUL byte, which no variable can: encode it, for example with base64Encode")
	errNoValue = errors.New(`the output holds "<no value>": a key that the template names is not there`)
)

// judge says why output can't be used.
func (u *unit) judge(content []byte, strict bool) error {
	if u.variable != "" {
		if bytes.IndexByte(content, 0) >= 0 {
			return fmt.Errorf("env_template %q: %w", u.variable, errNUL)
		}
		if err := child.CheckEnv([]string{u.variable + "=" + string(content)}); err != nil {
			return fmt.Errorf("env_template %q: %w", u.variable, err)
		}
	}
	if strict {
		return u.refuse(content)
	}
	return nil
}

// refuse holds back output that is no configuration but looks like one.
func (u *unit) refuse(content []byte) error {
	if !u.cfg.AllowEmpty && len(bytes.TrimSpace(content)) == 0 {
		return fmt.Errorf("template %q: %w", u.cfg.Name, errEmpty)
	}
	if bytes.Contains(content, []byte("<no value>")) {
		return fmt.Errorf("template %q: %w", u.cfg.Name, errNoValue)
	}
	return nil
}

// fail notes a failure. One of our own making is tried again after a while,
// one of Vault's when Vault has something new to say.
func (u *unit) fail(err error) {
	u.err = err
	if fromVault(err) {
		return
	}
	u.failed++
	u.retryAt = time.Now().Add(u.retry.Next())
}

// key names the unit for the state file.
func (u *unit) key() string {
	if u.variable != "" {
		return NameOfVariable(u.variable)
	}
	return u.cfg.Destination
}

// unacked says whether the application may use something else than what is in place.
func (u *unit) unacked() bool { return !slices.Equal(u.placed, u.acked) }

// heal forgets failures.
func (u *unit) heal() {
	u.err, u.logged, u.failed, u.retryAt = nil, "", 0, time.Time{}
	u.retry.Reset()
}

func fromVault(err error) bool {
	var ve *vault.Error
	return errors.As(err, &ve)
}

// settled says whether the unit is in place and nothing is to be done for it.
func (u *unit) settled() bool { return u.done && !u.dirty && !u.ready && u.err == nil }
