package rollout

import (
	"context"
	"fmt"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
)

// stage writes every file beside its destination.
func (r *run) stage(context.Context) (Outcome, error) {
	anything := r.j.Open() // what stands is not acknowledged: not even when it stays
	for _, o := range r.Outputs {
		r.at("stage " + o.File.Path)
		s, err := destination.Stage(o.File, o.Content)
		if err != nil {
			r.discard()
			return NotPlaced, err
		}
		r.staged = append(r.staged, s)
		anything = anything || s.Changed()
	}
	if !anything {
		r.discard()
		return Unchanged, nil
	}
	r.generation.Digest, r.generation.Files = Digest(r.Outputs), nil
	for i, s := range r.staged {
		f := reload.File{Path: s.Path(), Staged: s.TempPath(), Digest: destination.DigestOf(r.Outputs[i].Content)}
		r.generation.Files = append(r.generation.Files, f)
	}
	return goOn, nil
}

func (r *run) discard() {
	for _, s := range r.staged {
		r.at("discard " + s.Path())
		s.Discard()
	}
}

// check has every check look at the staged files.
func (r *run) check(ctx context.Context) (Outcome, error) {
	for _, c := range r.Checks {
		err := c.Run(ctx, r.generation)
		if err == nil {
			continue
		}
		r.discard()
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return CheckFailed, fmt.Errorf("the new files were refused, what is in place stays: %w", err)
	}
	if ctx.Err() != nil { // the last moment at which stopping leaves nothing
		r.discard()
		return stopped(ctx)
	}
	return goOn, nil
}

// place keeps what stands, writes down what is to happen, and renames.
func (r *run) place(ctx context.Context) (Outcome, error) {
	next, err := r.keep()
	if err == nil {
		err = r.record(next)
	}
	if err != nil {
		r.drop(made(next))
		r.discard()
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return NotPlaced, err
	}
	r.j = next
	for _, s := range r.staged {
		r.at("rename " + s.Path())
		if _, err := s.Commit(); err != nil {
			return r.putBack(err)
		}
	}
	r.j = r.j.placed()
	r.generation = r.j.Generation
	r.changed = map[string]bool{}
	for _, s := range r.staged {
		r.changed[s.Path()] = r.changed[s.Path()] || s.Changed()
	}
	r.note()
	return goOn, nil
}

// keep makes what stands reachable, and the Journal of what is to happen. After
// an error the Journal holds what was kept until then.
func (r *run) keep() (Journal, error) {
	next := Journal{Generation: r.generation, Acked: r.Acked, Stage: Placing, OneWay: r.j.OneWay}
	over := map[string]JournalFile{}
	if r.j.Open() {
		j := r.j.clone()
		next.Over = &j
	}
	for _, f := range r.j.Files {
		over[f.Path] = f
	}
	for i, s := range r.staged {
		was := over[s.Path()]
		delete(over, s.Path())
		f, err := r.keepFile(s, was)
		f.Digest = r.generation.Files[i].Digest
		next.Files = append(next.Files, f)
		if err != nil {
			return next, err
		}
	}
	for _, f := range r.j.Files { // a refusal puts back these too
		if _, left := over[f.Path]; left {
			f.Temp, f.Before = "", destination.Previous{}
			next.Files = append(next.Files, f)
		}
	}
	next.OneWay = next.OneWay || next.first()
	return next, nil
}

// keepFile keeps what stands at one destination, over which was was put.
func (r *run) keepFile(s *destination.Staged, was JournalFile) (JournalFile, error) {
	f := JournalFile{Path: s.Path(), Changed: s.Changed() || was.Changed, Previous: was.Previous}
	if !s.Changed() {
		return f, nil
	}
	r.at("keep " + f.Path)
	prev, err := s.Keep()
	if err != nil {
		return f, err
	}
	f.Temp = s.TempPath()
	if was.Previous.Path != "" {
		f.Before = prev
	} else {
		f.Previous = prev
	}
	return f, nil
}

// made are the links that keep made for j.
func made(j Journal) (out []destination.Previous) {
	for _, f := range j.Files {
		if f.Temp != "" {
			out = append(out, f.wayBack())
		}
	}
	return out
}

// first says that none of the files was there before.
func (j Journal) first() bool {
	for _, f := range j.Files {
		if f.Previous.Path == "" || f.Previous.Kept != "" {
			return false
		}
	}
	return true
}

// putBack undoes the renames after one of them failed.
func (r *run) putBack(why error) (Outcome, error) {
	r.discard()
	j, err := undo(r.j, r.at)
	if err != nil {
		return NotPlaced, fmt.Errorf("%w; the files may be of different generations now: %w", why, err)
	}
	r.j = j
	r.note()
	return NotPlaced, why
}
