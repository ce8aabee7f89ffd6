package reload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	ackInterval = 250 * time.Millisecond // between looks when nothing else is said
	ackLook     = 5 * time.Second        // for one look
)

// Acker asks the application which generation it uses.
type Acker interface {
	// Wait returns nil once the application uses g. It ends with ctx, then with
	// an error that says what the application answered last.
	Wait(ctx context.Context, g Generation) error
	// String names the acker for people.
	String() string
}

// unconfirmed is the error of an Acker whose ctx ended.
type unconfirmed struct {
	text  string
	cause error
}

// Error implements error.
func (u *unconfirmed) Error() string { return u.text }

// Unwrap gives the reason why ctx ended.
func (u *unconfirmed) Unwrap() error { return u.cause }

// poll looks at once and then again and again until look returns nil or ctx
// ends. what is waited for, for people; interval 0 = 250 ms.
func poll(ctx context.Context, who fmt.Stringer, what string, interval time.Duration, look func(context.Context) error) error {
	start, last, looks := time.Now(), "nothing yet", 0
	for ctx.Err() == nil {
		err := look(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // else the look was cut short: the one before says more
			looks++
			last = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(cmp.Or(interval, ackInterval)):
		}
	}
	return &unconfirmed{
		text: fmt.Sprintf("%s: no confirmation of %s within %s (%d looks); at last: %s",
			who, what, time.Since(start).Round(time.Millisecond), looks, last),
		cause: context.Cause(ctx),
	}
}

// wrongDigest says that an answer holds no digest or another one.
func wrongDigest(mask func(string) string, text string) error {
	if text = excerpt(masked(mask, text, false, false)); text != "" {
		return fmt.Errorf("another digest, or none: %s", text)
	}
	return errors.New("another digest, or none")
}
