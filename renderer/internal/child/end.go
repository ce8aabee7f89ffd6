package child

import (
	"syscall"
	"time"
)

// endAll ends whatever runs. Where the child was told to end (why is nil)
// everybody is asked and gets the time for it; where it ended by itself it is
// over for the others.
func (r *run) endAll(why error) {
	close(r.done)
	r.timer.Stop()
	how := stopping{signal: syscall.SIGKILL}
	if why == nil {
		how = r.politely()
	}
	deadline := time.Now().Add(how.timeout)
	told := map[int]bool{}
	r.reaper.signalAdopted(how.signal, told)
	for p := range r.everybody() {
		p.stop(how)
	}
	for r.ours() > 0 {
		r.goneAtEnd(<-r.ended)
	}
	r.looks.Wait()
	if left := r.reaper.endAdopted(how.signal, told, deadline); left > 0 {
		r.o.Log.Error("processes that the child left behind could not be killed", "number", left)
	}
	r.terminal.back()
}

// everybody gives the processes that have not been gone.
func (r *run) everybody() map[*process]bool {
	all := map[*process]bool{}
	for p := range r.leaving {
		all[p] = true
	}
	for _, p := range []*process{r.current, r.candidate} {
		if p != nil {
			all[p] = true
		}
	}
	return all
}

func (r *run) ours() int { return len(r.everybody()) }

func (r *run) goneAtEnd(p *process) {
	r.forget(p)
	delete(r.leaving, p)
	switch p {
	case r.current:
		r.current = nil
		r.setCurrent(nil)
	case r.candidate:
		r.candidate = nil
	}
}
