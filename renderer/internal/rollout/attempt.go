package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
)

// ErrSuperseded is the cause with which an Attempt's context is ended when
// newer contents are there. The newer Attempt gets the Journal as its Over.
var ErrSuperseded = errors.New("newer contents are there")

// Attempt is one try to move the files of a rollout to their next generation,
// and the application with them: make before break. The steps that can fail
// come first, then the renames; a refusal goes back.
type Attempt struct {
	Generation reload.Generation // N and Rollout; Run fills in Digest and Files
	Acked      uint64            // number of the generation to which a refusal goes back; 0 = not known
	Outputs    []Output          // all files of the rollout, also those that may be in place already

	// Over is what stands without an ack: the Journal of an Attempt that was
	// superseded, or Kept. A refusal goes back to what was before that. nil =
	// what stands was acknowledged.
	Over *Journal
	// Resume goes on with what stands without an ack: it tells and asks, or ends
	// going back. Over is not looked at then, and Outputs only for Changed.
	Resume *Journal

	Checks []Checker
	Splay  time.Duration // before the application is told: up to this, at random
	Rand   func() float64
	Hooks  []Telling // one after the other
	Acks   []Asking  // all at once; each must confirm

	// Dead says whether the credentials of the generation before have ended:
	// then there is no way back. It is called on Run's goroutine. nil = false.
	Dead func() bool
	// Record is told how far the Attempt is, on Run's goroutine: before the
	// first rename, after the last one, and at the end. An error before the
	// renames ends the Attempt; later ones are only part of Result.Err. nil =
	// nobody.
	Record func(Journal) error

	probe func(at string) // called before every operation on files; tests crash here
}

// Checker looks at staged files before any is put in place.
type Checker interface {
	Run(ctx context.Context, g reload.Generation) error
}

// Telling is a hook of a rollout.
type Telling struct {
	Hook    reload.Hook
	Retries int      // tries after the first, 1 s to 10 s apart
	Files   []string // run when one of these destinations changed; nil = any
	Always  bool     // run whichever file of the rollout changed
}

// Asking is an acknowledgement that a rollout waits for.
type Asking struct {
	Acker   reload.Acker
	Timeout time.Duration // 0 = a minute
}

// Run tries once. It returns soon after ctx ends, if its checks, hooks and
// ackers do.
func (a *Attempt) Run(ctx context.Context) Result {
	r := &run{Attempt: a, generation: a.Generation}
	steps := []step{r.repairOver, r.stage, r.check, r.place, r.tell, r.ask}
	if a.Resume != nil {
		steps = []step{r.resume, r.tell, r.ask}
	}
	for _, step := range steps {
		if outcome, err := step(ctx); outcome != goOn {
			return r.result(outcome, err)
		}
	}
	r.settle()
	return r.result(Acked, nil)
}

// step does a part of an Attempt. Any Outcome but goOn ends it.
type step func(context.Context) (Outcome, error)

// run is an Attempt under way.
type run struct {
	*Attempt
	generation reload.Generation
	staged     []*destination.Staged // by Outputs
	j          Journal               // what stands without an ack, as far as it got
	changed    map[string]bool       // destinations that got other contents
	later      []error               // what failed without changing the outcome
}

func (r *run) result(o Outcome, err error) Result {
	res := Result{Outcome: o, Changed: make([]bool, len(r.Outputs)), Err: chain(append([]error{err}, r.later...)...)}
	for i, out := range r.Outputs {
		res.Changed[i] = r.changed[out.File.Path]
	}
	if r.j.Open() {
		res.Journal = r.j
	}
	return res
}

// chain joins errors in one line; nil = none.
func chain(errs ...error) (all error) {
	for _, err := range errs {
		switch {
		case all == nil:
			all = err
		case err != nil:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// at marks the moment before an operation on files.
func (r *run) at(what string) {
	if r.probe != nil {
		r.probe(what)
	}
}

// record writes down what stands. The receiver keeps its copy.
func (r *run) record(j Journal) error {
	if r.Record == nil {
		return nil
	}
	r.at("record " + string(j.Stage))
	if err := r.Record(j.clone()); err != nil {
		return fmt.Errorf("record that generation %d is at %q: %w", j.Generation.N, j.Stage, err)
	}
	return nil
}

// note records what stands where it can't be helped any more that this fails:
// Repair finds out by looking at the files. Once it is written down, what only a
// failed rename would have needed can go; otherwise it stays until later.
func (r *run) note() {
	next, links := r.j.withoutBefore()
	if err := r.record(next); err != nil {
		r.add(err)
		return
	}
	r.j = next
	r.drop(links)
}

// settle ends it: the application uses what stands, and there is no way back.
func (r *run) settle() {
	r.j.Stage = Done
	r.note()
	r.drop(r.j.links())
}

// drop lets go of links.
func (r *run) drop(links []destination.Previous) {
	for _, p := range links {
		r.add(dropAt(p, r.at))
	}
}

func (r *run) add(err error) {
	if err != nil {
		r.later = append(r.later, err)
	}
}

// stopped is the end of an Attempt whose context ended.
func stopped(ctx context.Context) (Outcome, error) { return Stopped, context.Cause(ctx) }

// resume takes up what stands.
func (r *run) resume(ctx context.Context) (Outcome, error) {
	var err error
	if r.j, err = repair(r.Resume.clone(), r.at); err != nil {
		return NotPlaced, err
	}
	r.generation = r.j.Generation
	r.changed = r.j.changed()
	switch r.j.Stage {
	case Placed:
		return goOn, nil
	case GoingBack:
		return r.retell(ctx, errResumedBack)
	case Done:
		return Acked, nil
	}
	return NotPlaced, fmt.Errorf("generation %d was not put in place completely, and was taken back", r.generation.N)
}

// repairOver has what stands whole before something is put over it.
func (r *run) repairOver(context.Context) (Outcome, error) {
	if r.Over == nil {
		return goOn, nil
	}
	var err error
	if r.j, err = repair(r.Over.clone(), r.at); err != nil {
		return NotPlaced, err
	}
	if !r.j.Open() {
		r.j = Journal{}
		return goOn, nil
	}
	next, links := r.j.withoutBefore()
	if len(links) == 0 {
		return goOn, nil
	}
	// It could not be written down that all of that was renamed.
	if err := r.record(next); err != nil {
		return NotPlaced, err
	}
	r.j = next
	r.drop(links)
	return goOn, nil
}

var errResumedBack = errors.New("the generation was refused, and going back was interrupted")
