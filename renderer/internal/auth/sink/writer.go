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
}

// NewWriter prepares a Writer; give it one Run. rand gives [0,1).
func NewWriter(f File, wrapper Wrapper, rand func() float64) *Writer {
	return &Writer{f: f, wrapper: wrapper, rand: rand, tokens: make(chan numbered, 1)}
}

// Write hands over the newest token under a number that grows. It does not
// block.
func (w *Writer) Write(t vault.Token, n uint64) {
	for {
		select {
		case w.tokens <- numbered{t, n}:
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
		told := Written{Writer: w, N: t.n}
		var content []byte
		if content, told.Err = w.content(ctx, t.token); told.Err == nil {
			told.Err = w.f.write(content)
		}
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
