package child

import (
	"fmt"
	"time"
)

// roll starts the next child beside the one in charge. Of an earlier one that
// is outdated by now, or is still leaving, the end is awaited first.
func (r *run) roll() {
	if r.candidate != nil {
		if r.candidate.version != r.version {
			r.dropCandidate()
		}
		return
	}
	if len(r.leaving) > 0 || r.tooEarly() {
		return
	}
	p, err := r.start()
	if err != nil {
		r.refuse(nil, r.want.Generation, err)
		r.rollAgain()
		return
	}
	p.restart = true
	r.candidate = p
}

// rollAgain has the next candidate started after the backoff. Meanwhile the old
// child serves: it is told of files if it can be.
func (r *run) rollAgain() {
	r.notFor(r.again.Next())
	if r.o.ReloadSignal != 0 {
		r.reload()
	}
}

// dropCandidate stops a candidate that nobody wants any more.
func (r *run) dropCandidate() {
	if r.candidate != nil && !r.candidate.asked {
		r.candidate.stop(r.politely())
	}
}

// judged hears whether a child is ready.
func (r *run) judged(v verdict) error {
	p := v.of
	switch {
	case p.asked || (p != r.current && p != r.candidate):
		return nil
	case p == r.candidate && v.err != nil:
		p.stop(r.politely())
		r.refuse(p, p.generation, fmt.Errorf("the new child (process %d) is stopped: %w", p.pid, v.err))
		r.rollAgain()
		return nil
	case v.err != nil:
		r.o.Log.Warn("the child is not ready; it keeps running, as there is no other", "pid", p.pid, "error", v.err)
		r.tell(Event{Kind: Refused, PID: p.pid, Generation: p.generation, Err: v.err})
		return nil
	}
	r.o.Log.Info("the child is ready", "pid", p.pid, "generation", p.generation)
	if p == r.candidate {
		r.promote()
	}
	r.tell(Event{Kind: IsReady, PID: p.pid, Generation: p.generation})
	return r.act() // more may have changed meanwhile
}

// promote puts the candidate in charge, and stops the child before it.
func (r *run) promote() {
	old := r.current
	forced := r.forced && r.candidate.version != r.version
	r.charge(r.candidate)
	r.forced = forced
	r.candidate = nil
	r.restarts = 0
	r.backoff.Reset()
	r.again.Reset()
	r.terminal.lend(r.current.pid)
	if old != nil {
		r.leaving[old] = true
		old.stop(r.politely())
	}
}

// gone hears that a process has ended, with its whole group.
func (r *run) gone(p *process) error {
	r.forget(p)
	switch {
	case r.leaving[p]:
		delete(r.leaving, p)
		return r.act()
	case p == r.candidate:
		return r.candidateGone(p)
	case p.asked:
		r.current = nil
		r.setCurrent(nil)
		return r.begin()
	}
	return r.endedByItself(p)
}

// forget closes what was kept for a process that is gone, and tells of it.
func (r *run) forget(p *process) {
	p.close()
	r.setRunning(p.pid, false)
	e := Event{Kind: Ended, PID: p.pid, Generation: p.generation, Code: p.code()}
	if p.asked {
		e.Kind = Stopped
	}
	r.o.Log.Info("the child has ended", "pid", p.pid, "code", e.Code, "stopped", p.asked,
		"after", time.Since(p.started).Round(time.Millisecond))
	r.tell(e)
}

func (r *run) candidateGone(p *process) error {
	r.candidate = nil
	if p.asked {
		return r.act()
	}
	r.refuse(p, p.generation, fmt.Errorf("the new child (process %d) ended with code %d before it was ready", p.pid, p.code()))
	r.rollAgain()
	return nil
}

// endedByItself ends the run with the child's code, unless its successor is
// there already, or it ended at once after a restart of ours: it may do better
// in a moment.
func (r *run) endedByItself(p *process) error {
	r.current = nil
	r.setCurrent(nil)
	if r.candidate != nil && !r.candidate.asked {
		r.o.Log.Warn("the child ended while the next one was starting: that one takes over", "pid", p.pid, "code", p.code())
		r.promote()
		return nil
	}
	if p.restart && time.Since(p.since) < r.o.Settle && r.restarts < r.o.MaxRestarts {
		r.startAgain()
		return nil
	}
	return &ExitError{Code: p.code()}
}
