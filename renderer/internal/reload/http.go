package reload

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"
)

// httpTime is how long a request may take when nothing else is said.
const httpTime = 30 * time.Second

// HTTP is a hook that sends a request without a body. Any answer of the 200s
// is success; redirects are not followed, and no proxy is used.
type HTTP struct {
	Method  string        // "" = POST
	URL     string        // http, https, or unix:///run/app.sock:/path
	Timeout time.Duration // until the end of the answer; 0 = 30 s
	// Mask hides secrets in the beginning of an answer that is an error; nil =
	// nothing of it is shown.
	Mask func(string) string
}

// Key implements Hook. It is not for people: it holds the whole URL.
func (h *HTTP) Key() string { return "http\x00" + h.method() + "\x00" + h.URL }

// String implements Hook: without what may be secret in the URL.
func (h *HTTP) String() string { return h.method() + " " + shownURL(h.URL) }

func (h *HTTP) method() string { return cmp.Or(h.Method, http.MethodPost) }

// Run implements Hook.
func (h *HTTP) Run(ctx context.Context) error {
	to, err := parseAddress(h.URL)
	if err != nil {
		return named(h, err)
	}
	a, err := to.request(ctx, h.method(), cmp.Or(h.Timeout, httpTime))
	switch {
	case err != nil:
		return named(h, err)
	case !a.ok():
		return fmt.Errorf("%s: it %s", h, a.reason(h.Mask))
	}
	return nil
}
