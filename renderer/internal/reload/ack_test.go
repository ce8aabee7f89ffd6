package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// name is a Stringer.
type name string

func (n name) String() string { return string(n) }

var errNewer = errors.New("something newer is there")

// It looks at once, then an interval after the end of each look.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var looks []time.Duration
		err := poll(t.Context(), name("ack"), "it", 0, func(context.Context) error {
			looks = append(looks, time.Since(start))
			time.Sleep(50 * time.Millisecond)
			if len(looks) < 4 {
				return errors.New("not yet")
			}
			return nil
		})
		want := []time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond}
		if err != nil || !slices.Equal(looks, want) {
			t.Errorf("%v, %v", looks, err)
		}
	})
}

// The end of the context is told with the last answer and the cause; a look
// that it cut short is no answer.
func TestPollEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errNewer)
		defer cancel()
		n := 0
		err := poll(ctx, name("ack"), "it", time.Second, func(ctx context.Context) error {
			if n++; n == 6 {
				<-ctx.Done()
				return errors.New("cut short")
			}
			time.Sleep(time.Second)
			return fmt.Errorf("answer %d", n)
		})
		want := "ack: no confirmation of it within 10s (5 looks); at last: answer 5"
		if !errors.Is(err, errNewer) || err.Error() != want {
			t.Errorf("%v", err)
		}
		err = poll(ctx, name("ack"), "it", time.Second, func(context.Context) error { t.Error("a look"); return nil })
		if !errors.Is(err, errNewer) || !strings.Contains(err.Error(), "nothing yet") {
			t.Errorf("already ended: %v", err)
		}
	})
}

// The application answers as the web application does: the new digest is at
// first what comes next.
func TestAckHTTP(t *testing.T) {
	g := generation()
	want := g.Files[0].Digest
	var n atomic.Int32
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/-/generation" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		switch n.Add(1) {
		case 1:
			_, _ = fmt.Fprintf(w, "{\n  \"digest\": \"\",\n  \"next\": %q\n}\n", want)
		case 2:
			http.Error(w, want, http.StatusServiceUnavailable)
		case 3: // the connection ends too early
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, want)
		case 4:
			_, _ = io.WriteString(w, want+strings.Repeat(" ", maxKept))
		case 5:
			http.Redirect(w, r, "/other", http.StatusFound)
		default:
			_, _ = fmt.Fprintf(w, "{\n  \"digest\": %q\n}\n", want)
		}
	}
	for _, url := range []string{serve(t, h) + "/-/generation", "unix://" + serveUnix(t, h) + ":/-/generation"} {
		n.Store(0)
		a := &AckHTTP{URL: url, Interval: time.Millisecond, Destination: g.Files[0].Path}
		if err := a.Wait(t.Context(), g); err != nil || n.Load() != 6 {
			t.Errorf("%d looks, %v", n.Load(), err)
		}
	}
}

// What the application answered last is told, masked, and a look that hangs
// does not end the others.
func TestAckHTTPErrors(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var n atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1:
			<-r.Context().Done()
			return
		case 4:
			cancel(errNewer)
		}
		_, _ = io.WriteString(w, `{"digest": "sha256:00", "pw": "`+canary+`"}`)
	})
	a := &AckHTTP{URL: url + "/x?pw=" + canary, Look: time.Second, Interval: 10 * time.Millisecond, Mask: hide}
	err := a.Wait(ctx, generation())
	if !errors.Is(err, errNewer) || n.Load() != 4 {
		t.Errorf("%d looks, %v", n.Load(), err)
	}
	for _, want := range []string{"ack from " + url + "/x?pw=...: no confirmation of sha256:000", `another digest, or none: {"digest": "sha256:00", "pw": "***"}`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

// What no waiting can mend is told at once.
func TestAckMistakes(t *testing.T) {
	for _, a := range []Acker{
		&AckHTTP{URL: "ftp://" + canary},
		&AckHTTP{URL: "http://127.0.0.1:1/", Destination: "/etc/z"},
		&AckFile{Path: "/x", Destination: "/etc/z"},
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errNewer)
		if err := a.Wait(ctx, generation()); err == nil || errors.Is(err, errNewer) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", a, err)
		}
		cancel()
	}
}

func TestAckFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest")
	synctest.Test(t, func(t *testing.T) {
		g := generation()
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Error(err)
			}
		}
		go func() {
			for _, text := range []string{"", g.Files[0].Digest, g.Digest + strings.Repeat("\n", maxKept), `{"next": "` + g.Digest + `"`, g.Digest} {
				time.Sleep(10 * time.Second)
				write(text)
			}
		}()
		start := time.Now()
		err := (&AckFile{Path: path, Interval: 3 * time.Second}).Wait(t.Context(), g)
		if d := time.Since(start); err != nil || d != 51*time.Second {
			t.Errorf("%v after %s", err, d)
		}
	})
}

func TestAckFileErrors(t *testing.T) {
	dir := t.TempDir()
	text, fifo := filepath.Join(dir, "text"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(text, []byte("other\n"+canary), 0o600), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for path, want := range map[string]string{
			filepath.Join(dir, "none"): "(60 looks); at last: the file is not there",
			fifo:                       "at last: it is not a regular file",
			dir:                        "at last: it is not a regular file",
			text:                       "at last: another digest, or none: other ***",
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute-time.Millisecond, errNewer)
			err := (&AckFile{Path: path, Interval: time.Second, Mask: hide}).Wait(ctx, generation())
			if !errors.Is(err, errNewer) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			cancel()
		}
	})
}

func TestAckCommand(t *testing.T) {
	dir := t.TempDir()
	count := filepath.Join(dir, "count")
	a := &AckCommand{
		Argv:     []string{"echo >> " + count + "; [ $(wc -l < " + count + ") -ge 3 ] && [ $VAULT_RENDERER_GENERATION = 7 ]"},
		Interval: time.Millisecond,
	}
	if err := a.Wait(t.Context(), generation()); err != nil || content(t, count) != "\n\n\n" {
		t.Errorf("%q, %v", content(t, count), err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, errNewer)
	defer cancel()
	a = &AckCommand{Argv: []string{"sh", "-c", "echo 1; echo pw=" + canary + "; exit 9", canary}, Interval: time.Millisecond, Mask: hide}
	err := a.Wait(ctx, generation())
	if !errors.Is(err, errNewer) || !strings.HasPrefix(err.Error(), "ack command sh: no confirmation of generation 7 within ") ||
		!strings.HasSuffix(err.Error(), "; at last: exit status 9: pw=***") {
		t.Errorf("%v", err)
	}
}

// A look that hangs is killed with its children, at its own limit or at the end.
func TestAckCommandHangs(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	hang := []string{"sleep 100 & echo $! >> " + pid + "; wait"}
	for limit, want := range map[time.Duration]string{
		500 * time.Millisecond: "at last: still running after 500ms: killed",
		0:                      "at last: nothing yet",
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 1100*time.Millisecond, errNewer)
		start := time.Now()
		err := (&AckCommand{Argv: hang, Look: limit, Mask: hide}).Wait(ctx, generation())
		if !errors.Is(err, errNewer) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("took %s", d)
		}
		ended(t, pid)
		cancel()
	}
}
