package reload

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// AckFile looks into a file that the application writes. One that holds the
// digest is the confirmation: see Confirms.
type AckFile struct {
	Path     string
	Interval time.Duration // between looks; 0 = 250 ms
	// Destination is the file whose digest the application reports; "" = the
	// only one, or with several the generation's.
	Destination string
	Mask        func(string) string // hides secrets in what it holds; nil = that is not shown
}

// String implements Acker.
func (a *AckFile) String() string { return "ack from the file " + a.Path }

// Wait implements Acker.
func (a *AckFile) Wait(ctx context.Context, g Generation) error {
	want, err := g.expected(a.Destination)
	if err != nil {
		return named(a, err)
	}
	return poll(ctx, a, want, a.Interval, func(context.Context) error {
		text, err := readShort(a.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return errors.New("the file is not there")
		case err != nil:
			return err
		case !Confirms(text, want):
			return wrongDigest(a.Mask, text)
		}
		return nil
	})
}

// readShort reads a regular file of at most 64 KiB. It does not wait, as for
// the other end of a pipe.
func readShort(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKept+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxKept {
		return "", errors.New("the file is longer than 64 KiB")
	}
	return string(b), nil
}
