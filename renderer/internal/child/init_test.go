package child

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// plan is what testbed/pidns tells the init role.
type plan struct {
	Command  []string
	Env      []string
	Rolling  bool
	Socket   string
	Programs int
	Rolls    int
}

// initRole is the first program of a container: it supervises one application,
// and runs others at the same time. SIGTERM ends it.
func initRole() int {
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv("PLAN")), &p); err != nil {
		fmt.Println(err)
		return 99
	}
	ready, stopped := make(chan struct{}, 100), make(chan struct{}, 100)
	o := p.options(func(e Event) {
		switch e.Kind {
		case IsReady:
			ready <- struct{}{}
		case Stopped:
			stopped <- struct{}{}
		}
	})
	s, err := New(o)
	if err != nil {
		fmt.Println(err)
		return codeFor(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	Forward(ctx, func(sig os.Signal) {
		if sig != syscall.SIGTERM {
			_ = s.Signal(sig)
		}
	})
	s.Set(Update{Env: []string{"X=0"}})
	go p.act(s, ready, stopped)
	return codeFor(s.Run(ctx))
}

func (p *plan) options(events func(Event)) Options {
	o := Options{
		Command: p.Command, Env: p.Env, Stdout: os.Stdout, Stderr: os.Stderr, KillTimeout: time.Second,
		Events: events, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if p.Rolling {
		o.Restart, o.Ready, o.KillTimeout = Rolling, &Ready{Notify: true}, patience
	}
	if p.Socket != "" {
		o.Sockets = []Socket{{Network: "tcp", Address: p.Socket}}
	}
	return o
}

// act does what happens while the application runs.
func (p *plan) act(s *Supervisor, ready, stopped <-chan struct{}) {
	<-ready
	if p.Programs > 0 {
		fmt.Printf("programs=%d lost=%d\n", p.Programs, runPrograms(p.Programs))
	}
	for i := range p.Rolls {
		s.Set(Update{Env: []string{fmt.Sprintf("X=%d", i+1)}})
		<-ready
		<-stopped
		fmt.Printf("rolled=%d\n", i+1)
	}
}

// runPrograms runs n programs that leave four orphans each, and says how many
// exit codes were lost.
func runPrograms(n int) int64 {
	var lost atomic.Int64
	var running sync.WaitGroup
	places := make(chan struct{}, 4)
	for range n {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			cmd := exec.Command("sh", "-c", "(true &) ; (sleep 0.01 &) ; (true &) ; (sleep 0.02 &) ; exit 7")
			if cmd.Run() == nil || cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 7 {
				lost.Add(1)
			}
		})
	}
	running.Wait()
	return lost.Load()
}
