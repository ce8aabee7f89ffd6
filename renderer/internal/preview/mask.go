package preview

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	marker = "•••"
	whole  = 4       // shorter values are hidden only where they stand alone
	piece  = 4       // so many letters of a value in a row give it away
	maxLen = 1 << 18 // of values that are looked for
)

// Mask hides values behind markers: •••1, •••2. The same text has the same
// marker as long as the Mask lives, and a marker says nothing about its text.
// A Mask is not for two goroutines at once.
type Mask struct {
	forms   map[string]bool // every text to hide
	pieces  map[string]bool // of the values, in small letters
	public  map[string]bool // words that are no secret
	numbers map[string]int
	re      *regexp.Regexp // finds the forms; nil = to be made
	blind   bool           // a value is too large to be looked for
}

// NewMask hides nothing yet. Words that stand in one of the public texts (the
// templates) are shown where they are not a value as a whole.
func NewMask(public ...string) *Mask {
	m := &Mask{forms: map[string]bool{}, pieces: map[string]bool{}, numbers: map[string]int{}}
	m.public = words(public...)
	return m
}

// Add hides a value: a text, a number, or all of them in a list or a map.
func (m *Mask) Add(value any) {
	m.re = nil
	switch v := value.(type) {
	case string:
		m.text(v, 0)
	case json.Number:
		m.forms[v.String()] = true
	case float64, int, int64:
		m.forms[fmt.Sprint(v)] = true
	case []string:
		for _, e := range v {
			m.Add(e)
		}
	case []any:
		for _, e := range v {
			m.Add(e)
		}
	case map[string]any:
		for _, e := range v {
			m.Add(e)
		}
	}
}

// text hides a text in every form in which a template may write it.
func (m *Mask) text(v string, depth int) {
	switch {
	case strings.TrimSpace(v) == "" || m.forms[v]:
		return
	case len(v) > maxLen:
		m.blind = true // nothing is shown then
		return
	}
	for _, f := range forms(v) {
		m.forms[f] = true
	}
	for line := range strings.Lines(v) {
		if line = strings.TrimSpace(line); len(line) >= 6 {
			m.forms[line] = true
		}
	}
	m.cut(v)
	if depth > 2 {
		return
	}
	for _, decoded := range decodings(v) {
		m.text(decoded, depth+1)
	}
	var inner any
	if s := strings.TrimSpace(v); (s[0] == '{' || s[0] == '[') && json.Unmarshal([]byte(s), &inner) == nil {
		m.Add(inner)
	}
}

// forms are the encodings of a value that people use.
func forms(v string) []string {
	out := []string{v, strings.TrimSpace(v), strings.ToUpper(v), strings.ToLower(v)}
	out = append(out, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v), template(v))
	for _, e := range encodings() {
		out = append(out, e.EncodeToString([]byte(v)))
	}
	return slices.DeleteFunc(append(out, quoted(v)...), func(f string) bool { return strings.TrimSpace(f) == "" })
}

// template is the escaping of text/template's html.
func template(v string) string { return strings.ReplaceAll(html.EscapeString(v), "&#34;", "&quot;") }

func quoted(v string) (out []string) {
	for _, escape := range []bool{true, false} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escape)
		if e.Encode(v) == nil {
			s := strings.TrimSpace(b.String())
			out = append(out, s[1:len(s)-1])
		}
	}
	q := fmt.Sprintf("%q", v)
	return append(out, q[1:len(q)-1], strings.ReplaceAll(v, "'", `'\''`), strings.ReplaceAll(v, "'", "''"))
}

func encodings() []*base64.Encoding {
	return []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding}
}

// decodings are the texts that v may be an encoding of.
func decodings(v string) (out []string) {
	v = strings.TrimSpace(v)
	if len(v) < 8 {
		return nil
	}
	for _, e := range encodings() {
		if raw, err := e.DecodeString(v); err == nil && utf8.Valid(raw) {
			out = append(out, string(raw))
		}
	}
	return out
}

// cut notes the pieces of a value.
func (m *Mask) cut(v string) {
	v = strings.ToLower(v)
	for i := 0; i+piece <= len(v); i++ {
		m.pieces[v[i:i+piece]] = true
	}
}

// Hide gives a text that a template made without the values.
func (m *Mask) Hide(text string) string {
	return m.hide(text, func(word string) bool { return m.public[word] || !m.derived(word) })
}

// HideOld gives the text that is in a file now, where the values may be older
// ones that nobody knows: nothing is shown but words of the public texts and of
// what the template makes now.
func (m *Mask) HideOld(text, now string) string {
	shown := words(markers().ReplaceAllString(m.Hide(now), " "))
	return m.hide(text, func(word string) bool { return m.public[word] || shown[word] })
}

