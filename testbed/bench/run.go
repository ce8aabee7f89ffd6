package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The contenders, in the order of the table's columns.
const (
	ours = iota
	plain
	agent
	contenders
)

var names = [contenders]string{"vault-renderer", "plain client", "Vault Agent"}

// cost is what one run took; it is what package measure prints.
type cost struct {
	Wall   time.Duration `json:"wall"`
	CPU    time.Duration `json:"cpu"`
	PeakKB int64         `json:"peak_kb"`
	Window time.Duration `json:"window"`
	Busy   time.Duration `json:"window_cpu"`
	Exit   int           `json:"exit"`
	RSSKB  int64         `json:"rss_kb"`   // at the window's end
	Start  int64         `json:"start_ns"` // since 1970
}

// measure runs a command with a clean environment.
func (b *rig) measure(ctx context.Context, flags []string, argv ...string) (*cost, error) {
	// The signal that ends the child with its parent hangs on the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log := b.path("contender.log")
	_ = os.Remove(log)
	args := slices.Concat([]string{"-log=" + log}, flags, []string{"--"}, argv)
	cmd := exec.CommandContext(ctx, b.path("measure"), args...)
	cmd.Env, cmd.Dir = b.environment(), b.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, bytes.TrimSpace(stderr.Bytes()))
	}
	var c cost
	if err := json.Unmarshal(stdout.Bytes(), &c); err != nil {
		return nil, err
	}
	if c.Exit != 0 {
		text, _ := os.ReadFile(log)
		return nil, fmt.Errorf("%s ended with %d:\n%s", filepath.Base(argv[0]), c.Exit, text[max(0, len(text)-2000):])
	}
	return &c, nil
}

func (b *rig) environment() []string {
	env := []string{"HOME=" + b.dir}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VAULT_") && !strings.HasPrefix(kv, "BAO_") && !strings.HasPrefix(kv, "HOME=") {
			env = append(env, kv)
		}
	}
	return env
}

// shot renders n templates with one contender, the given number of times into
// the same directory, and checks the files. The cost is that of the last time.
func (b *rig) shot(ctx context.Context, who int, addr string, n, times int) (c *cost, err error) {
	out, err := b.outDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	var argv []string
	if who == plain {
		argv = []string{
			b.path("plainclient"), "-addr=" + addr, "-ids=" + b.dir, "-n=" + strconv.Itoa(n),
			"-prefix=secret/data/shot/", "-out=" + out,
		}
	} else {
		conf, err := b.config("shot", addr, out, n, true, 0)
		if err != nil {
			return nil, err
		}
		defer os.Remove(conf)
		argv = append(b.command(who, conf), "-exit-after-auth")
	}
	for range times {
		if c, err = b.measure(ctx, nil, argv...); err != nil {
			return nil, err
		}
	}
	if err := check(out, n); err != nil {
		return nil, fmt.Errorf("%s: %w", names[who], err)
	}
	return c, nil
}

func (b *rig) command(who int, conf string) []string {
	bin := b.o.renderer
	if who == agent {
		bin = b.vault.Binary()
	}
	return []string{bin, "agent", "-config=" + conf}
}

// oneShot measures n templates rendered once: the contenders in turn, then once
// more through a proxy that counts.
func (b *rig) oneShot(ctx context.Context, rep *report, n, runs int) error {
	b.say("%d template(s), once: %d runs of each", n, runs)
	var costs [contenders][]*cost
	var requests, conns, again [contenders]float64
	for run := range runs + 1 { // the first one warms up
		for who := range costs {
			if who == agent && !b.o.agent {
				continue
			}
			c, err := b.shot(ctx, who, b.vault.Addr(), n, 1)
			if err != nil {
				return err
			}
			if run > 0 {
				costs[who] = append(costs[who], c)
			}
		}
	}
	for who := range costs {
		if who == agent && !b.o.agent {
			continue
		}
		c, err := b.shot(ctx, who, b.vault.Addr(), n, 2)
		if err != nil {
			return err
		}
		again[who] = ms(c.Wall)
		if requests[who], conns[who], err = b.count(ctx, who, n); err != nil {
			return err
		}
	}
	rep.addOneShot(n, costs, again, requests, conns)
	return nil
}

// count gives the requests that one contender makes and the connections that
// it makes them on.
func (b *rig) count(ctx context.Context, who, n int) (requests, conns float64, err error) {
	target, err := url.Parse(b.vault.Addr())
	if err != nil {
		return 0, 0, err
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	var nr, nc atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nr.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			nc.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	if _, err := b.shot(ctx, who, s.URL, n, 1); err != nil {
		return 0, 0, err
	}
	return float64(nr.Load()), float64(nc.Load()), nil
}

// warmUp is how long a steady state takes to be one: Vault Agent needs the most.
const warmUp = 5 * time.Second

// steady measures secrets that are read again every second. In the middle of
// the window one changes, and must be in its file at the end.
func (b *rig) steady(ctx context.Context, rep *report) error {
	var costs [contenders]*cost
	for _, who := range []int{ours, agent} {
		if who == agent && !b.o.agent {
			continue
		}
		b.say("steady state of %s: %s", names[who], b.o.steady)
		c, err := b.steadyOne(ctx, who)
		if err != nil {
			return err
		}
		costs[who] = c
	}
	rep.addSteady(b.o.steadyN, costs)
	return nil
}

func (b *rig) steadyOne(ctx context.Context, who int) (*cost, error) {
	out, err := b.outDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	conf, err := b.config("steady", b.vault.Addr(), out, b.o.steadyN, false, time.Second)
	if err != nil {
		return nil, err
	}
	client := b.vault.Client()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan error, 1)
	const fresh = "canary-changed"
	go func() {
		select {
		case <-time.After(warmUp + b.o.steady/3):
			changed <- put(ctx, client, "steady", 0, fresh)
		case <-ctx.Done():
			changed <- ctx.Err()
		}
	}()
	c, err := b.measure(ctx, []string{"-warm=" + warmUp.String(), "-window=" + b.o.steady.String()}, b.command(who, conf)...)
	if err != nil {
		return nil, err
	}
	if err := <-changed; err != nil {
		return nil, fmt.Errorf("change a secret: %w", err)
	}
	have, err := os.ReadFile(filepath.Join(out, "0000"))
	if err != nil {
		return nil, err
	}
	if string(have) != content(0, fresh) {
		return nil, fmt.Errorf("%s: a secret that changed is not in its file", names[who])
	}
	return c, errors.Join(put(ctx, client, "steady", 0, password(0)))
}

func (b *rig) sizes(rep *report) error {
	var size [contenders]float64
	for who, bin := range []string{ours: b.o.renderer, plain: b.path("plainclient"), agent: b.vault.Binary()} {
		st, err := os.Stat(bin)
		if err != nil {
			return err
		}
		size[who] = float64(st.Size()) / 1e6
	}
	rep.add(figure{Name: "binary, stripped", Unit: "MB", Ours: size[ours], Plain: size[plain], Other: size[agent], Limit: 20})
	return nil
}
