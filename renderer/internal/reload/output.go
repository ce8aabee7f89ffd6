package reload

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxKept is how much of a command's output or of an answer is looked at.
	// It is more than is shown, so that the mask sees secrets whole.
	maxKept  = 64 << 10
	maxShown = 8 << 10 // bytes of output that an error carries
	maxLine  = 240     // bytes of it inside a line
)

// tail keeps the last maxKept bytes that are written to it. It takes whatever
// comes, without waiting and without growing.
type tail struct {
	buf []byte
	cut bool // the beginning is gone
}

// Write implements io.Writer; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > maxKept {
		p, t.cut = p[n-maxKept:], true
	}
	if len(t.buf)+len(p) > 2*maxKept { // not at every write
		t.trim()
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

func (t *tail) trim() {
	if over := len(t.buf) - maxKept; over > 0 {
		t.buf, t.cut = t.buf[:copy(t.buf, t.buf[over:])], true
	}
}

// shown is the end of what was written, for people. whole is false when the
// writer was stopped in the middle.
func (t *tail) shown(mask func(string) string, whole bool) string {
	t.trim()
	return lastLines(masked(mask, string(t.buf), t.cut, !whole))
}

// masked is text as it may be shown. Nothing is without a mask: nobody knows
// then which parts are secrets. A line that is cut at the beginning or the end
// is left out: of a half secret the mask may know nothing.
func masked(mask func(string) string, text string, cutBefore, cutAfter bool) string {
	if mask == nil {
		return ""
	}
	size := len(text)
	if cutBefore {
		_, text, _ = strings.Cut(text, "\n")
	}
	if cutAfter {
		text = text[:strings.LastIndexByte(text, '\n')+1]
	}
	if text == "" && size > 0 {
		return fmt.Sprintf("(%d bytes without a whole line are not shown)", size)
	}
	return printable(mask(text))
}

// printable replaces what could steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || r == utf8.RuneError) {
			return '\uFFFD'
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// lastLines is the end of a text, in whole lines where there are any.
func lastLines(text string) string {
	text = strings.TrimSpace(text)
	if len(text) <= maxShown {
		return text
	}
	text = text[len(text)-maxShown:]
	if _, after, ok := strings.Cut(text, "\n"); ok {
		return after
	}
	return strings.ToValidUTF8(text, "")
}

// excerpt is the beginning of a masked text in one line, for inside an error.
func excerpt(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	if len(words) > maxLine {
		return strings.ToValidUTF8(words[:maxLine], "") + "..."
	}
	return words
}

// lastLine is the last line of a masked text, for inside an error.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return excerpt(text[strings.LastIndexByte(text, '\n')+1:])
}
