package reload

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"
)

// AckHTTP asks the application over HTTP, with GET. An answer of the 200s whose
// body holds the digest is the confirmation: see Confirms.
type AckHTTP struct {
	URL      string        // http, https, or unix:///run/app.sock:/path
	Interval time.Duration // between looks; 0 = 250 ms
	Look     time.Duration // limit of one look; 0 = 5 s
	// Destination is the file whose digest the application reports; "" = the
	// only one, or with several the generation's.
	Destination string
	Mask        func(string) string // hides secrets in answers; nil = they are not shown
}

// String implements Acker: without what may be secret in the URL.
func (a *AckHTTP) String() string { return "ack from " + shownURL(a.URL) }

// Wait implements Acker.
func (a *AckHTTP) Wait(ctx context.Context, g Generation) error {
	from, err := parseAddress(a.URL)
	if err != nil {
		return named(a, err)
	}
	want, err := g.expected(a.Destination)
	if err != nil {
		return named(a, err)
	}
	return poll(ctx, a, want, a.Interval, func(ctx context.Context) error {
		got, err := from.request(ctx, http.MethodGet, cmp.Or(a.Look, ackLook))
		switch {
		case err != nil:
			return err
		case !got.ok():
			return errors.New(got.reason(a.Mask))
		case !got.whole:
			return errors.New("the answer was cut off, did not end in time, or is longer than 64 KiB")
		case !Confirms(got.body, want):
			return wrongDigest(a.Mask, got.body)
		}
		return nil
	})
}
