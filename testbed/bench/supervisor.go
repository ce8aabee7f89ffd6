package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vault-renderer/testbed/pidns"
)

// Targets of the supervisor. Vault Agent waits two seconds before it starts a
// program, and reaps nothing.
const (
	idleLimit  = 20 // MB, beside an idle program
	startLimit = 60 // ms to the program's start, less Vault's own answers
	orphans    = 1000
)

// supervisor measures a program that gets its secret in a variable: the time to
// its start, the memory beside it while nothing happens, and, as PID 1 of a
// namespace, what becomes of the orphans that it leaves.
func (b *rig) supervisor(ctx context.Context, rep *report) error {
	var started, idle, reaped [contenders]float64
	runs := b.o.runs
	for _, who := range []int{ours, agent} {
		if who == agent && !b.o.agent {
			continue
		}
		b.say("%s with a program to supervise", names[who])
		var err error
		if started[who], err = b.toExec(ctx, who, runs); err != nil {
			return err
		}
		if idle[who], err = b.idle(ctx, who); err != nil {
			return err
		}
		if reaped[who], err = b.orphans(ctx, who); err != nil {
			return err
		}
	}
	client, err := b.client(ctx, runs)
	if err != nil {
		return err
	}
	over := func(who int) float64 {
		if started[who] == 0 {
			return 0
		}
		return max(started[who]-client, 0)
	}
	rep.add(figure{Name: "supervisor: started, median", Unit: "ms", Ours: started[ours], Plain: client, Other: started[agent]})
	rep.add(figure{Name: "supervisor: over a client", Unit: "ms", Ours: over(ours), Other: over(agent), Limit: startLimit})
	rep.add(figure{Name: "supervisor: idle memory", Unit: "MB", Ours: idle[ours], Other: idle[agent], Limit: idleLimit})
	if pidns.Permitted(ctx) == pidns.Subreaper {
		b.say("no PID namespaces are permitted here: no orphans")
		return nil
	}
	rep.add(figure{Name: "supervisor: orphans reaped", Ours: reaped[ours], Other: reaped[agent], Least: orphans})
	return nil
}

// execConfig is a configuration with one variable and a command, which both
// programs take.
func (b *rig) execConfig(command ...string) (string, error) {
	b.runs++
	conf, err := b.config("shot", b.vault.Addr(), b.path(fmt.Sprintf("exec-%03d", b.runs)), 0, false, 0)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(conf, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	for i, c := range command {
		command[i] = strconv.Quote(c)
	}
	_, err = fmt.Fprintf(f, "env_template \"PASSWORD\" {\n  contents = \"{{ with secret \\\"%s\\\" }}{{ .Data.data.password }}{{ end }}\"\n}\nexec {\n  command = [%s]\n}\n",
		secretPath("shot", 0), strings.Join(command, ", "))
	return conf, errors.Join(err, f.Close())
}

// nanoseconds is a line of the program that says when it was started.
var nanoseconds = regexp.MustCompile(`(?m)^(\d{19})$`)

// toExec gives the median of the milliseconds from the start of a contender to
// the start of its program.
func (b *rig) toExec(ctx context.Context, who, runs int) (float64, error) {
	conf, err := b.execConfig("date", "+%s%N")
	if err != nil {
		return 0, err
	}
	defer os.Remove(conf)
	var all []float64
	for run := range runs + 1 { // the first one warms up
		c, err := b.measure(ctx, nil, b.command(who, conf)...)
		if err != nil {
			return 0, err
		}
		raw, err := os.ReadFile(b.path("contender.log"))
		if err != nil {
			return 0, err
		}
		m := nanoseconds.FindSubmatch(raw)
		if m == nil {
			return 0, fmt.Errorf("%s did not run its program:\n%s", names[who], raw)
		}
		at, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return 0, err
		}
		if run > 0 {
			all = append(all, ms(time.Duration(at-c.Start)))
		}
	}
	return median(all), nil
}

// client is the median time of the plain client for one secret.
func (b *rig) client(ctx context.Context, runs int) (float64, error) {
	var all []float64
	for range runs {
		c, err := b.shot(ctx, plain, b.vault.Addr(), 1, 1)
		if err != nil {
			return 0, err
		}
		all = append(all, ms(c.Wall))
	}
	return median(all), nil
}

// idle gives a contender's memory beside a program that does nothing.
func (b *rig) idle(ctx context.Context, who int) (float64, error) {
	conf, err := b.execConfig("sleep", "1000")
	if err != nil {
		return 0, err
	}
	defer os.Remove(conf)
	window := max(b.o.steady/2, time.Second)
	c, err := b.measure(ctx, []string{"-warm=3s", "-window=" + window.String()}, b.command(who, conf)...)
	if err != nil {
		return 0, err
	}
	return mb(c.RSSKB), nil
}

// orphans gives how many of those that its program leaves a contender has taken
// away, when it is PID 1 and had five seconds for it.
func (b *rig) orphans(ctx context.Context, who int) (float64, error) {
	kind := pidns.Permitted(ctx)
	if kind == pidns.Subreaper {
		return 0, nil
	}
	done := b.path("orphans")
	conf, err := b.execConfig("sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do (sleep 0 &); i=$((i+1)); done; : >%s; exec sleep 1000", orphans, done))
	if err != nil {
		return 0, err
	}
	defer os.Remove(conf)
	defer os.Remove(done)
	argv := b.command(who, conf)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = b.environment(), b.dir
	ended, err := kind.Start(cmd)
	if err != nil {
		return 0, err
	}
	left := -1
	for deadline := time.Now().Add(time.Minute); left != 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(done); err != nil {
			continue
		}
		if left < 0 {
			deadline = time.Now().Add(5 * time.Second)
		}
		left = zombies(cmd.Process.Pid)
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	<-ended
	if left < 0 {
		return 0, fmt.Errorf("%s: its program left no orphans", names[who])
	}
	return float64(orphans - left), nil
}

// zombies counts the children of a process that have ended and are still there.
func zombies(parent int) (n int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, _ := os.ReadFile(path)
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(f) > 1 && f[0] == "Z" && f[1] == strconv.Itoa(parent) {
			n++
		}
	}
	return n
}
