package agent

import "errors"

// remembered is what a login method keeps over restarts, in the state file. It
// implements method.Memory.
type remembered struct {
	a    *Agent
	name string
}

// Load gives what was saved last; nil = nothing was.
func (r remembered) Load() (b []byte) {
	_ = r.a.do(r.a.ctx, func() { b = r.a.memory[r.name] })
	return b
}

// Save returns when b is in the state file.
func (r remembered) Save(b []byte) error {
	var failed string
	err := r.a.do(r.a.ctx, func() {
		r.a.memory[r.name] = b
		r.a.unsaved = true
		r.a.save()
		failed = r.a.saveErr
	})
	if err == nil && failed != "" {
		err = errors.New(failed)
	}
	return err
}
