package sink

import (
	"context"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// Written is what a Writer has to tell.
type Written struct {
	Writer *Writer
	N      uint64        // number of the token that was tried
	Err    error         // nil: it is in the file
	Kept   bool          // it was in the file already, which is as it was
	Stamp  Stamp         // of the file as it is now, for Resume; "" after a failure
	Next   time.Duration // after a failure: when the next try follows
}

// Writer keeps one sink up to date: it writes the newest token, and tries again
// with backoff after a failure. It never holds up other sinks.
type Writer struct {
	f       File
	wrapper Wrapper
	rand    func() float64
	box     box
	tokens  chan numbered // of size 1: the newest token
}

type numbered struct {
	token vault.Token
	n     uint64
	stamp Stamp // "" = it was not written before
}

// NewWriter prepares a Writer; give it one Run. rand gives [0,1).
func NewWriter(f File, wrapper Wrapper, rand func() float64) *Writer {
	return &Writer{f: f, wrapper: wrapper, rand: rand, tokens: make(chan numbered, 1)}
}

// Write hands over the newest token under a number that grows. It does not
// block.
func (w *Writer) Write(t vault.Token, n uint64) { w.put(numbered{token: t, n: n}) }

// Resume is Write for a token that an earlier process may have written, which
// got stamp for it: a file that is still the one it left stays as it is, also
// when it holds the token wrapped or encrypted. Any other file is written.
func (w *Writer) Resume(t vault.Token, n uint64, stamp Stamp) {
	w.put(numbered{token: t, n: n, stamp: stamp})
}

func (w *Writer) put(t numbered) {
	for {
		select {
		case w.tokens <- t:
			return
		default:
		}
		select {
		case <-w.tokens:
		default:
		}
	}
}

// Run writes tokens until ctx ends.
func (w *Writer) Run(ctx context.Context, out chan<- Written) error {
	b := lease.Backoff{Min: 2 * time.Second, Max: 30 * time.Second, Rand: w.rand}
	var t numbered
	var retry <-chan time.Time
	for {
		select {
		case t = <-w.tokens:
			b.Reset()
		case <-retry:
		case <-ctx.Done():
			return ctx.Err()
		}
		told := w.try(ctx, t)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		retry = nil
		if told.Err != nil {
			told.Next = max(b.Next(), vault.RetryAfter(told.Err))
			retry = time.After(told.Next)
		}
		select {
		case out <- told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try brings the file up to date once.
func (w *Writer) try(ctx context.Context, t numbered) Written {
	told := Written{Writer: w, N: t.n}
	content, there := w.stamped(t)
	if !there {
		if content, told.Err = w.content(ctx, t.token); told.Err != nil {
			return told
		}
	}
	var changed bool
	if changed, told.Err = w.f.write(content); told.Err == nil {
		told.Kept, told.Stamp = !changed, w.stamp(t.token, content)
	}
	return told
}
