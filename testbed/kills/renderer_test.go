package kills

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"vault-renderer/testbed/capture"
)

// renderer is the program that is killed, over all its runs.
type renderer struct {
	dir    string
	log    *capture.Buffer
	client *http.Client // speaks to its status socket

	mu   sync.Mutex
	now  phase
	took []readiness // of the runs that lived so long
}

// readiness is how long a run took to be ready.
type readiness struct {
	took time.Duration
	at   time.Time
}

// phase says which run it is and how far.
type phase struct {
	run   int
	p     *process
	alive bool
	ready bool
}

func newRenderer(dir string, log *capture.Buffer) *renderer {
	socket := filepath.Join(dir, "run", "status.sock")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &renderer{dir: dir, log: log, client: &http.Client{
		Timeout: time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
}

// start begins a run and has a goroutine note when it is ready.
func (r *renderer) start() error {
	p, err := run(r.dir, r.log, servers.renderer, "agent", "-config=config.hcl", "-log-level=debug")
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = phase{run: r.now.run + 1, p: p, alive: true}
	go r.noteReady(r.now, time.Now())
	return nil
}

func (r *renderer) noteReady(of phase, began time.Time) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-of.p.done:
			return
		case <-tick.C:
		}
		if !r.answersReady() {
			continue
		}
		r.mu.Lock()
		if r.now.run == of.run && r.now.alive {
			r.now.ready = true
			r.took = append(r.took, readiness{time.Since(began), time.Now()})
		}
		r.mu.Unlock()
		return
	}
}

func (r *renderer) answersReady() bool {
	resp, err := r.client.Get("http://renderer/-/ready")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

func (r *renderer) phase() phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// restart waits for the end of the run that was killed and begins the next one
// at once. The first result says whether the killed one had become ready; look
// is called between the two.
func (r *renderer) restart(look func()) (wasReady bool, err error) {
	of := r.phase()
	if !of.p.killed() {
		return false, fmt.Errorf("run %d ended by itself: %s", of.run, of.p.cmd.ProcessState)
	}
	r.mu.Lock()
	wasReady, r.now.alive, r.now.ready = r.now.ready, false, false
	r.mu.Unlock()
	look()
	return wasReady, r.start()
}
