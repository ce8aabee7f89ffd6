package rollout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
)

// retellTimeout bounds each hook that tells the application that the earlier
// files are back.
const retellTimeout = 30 * time.Second

// refuse goes back to the generation before, if there is a way.
func (r *run) refuse(ctx context.Context, why error) (Outcome, error) {
	if blocked := r.blocked(); blocked != nil {
		r.stay()
		return Kept, fmt.Errorf("%w; the new files stay: %w", why, blocked)
	}
	r.j.Stage = GoingBack
	r.note()
	if err := goBack(r.j, r.at); err != nil {
		return Refused, fmt.Errorf("%w; not all earlier files are back: %w", why, err)
	}
	return r.retell(ctx, why)
}

var (
	errOneWay = errors.New("there are no earlier ones to go back to")
	errDead   = errors.New("the credentials in the earlier ones have ended")
)

// blocked says why there is no way back; nil = there is one.
func (r *run) blocked() error {
	if r.j.OneWay {
		return errOneWay
	}
	for _, f := range r.j.Files {
		if f.Previous.Lost() {
			return fmt.Errorf("%s, which held what %s was before, is gone", f.Previous.Kept, f.Path)
		}
	}
	if r.Dead != nil && r.Dead() {
		return errDead
	}
	return nil
}

// stay gives up the way back.
func (r *run) stay() {
	links := r.j.links()
	r.j = r.j.clone()
	r.j.OneWay = true
	for i := range r.j.Files {
		f := &r.j.Files[i]
		f.Previous.Kept, f.Before = "", destination.Previous{}
	}
	r.note()
	r.drop(links)
}

// retell tells the application, as well as that goes, that the earlier files are
// back.
func (r *run) retell(ctx context.Context, why error) (Outcome, error) {
	g, changed := r.earlier(), r.j.changed()
	for _, t := range r.Hooks {
		if !t.wanted(changed) {
			continue
		}
		r.at("tell again " + t.Hook.String())
		hookCtx, cancel := context.WithTimeout(ctx, retellTimeout)
		err := r.tellOne(hookCtx, t, g)
		cancel()
		if ctx.Err() != nil {
			return Stopped, fmt.Errorf("%w; %w", context.Cause(ctx), why)
		}
		if err != nil {
			why = fmt.Errorf("%w; the application could not be told that the earlier files are back: %w", why, err)
		}
	}
	r.settleBack()
	return Refused, why
}

// settleBack ends it. As long as that can't be written down, going back stays
// open: a Repair that knows less needs what was kept.
func (r *run) settleBack() {
	back := r.j.clone()
	back.Stage = Back
	if err := r.record(back); err != nil {
		r.add(err)
		return
	}
	links := r.j.links()
	r.j = back
	r.drop(links)
}

// earlier is the generation that is back, as far as it can be seen.
func (r *run) earlier() reload.Generation {
	g := reload.Generation{N: r.j.Acked, Rollout: r.j.Generation.Rollout}
	var outs []Output
	for _, f := range r.j.Files {
		content, err := os.ReadFile(f.Path)
		if err != nil {
			continue // it was not there before
		}
		g.Files = append(g.Files, reload.File{Path: f.Path, Staged: f.Path, Digest: destination.DigestOf(content)})
		outs = append(outs, Output{File: destination.File{Path: f.Path}, Content: content})
	}
	g.Digest = Digest(outs)
	return g
}

// goBack puts back what a refusal puts back. It can be repeated: what was kept
// stays.
func goBack(j Journal, at func(string)) error {
	var errs []error
	for _, f := range j.Files {
		if f.Previous.Path == "" || f.Previous.Lost() {
			continue
		}
		at("restore " + f.Path)
		errs = append(errs, f.Previous.Restore())
	}
	return chain(errs...)
}
