package reload

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const canary = "canary-0123456789"

// hide is a mask that knows one secret.
func hide(s string) string { return strings.ReplaceAll(s, canary, "***") }

func generation() Generation {
	return Generation{N: 7, Rollout: "web", Digest: "sha256:" + strings.Repeat("0", 64), Files: []File{
		{Path: "/etc/app/x.ini", Staged: "/etc/app/.x 1", Digest: "sha256:" + strings.Repeat("a", 64)},
		{Path: "/etc/app/y.ini", Staged: "/etc/app/.y2", Digest: "sha256:" + strings.Repeat("b", 64)},
	}}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits for a condition of the world outside.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// ended waits for the end of the processes that a file names.
func ended(t *testing.T, pidFile string) {
	t.Helper()
	pids := strings.Fields(content(t, pidFile))
	if len(pids) == 0 {
		t.Fatal("no process was started")
	}
	for _, p := range pids {
		pid, err := strconv.Atoi(p)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end of a process", func() bool { return !alive(pid) })
	}
}

func TestCheckArguments(t *testing.T) {
	for _, c := range []struct {
		name string
		argv []string
		want string
	}{
		{"all", []string{"{}"}, "/etc/app/.x 1|/etc/app/.y2|"},
		{"one", []string{"-c", "{/etc/app/y.ini}", "z"}, "-c|/etc/app/.y2|z|"},
		{"twice", []string{"{/etc/app/x.ini}", "{}"}, "/etc/app/.x 1|/etc/app/.x 1|/etc/app/.y2|"},
		{"other braces", []string{"{print}", "{", "}", "a{}"}, "{print}|{|}|a{}|"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			check := &Check{Argv: append([]string{"sh", "-c", `o=$0; printf '%s|' "$@" > "$o"`, out}, c.argv...)}
			if err := check.Run(t.Context(), generation()); err != nil {
				t.Fatal(err)
			}
			if got := content(t, out); got != c.want {
				t.Errorf("arguments %q, want %q", got, c.want)
			}
		})
	}
	t.Run("script", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		check := &Check{Argv: []string{`printf '%s|' "$0" "$1" "$@" {} > ` + out}}
		if err := check.Run(t.Context(), generation()); err != nil {
			t.Fatal(err)
		}
		if got, want := content(t, out), "sh|/etc/app/.x 1|/etc/app/.x 1|/etc/app/.y2|{}|"; got != want {
			t.Errorf("arguments %q, want %q", got, want)
		}
	})
}

const wantEnvironment = `VAULT_RENDERER_DIGEST=sha256:0000000000000000000000000000000000000000000000000000000000000000
VAULT_RENDERER_FILES=/etc/app/x.ini
/etc/app/y.ini
VAULT_RENDERER_GENERATION=7
VAULT_RENDERER_ROLLOUT=web
VAULT_RENDERER_STAGED=/etc/app/.x 1
/etc/app/.y2
`

