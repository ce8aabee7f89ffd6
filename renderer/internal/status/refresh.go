package status

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	refreshEvery = time.Second
	maxReason    = 200 // runes of it in the log
)

// refresher passes requests for a refresh on, one a second at most. Whoever
// asks in between shares the next one.
type refresher struct {
	call func(reason string)

	mu      sync.Mutex
	last    time.Time   // of the last call
	pending *time.Timer // of the next one; nil = nobody waits
	reason  string      // that it will be given: the first asker's
	more    int         // askers beside that one
	stopped bool
}

// serve answers at once: whether the credentials are well is seen elsewhere.
func (r *refresher) serve(w http.ResponseWriter, req *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxAsk))
	if err != nil {
		plainText(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have %d bytes", maxAsk))
		return
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if len(strings.TrimSpace(string(raw))) > 0 {
		if err := json.Unmarshal(raw, &body); err != nil {
			plainText(w, http.StatusBadRequest, `the body must be empty or {"reason": "text"}`)
			return
		}
	}
	r.ask(printable(body.Reason))
	plainText(w, http.StatusAccepted, "all leases are looked up")
}

// ask calls now, or plans the one call for all who ask too early.
func (r *refresher) ask(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := refreshEvery - time.Since(r.last)
	switch {
	case r.stopped || r.call == nil:
	case r.pending != nil:
		r.more++
	case r.last.IsZero() || wait <= 0:
		r.last = time.Now()
		r.call(reason)
	default:
		r.reason, r.more = reason, 0
		r.pending = time.AfterFunc(wait, r.fire)
	}
}

func (r *refresher) fire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	r.last, r.pending = time.Now(), nil
	if r.more > 0 {
		r.reason += fmt.Sprintf(" (and %d more)", r.more)
	}
	r.call(strings.TrimSpace(r.reason))
}

// stop makes sure that nothing is called any more.
func (r *refresher) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.pending != nil {
		r.pending.Stop()
	}
}

// printable is what of a text from outside may stand in a log: one line, not
// long, nothing that a terminal obeys.
func printable(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsPrint(c):
			return -1
		}
		return c
	}, strings.TrimSpace(s))
	if all := []rune(s); len(all) > maxReason {
		s = string(all[:maxReason]) + "..."
	}
	return s
}
