package agent

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/auth/sink"
	"vault-renderer/renderer/internal/vault"
)

// sinks is what the loop knows of the token's files.
type sinks struct {
	n       uint64 // number of the newest token
	out     chan sink.Written
	running map[sinkKey]*sinkState
}

// sinkKey tells sinks apart: one that is written alike through the same client
// goes on over a reload, so that a wrapped token is not made again.
type sinkKey struct {
	f      sink.File
	client *vault.Client
}

type sinkState struct {
	w       *sink.Writer
	stop    context.CancelFunc
	written uint64 // number of the token that is in the file
	stamp   sink.Stamp
}

// startSinks brings the running writers in step with the plan.
func (a *Agent) startSinks() {
	wanted := map[sinkKey]bool{}
	for _, f := range a.plan.sinks {
		key := sinkKey{f, a.plan.client}
		wanted[key] = true
		if a.sinks.running[key] == nil {
			a.startSink(key)
		}
	}
	for key, s := range a.sinks.running {
		if !wanted[key] {
			s.stop()
			delete(a.sinks.running, key)
		}
	}
}

func (a *Agent) startSink(key sinkKey) {
	ctx, cancel := context.WithCancel(a.ctx)
	w := sink.NewWriter(key.f, key.client, a.o.Rand)
	a.sinks.running[key] = &sinkState{w: w, stop: cancel}
	a.spawn(ctx, func(ctx context.Context) error { return w.Run(ctx, a.sinks.out) })
	if !a.token.Empty() {
		w.Write(a.token, a.sinks.n)
	}
}

// writeSinks gives every sink the newest token. One of an earlier run may be
// there already, wrapped by then.
func (a *Agent) writeSinks(resumed bool) {
	a.sinks.n++
	for key, s := range a.sinks.running {
		if stamp := a.resumedSinks[key.f.Path]; resumed && stamp != "" {
			s.w.Resume(a.token, a.sinks.n, stamp)
			continue
		}
		s.w.Write(a.token, a.sinks.n)
	}
}

// sinkStamps are the sinks as they were written, for a restart.
func (a *Agent) sinkStamps() map[string]sink.Stamp {
	out := map[string]sink.Stamp{}
	for key, s := range a.sinks.running {
		if s.stamp != "" && s.written == a.sinks.n {
			out[key.f.Path] = s.stamp
		}
	}
	return out
}

func (a *Agent) onWritten(e sink.Written) {
	for key, s := range a.sinks.running {
		switch log := a.log("sink.file"); {
		case s.w != e.Writer:
		case e.Err != nil:
			log.Error("the token could not be written; trying again", "path", key.f.Path, "error", e.Err, "next_try_in", e.Next.Round(time.Millisecond))
		default:
			s.written, s.stamp, a.unsaved = e.N, e.Stamp, true
			if !e.Kept {
				log.Info("token written", "path", key.f.Path)
			}
		}
	}
}

// sinksWritten says whether every sink has the newest token.
func (a *Agent) sinksWritten() bool {
	for _, s := range a.sinks.running {
		if s.written < a.sinks.n {
			return false
		}
	}
	return true
}