// Checks, hooks and acks find the generation in their environment, a hook that
// is run without one does not; the agent's token is in none.
func TestGenerationEnvironment(t *testing.T) {
	t.Setenv("VAULT_TOKEN", canary)
	out := filepath.Join(t.TempDir(), "out")
	argv := []string{"sh", "-c", `for n in DIGEST FILES GENERATION ROLLOUT STAGED; do
		eval "v=\$VAULT_RENDERER_$n"; [ -z "$v" ] || echo "VAULT_RENDERER_$n=$v"; done > "$0"; echo "$VAULT_TOKEN$X" >> "$0"`, out}
	command := &Command{Argv: argv, Timeout: 10 * time.Second}
	own := []string{"PATH=" + os.Getenv("PATH"), "X=x", "VAULT_RENDERER_ROLLOUT=other"}
	for name, c := range map[string]struct {
		run  func() error
		want string
	}{
		"check":         {func() error { return (&Check{Argv: argv}).Run(t.Context(), generation()) }, wantEnvironment + "\n"},
		"check, own":    {func() error { return (&Check{Argv: argv, Env: own}).Run(t.Context(), generation()) }, wantEnvironment + "x\n"},
		"ack":           {func() error { return (&AckCommand{Argv: argv}).Wait(t.Context(), generation()) }, wantEnvironment + "\n"},
		"hook":          {func() error { return command.RunFor(t.Context(), generation()) }, wantEnvironment + "\n"},
		"no generation": {func() error { return command.Run(t.Context()) }, "\n"},
	} {
		if err := c.run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := content(t, out); got != c.want {
			t.Errorf("%s: environment\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// A refusal names the program and says how it ended; what it printed is apart
// and masked, and its arguments are nowhere.
func TestCheckRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name            string
		argv            []string
		summary, output string
	}{
		{"exit", []string{"echo 1; echo pw=" + canary + "x >&2; exit 3"}, "check echo: exit status 3", "1\npw=***x"},
		{"list", []string{"sh", "-c", "exit 4", canary}, "check sh: exit status 4", ""},
		{"signal", []string{"echo a; printf canary-01; kill -9 $$"}, "check echo: signal: killed", "a"},
		{"assignment", []string{"PW='" + canary + " x' sh -c 'exit 2'"}, "check sh: exit status 2", ""},
		{"not found", []string{"/no/such/program", canary}, "check /no/such/program: no such file or directory", ""},
		{"not in PATH", []string{"no-such-program"}, "check no-such-program: executable file not found in $PATH", ""},
		{"not executable", []string{plain}, "check " + plain + ": permission denied", ""},
		{"directory", []string{"/"}, "check /: is a directory", ""},
		{"nothing", nil, "check (none): no program is named", ""},
		{"other file", []string{"cat", "{/etc/z}"}, `check cat: /etc/z is no file of rollout "web"; its files are: /etc/app/x.ini, /etc/app/y.ini`, ""},
		{"terminal", []string{`printf 'a\033[31m\r\nb\n'; false`}, "check printf: exit status 1", "a\uFFFD[31m\nb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := (&Check{Argv: c.argv, Mask: hide}).Run(t.Context(), generation())
			var refused *CheckError
			if !errors.As(err, &refused) || refused.Summary != c.summary || refused.Output != c.output {
				t.Errorf("%#v, want %q and %q", err, c.summary, c.output)
			}
			if err.Error() != c.summary {
				t.Errorf("as text: %q", err)
			}
		})
	}
}

// Without a mask nobody knows what of the output is a secret.
func TestCheckWithoutMask(t *testing.T) {
	var refused *CheckError
	err := (&Check{Argv: []string{"echo " + canary + "; exit 1"}}).Run(t.Context(), generation())
	if !errors.As(err, &refused) || refused.Output != "" || strings.Contains(err.Error(), "canary-") {
		t.Errorf("%#v", err)
	}
}

// A check that hangs is killed with its children, also with those that hold its
// output open, and what it said before is shown.
func TestCheckHangs(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	script := "echo before; printf canary-01; trap '' TERM HUP INT; sleep 100 & echo $! > " + pid + "; wait"
	start := time.Now()
	err := (&Check{Argv: []string{script}, Timeout: 300 * time.Millisecond, Mask: hide}).Run(t.Context(), generation())
	var refused *CheckError
	if !errors.As(err, &refused) || refused.Summary != "check echo: still running after 300ms: killed" || refused.Output != "before" {
		t.Errorf("%#v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
	ended(t, pid)
}

// What a check leaves running ends with it; that alone is no refusal.
func TestCheckLeavesNothing(t *testing.T) {
	for name, redirect := range map[string]string{"holding the output": "", "silent": "> /dev/null 2>&1"} {
		t.Run(name, func(t *testing.T) {
			pid := filepath.Join(t.TempDir(), "pid")
			start := time.Now()
			check := &Check{Argv: []string{"sleep 100 " + redirect + " & echo $! > " + pid}}
			if err := check.Run(t.Context(), generation()); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %s", d)
			}
			ended(t, pid)
		})
	}
}

// A daemon that left the process group can't be found, but nobody waits for it:
// neither a check nor a hook, for which it may be meant.
func TestDaemonIsNotAwaited(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	argv := []string{"setsid sh -c 'echo $$ > " + pid + "; exec sleep 100' & while ! [ -s " + pid + " ]; do :; done"}
	for name, run := range map[string]func() error{
		"check": func() error { return (&Check{Argv: argv}).Run(t.Context(), generation()) },
		"hook": func() error {
			var out bytes.Buffer
			return (&Command{Argv: argv, Timeout: time.Minute, Stdout: &out}).Run(t.Context())
		},
	} {
		start := time.Now()
		if err := run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s: took %s", name, d)
		}
		n, _ := strconv.Atoi(strings.TrimSpace(content(t, pid)))
		if n <= 1 || syscall.Kill(n, syscall.SIGKILL) != nil {
			t.Errorf("%s: the daemon %d is gone", name, n)
		}
		_ = os.Remove(pid)
	}
}

// A flood is neither waited for nor kept; the end of it is shown, masked.
func TestCheckFloods(t *testing.T) {
	for name, script := range map[string]string{
		"lines":      "yes pw=" + canary,
		"both":       "yes pw=" + canary + " & yes pw=" + canary + " >&2",
		"no newline": "yes " + canary + " | tr -d '\\n'",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := (&Check{Argv: []string{script}, Timeout: 400 * time.Millisecond, Mask: hide}).Run(t.Context(), generation())
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			var refused *CheckError
			if !errors.As(err, &refused) || !strings.Contains(refused.Summary, "still running") || refused.Output == "" {
				t.Fatalf("%#v", err)
			}
			if len(refused.Output) > maxShown || strings.Contains(refused.Output, "canary") || strings.Contains(refused.Output, "6789") {
				t.Errorf("%d bytes: %.100q", len(refused.Output), refused.Output)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
			if took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// The end of the context is no refusal, and its cause comes through.
func TestCheckStops(t *testing.T) {
	why := errors.New("something newer is there")
	pid := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for {
			if info, err := os.Stat(pid); err == nil && info.Size() > 0 {
				cancel(why)
				return
			}
			<-time.After(time.Millisecond)
		}
	}()
	start := time.Now()
	err := (&Check{Argv: []string{"sleep 100 & echo $! > " + pid + "; wait"}, Mask: hide}).Run(ctx, generation())
	var refused *CheckError
	if !errors.Is(err, why) || errors.As(err, &refused) || err.Error() != "check sleep: stopped: something newer is there" {
		t.Errorf("%#v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
	ended(t, pid)
	if err := (&Check{Argv: []string{"true"}}).Run(ctx, generation()); !errors.Is(err, why) {
		t.Errorf("already ended: %v", err)
	}
}