// hide puts markers in the place of all values, and of words that may not be
// shown.
func (m *Mask) hide(text string, show func(string) bool) string {
	if m.blind {
		return m.mark(text) + "\n"
	}
	var out strings.Builder
	rest := 0
	for _, at := range m.find(text) {
		m.strip(&out, text[rest:at[0]], show)
		out.WriteString(m.mark(text[at[0]:at[1]]))
		rest = at[1]
	}
	m.strip(&out, text[rest:], show)
	return out.String()
}

// find gives the places of the values.
func (m *Mask) find(text string) [][]int {
	if len(m.forms) == 0 {
		return nil
	}
	if m.re == nil {
		sorted := make([]string, 0, len(m.forms))
		for f := range m.forms {
			sorted = append(sorted, f)
		}
		slices.SortFunc(sorted, func(a, b string) int { // the longest that fits
			return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
		})
		for i, f := range sorted {
			sorted[i] = alone(f)
		}
		m.re = regexp.MustCompile(strings.Join(sorted, "|"))
	}
	return m.re.FindAllStringIndex(text, -1)
}

// alone is the expression for a value; a short one must not be a part of a word.
func alone(v string) string {
	q := regexp.QuoteMeta(v)
	if len(v) >= whole {
		return q
	}
	if isWord(rune(v[0])) {
		q = `\b` + q
	}
	if isWord(rune(v[len(v)-1])) {
		q += `\b`
	}
	return q
}

func isWord(r rune) bool {
	return r == '_' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func (m *Mask) mark(text string) string {
	n := m.numbers[text]
	if n == 0 {
		n = len(m.numbers) + 1
		m.numbers[text] = n
	}
	return fmt.Sprintf("%s%d", marker, n)
}

// strip writes a text that holds no whole value: in each run without blanks,
// all from the first word that may not be shown to the last is hidden.
func (m *Mask) strip(out *strings.Builder, text string, show func(string) bool) {
	rest := 0
	for _, run := range runs().FindAllStringIndex(text, -1) {
		out.WriteString(text[rest:run[0]])
		rest = run[1]
		s := text[run[0]:run[1]]
		first, last := -1, -1
		for _, w := range wordRuns().FindAllStringIndex(s, -1) {
			if !show(s[w[0]:w[1]]) {
				if first < 0 {
					first = w[0]
				}
				last = w[1]
			}
		}
		for _, at := range m.encoded(s) {
			if first < 0 || at[0] < first {
				first = at[0]
			}
			last = max(last, at[1])
		}
		if first < 0 {
			out.WriteString(s)
			continue
		}
		first, last = widen(s, first, last)
		out.WriteString(s[:first] + m.mark(s[first:last]) + s[last:])
	}
	out.WriteString(text[rest:])
}

// Printable shows the control characters in a text, which could steer the
// terminal, instead of sending them there.
func Printable(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || r >= ' ' && !unicode.IsControl(r):
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, "<%02x>", r)
		}
	}
	return out.String()
}

// The patterns are compiled when a preview is made, not when the program starts.
func markers() *regexp.Regexp    { return regexp.MustCompile(marker + `\d+`) }
func base64Runs() *regexp.Regexp { return regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`) }
func runs() *regexp.Regexp       { return regexp.MustCompile(`\S+`) }
func wordRuns() *regexp.Regexp   { return regexp.MustCompile(`[\pL\pN_]+`) }

// widen takes signs beside a hidden place with it that no syntax puts there.
func widen(s string, first, last int) (int, int) {
	const syntax = "\"'`=:/@,;()[]{}<>&?"
	sign := func(b byte) bool {
		return !isWord(rune(b)) && b < utf8.RuneSelf && !strings.ContainsRune(syntax, rune(b))
	}
	for first > 0 && sign(s[first-1]) {
		first--
	}
	for last < len(s) && sign(s[last]) {
		last++
	}
	return first, last
}

// derived says whether a word was cut from a value.
func (m *Mask) derived(word string) bool {
	lower := strings.ToLower(word)
	for i := 0; i+piece <= len(lower); i++ {
		if m.pieces[lower[i:i+piece]] {
			return true
		}
	}
	return false
}

// encoded finds what holds a value together with something else in base64, such
// as the user and the password of basic authentication.
func (m *Mask) encoded(s string) (found [][]int) {
	for _, at := range base64Runs().FindAllStringIndex(s, -1) {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if raw, err := e.DecodeString(s[at[0]:at[1]]); err == nil && len(m.find(string(raw))) > 0 {
				found = append(found, at)
				break
			}
		}
	}
	return found
}

// words are all words of the texts.
func words(texts ...string) map[string]bool {
	out := map[string]bool{}
	for _, t := range texts {
		for _, w := range wordRuns().FindAllString(t, -1) {
			out[w] = true
		}
	}
	return out
}
