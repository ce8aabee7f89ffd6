package reload

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The tail is the end of what was written, however it was cut into writes, and
// no larger than it may be.
func TestTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 3*maxKept/2), rapid.Just(20*maxKept)), 0, 12).Draw(t, "sizes")
		var all strings.Builder
		var kept tail
		for i, size := range sizes {
			part := strings.Repeat(fmt.Sprintf("%d,", i), size)[:size]
			all.WriteString(part)
			if n, err := kept.Write([]byte(part)); n != size || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			if cap(kept.buf) > 4*maxKept {
				t.Fatalf("it has grown to %d", cap(kept.buf))
			}
		}
		kept.trim()
		want := all.String()
		want = want[max(0, len(want)-maxKept):]
		if string(kept.buf) != want || kept.cut != (all.Len() > maxKept) {
			t.Fatalf("%d bytes, cut %v, of %d", len(kept.buf), kept.cut, all.Len())
		}
	})
}

// No piece of a secret is shown, wherever the output begins and ends.
func TestShownHoldsNoPiece(t *testing.T) {
	line := "user=app password=" + canary + " end\n"
	text := strings.Repeat(line, 3*maxKept/len(line))
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		until := rapid.IntRange(from, len(text)).Draw(t, "until")
		var kept tail
		_, _ = kept.Write([]byte(text[:from]))
		_, _ = kept.Write([]byte(text[from:until]))
		whole := rapid.Bool().Draw(t, "whole") && (until == 0 || text[until-1] == '\n')
		got := kept.shown(hide, whole)
		if len(got) > maxShown {
			t.Fatalf("%d bytes", len(got))
		}
		for _, piece := range []string{"can", "012", "789"} {
			if strings.Contains(got, piece) {
				t.Fatalf("%q in %.80q...", piece, got)
			}
		}
		if until > 2*len(line) && !strings.HasSuffix(got, "password=*** end") {
			t.Fatalf("it ends with %q", got[max(0, len(got)-50):])
		}
	})
}

func TestMasked(t *testing.T) {
	for _, c := range []struct {
		text          string
		before, after bool
		want          string
	}{
		{"a\nb\nc", false, false, "a\nb\nc"},
		{"a\nb\nc", true, false, "b\nc"},
		{"a\nb\nc", false, true, "a\nb\n"},
		{"a\nb\nc", true, true, "b\n"},
		{"abc", true, false, "(3 bytes without a whole line are not shown)"},
		{"abc", false, true, "(3 bytes without a whole line are not shown)"},
		{"", true, true, ""},
		{"x" + canary + "\x00\xff\ty\r\n", false, false, "x***\uFFFD\uFFFD\ty\n"},
	} {
		if got := masked(hide, c.text, c.before, c.after); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
		if got := masked(nil, c.text, c.before, c.after); got != "" {
			t.Errorf("without a mask: %q", got)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("é", maxShown)
	if got := lastLines("a\n" + long); len(got) > maxShown || strings.Trim(got, "é") != "" || got == "" {
		t.Errorf("%d bytes", len(got))
	}
	if got := lastLines(long + "\nb\n c \n\n"); got != "b\n c" {
		t.Errorf("%.50q", got)
	}
	if got := excerpt(" {\n  \"a\": 1\n}\n"); got != `{ "a": 1 }` {
		t.Errorf("%q", got)
	}
	if got := excerpt(long); len(got) > maxLine+3 || strings.Trim(got, "é") != "..." {
		t.Errorf("%q", got)
	}
	for text, want := range map[string]string{"": "", "\n": "", "a": "a", "a\nb  c\n\n": "b c"} {
		if got := lastLine(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
