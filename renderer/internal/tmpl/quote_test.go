package tmpl

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"github.com/joho/godotenv"
	"github.com/magiconair/properties"
	"gopkg.in/ini.v1"
	yaml2 "gopkg.in/yaml.v2"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// nasty makes values of everything that has ever meant something to a reader.
func nasty() *rapid.Generator[string] {
	pieces := []string{
		"#", ";", "%", "%%", "%(user)s", "=", "'", `"`, `"""`, "`", `\`, `\\`, `\n`, `\u0041`, "\n", "\r", "\t", " ", "  ", "$", "$$",
		"${HOME}", "$(id)", "{", "}", ":", "@", "/", "?", "&", "&amp;", "<", ">", "]]>", "!", "|", "~", "*", "[", "]", "(", ")", ",", "^",
		"-", "+", ".", "a", "n", "s", "0", "x41", "canary", "é", "日本", "😀", "\u00a0", "\u0085", "\u2028", "\ufeff", "\uffff", "\U0010ffff",
		"\x00", "\x01", "\b", "\x1b", "\x1f", "\x7f", "\xff", "\xc3",
	}
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			return rapid.String().Draw(t, "text")
		}
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 9).Draw(t, "pieces"), "")
	})
}

// format is one function and one reader of what it writes.
type format struct {
	name    string
	write   func(string) (string, error)
	read    func(string) (string, error)
	refused func(string) bool // exactly what the function must refuse
}

func quote(f func(any) (string, error)) func(string) (string, error) {
	return func(s string) (string, error) { return f(s) }
}

func iniFor(reader string) func(string) (string, error) {
	return func(s string) (string, error) { return iniQuote(reader, s) }
}

func noText(s string) bool { return !utf8.ValidString(s) }
func nul(s string) bool    { return strings.Contains(s, "\x00") }

func hasControl(s, allowed string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return (r < ' ' || r == 0x7f) && !strings.ContainsRune(allowed, r) })
}

func noLine(s string) bool { return noText(s) || hasControl(s, "\t") || strings.TrimSpace(s) != s }

func noIniV1(s string) bool {
	return noText(s) || nul(s) || iniReference.MatchString(s) ||
		strings.Contains(s, "\n") && strings.Contains(s, "`") && strings.Contains(s, `"""`)
}

func formats() []format {
	return []format{
		{"iniQuote/literal options", iniFor(iniLiteral), iniLiterally, noLine},
		{"iniQuote/configparser", iniFor(iniPython), configparserModel, noLine},
		{"iniQuote/ini.v1 defaults", iniFor(iniV1), readINI(ini.LoadOptions{}, (*ini.Key).String), noIniV1},
		{"iniQuote/ini.v1 webapp's options", iniFor(iniV1), readINI(literalOptions(), (*ini.Key).Value), noIniV1},
		{"iniQuote/ini.v1 Python's lines", iniFor(iniV1), readINI(ini.LoadOptions{AllowPythonMultilineValues: true, UnescapeValueDoubleQuotes: true, UnescapeValueCommentSymbols: true, SpaceBeforeInlineComment: true}, (*ini.Key).String), noIniV1},
		{"mycnfQuote", quote(mycnfQuote), mycnfModel, nul},
		{"envQuote/systemd", quote(envQuote), systemdModel, func(s string) bool { return noText(s) || hasControl(s, "\t\n") }},
		{"dockerEnv", quote(dockerEnv), dockerModel, func(s string) bool { return noText(s) || strings.ContainsAny(s, "\x00\r\n") }},
		{"propertiesQuote", quote(propertiesQuote), javaModel, noText},
		{"propertiesQuote/magiconair", quote(propertiesQuote), readProperties, noText},
		{"jsonQuote", quote(jsonQuote), readJSON, noText},
		{"yamlQuote/v3", quote(yamlQuote), readYAML(yaml.Unmarshal), noText},
		{"yamlQuote/v2", quote(yamlQuote), readYAML(yaml2.Unmarshal), noText},
		{"tomlQuote", quote(tomlQuote), readTOML, noText},
		{"xmlEscape", quote(xmlEscape), readXML, func(s string) bool {
			return noText(s) || strings.ContainsFunc(s, func(r rune) bool {
				return r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0xfffe || r == 0xffff
			})
		}},
		{"haproxyQuote", quote(haproxyQuote), haproxyModel, func(s string) bool { return s == "" || nul(s) }},
		{"nginxQuote", quote(nginxQuote), nginxModel, func(s string) bool { return strings.ContainsAny(s, "\x00$") }},
	}
}

// trip takes a value through one format. The word in front shows whether an
// error tells the value.
func (f format) trip(s string) error {
	written, err := f.write(s)
	switch {
	case err == nil && f.refused(s):
		return fmt.Errorf("%s: %q is not refused, but written as %q", f.name, s, written)
	case err != nil && !f.refused(s):
		return fmt.Errorf("%s: %q is refused: %w", f.name, s, err)
	case err != nil:
		if _, told := f.write(s + "\x00canary-x\n$\xff"); told != nil && strings.Contains(told.Error(), "canary") {
			return fmt.Errorf("%s: the error tells the value: %w", f.name, told)
		}
		return nil
	}
	back, err := f.read(written)
	if err != nil || back != s {
		return fmt.Errorf("%s: %q is written as %q and read as %q (%w)", f.name, s, written, back, err)
	}
	return nil
}

func TestQuotingRoundTrips(t *testing.T) {
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				if err := f.trip(nasty().Draw(t, "value")); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func FuzzQuoting(f *testing.F) {
	for _, seed := range []string{"", "a#b;c", `p%w"'\`, "${HOME}`id`", " x ", "a\nb", "日本\u2028", "`\n\"\"\"", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1000 {
			return // the formats with limits have tests of their own
		}
		for _, f := range formats() {
			if err := f.trip(s); err != nil {
				t.Error(err)
			}
		}
	})
}

func literalOptions() ini.LoadOptions {
	return ini.LoadOptions{IgnoreInlineComment: true, IgnoreContinuation: true, PreserveSurroundedQuote: true, InsensitiveKeys: true}
}

func readINI(o ini.LoadOptions, value func(*ini.Key) string) func(string) (string, error) {
	return func(written string) (string, error) {
		file, err := ini.LoadSources(o, []byte("[s]\nuser = root\nk = "+written+"\nlast = end\n"))
		if err != nil {
			return "", err
		}
		if s := file.Section("s"); s.Key("last").Value() != "end" || len(s.Keys()) != 3 {
			return "", errors.New("the next line is lost")
		}
		return value(file.Section("s").Key("k")), nil
	}
}

// iniLiterally keeps the two quotes from ini.v1 that no option turns off, as
// the webapp does.
func iniLiterally(written string) (string, error) {
	s, err := readINI(literalOptions(), (*ini.Key).Value)("\x01" + written)
	return strings.TrimPrefix(s, "\x01"), err
}

func readProperties(written string) (string, error) {
	l := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	p, err := l.LoadBytes([]byte("k = " + written + "\nlast = end\n"))
	if err != nil {
		return "", err
	}
	if p.GetString("last", "") != "end" || p.Len() != 2 {
		return "", errors.New("the next line is lost")
	}
	if s, err := javaModel(written); strings.ContainsFunc(s, func(r rune) bool { return r > 0xffff }) {
		return s, err // the library knows no surrogates, Java knows nothing else
	}
	return p.GetString("k", "?"), nil
}

func readJSON(written string) (s string, err error) {
	return s, json.Unmarshal([]byte(written), &s)
}

func readYAML(unmarshal func([]byte, any) error) func(string) (string, error) {
	return func(written string) (string, error) {
		var v struct {
			K    []string
			Last string
		}
		err := unmarshal([]byte("k:\n  - "+written+" # comment\nlast: end\n"), &v)
		if err != nil || len(v.K) != 1 || v.Last != "end" {
			return "", fmt.Errorf("%w %v", err, v)
		}
		return v.K[0], nil
	}
}

func readTOML(written string) (string, error) {
	var v struct{ K, Last string }
	_, err := toml.Decode("k = "+written+" # comment\nlast = 'end'\n", &v)
	if err == nil && v.Last != "end" {
		err = errors.New("the next line is lost")
	}
	return v.K, err
}

func readXML(written string) (string, error) {
	var v struct {
		A string `xml:"a,attr"`
		T string `xml:",chardata"`
	}
	if err := xml.Unmarshal([]byte(`<k a="`+written+`">`+written+`</k>`), &v); err != nil {
		return "", err
	}
	if v.A != v.T {
		return "", errors.New("attribute and text differ")
	}
	return v.T, nil
}

// shell gives each word as a POSIX shell understands it.
func shell(t *rapid.T, script string) []string {
	cmd := exec.Command("sh", "-eu")
	cmd.Stdin = strings.NewReader(script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s\n%q", err, stderr.Bytes(), script)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestShellReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(nasty().Filter(func(s string) bool { return !nul(s) }), 1, 40).Draw(t, "values")
		var script strings.Builder
		want := []string{}
		for i, s := range values {
			word, err := shellQuote(s)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&script, "printf '%%s\\0' %s\n", word)
			want = append(want, s)
			word, err = envQuote(s)
			if err != nil {
				continue // TestQuotingRoundTrips knows when
			}
			fmt.Fprintf(&script, "V%d=%s\nprintf '%%s\\0' \"$V%d\"\n", i, word, i)
			want = append(want, s)
		}
		if diff := cmp.Diff(want, shell(t, script.String())); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestDotenvReads: the libraries go their own ways with $ and quotes, but what
// is free of both passes them too.
func TestDotenvReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := nasty().Filter(func(s string) bool { return !strings.ContainsAny(s, `'\`) }).Draw(t, "value")
		word, err := envQuote(s)
		if err != nil {
			return
		}
		got, err := godotenv.Unmarshal("A=1\nK=" + word + "\nLAST=end\n")
		if err != nil || got["K"] != s || got["LAST"] != "end" {
			t.Errorf("%q is written as %q and read as %q: %v", s, word, got["K"], err)
		}
	})
}

// TestLimits: what a reader would cut is refused.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(any) (string, error)
		fits int
	}{
		{"mycnfQuote", mycnfQuote, 3800},
		{"dockerEnv", dockerEnv, 60 << 10},
		{"haproxyQuote", haproxyQuote, 1800},
		{"nginxQuote", nginxQuote, 3900},
		{"shellQuote", shellQuote, maxQuoted},
		{"jsonQuote", jsonQuote, maxQuoted},
	} {
		if _, err := c.f(strings.Repeat("a", c.fits)); err != nil {
			t.Errorf("%s refuses %d bytes: %v", c.name, c.fits, err)
		}
		if _, err := c.f(strings.Repeat("a", max(4*c.fits/3, c.fits+200))); err == nil {
			t.Errorf("%s takes more", c.name)
		}
	}
}

// TestValues: what may be quoted besides texts.
func TestValues(t *testing.T) {
	type named string
	for _, c := range []struct {
		v    any
		want string // "" = refused
	}{
		{json.Number("12345678901234567890"), "12345678901234567890"},
		{named("n"), "n"},
		{[]byte("b"), "b"},
		{true, "true"},
		{-7, "-7"},
		{uint8(7), "7"},
		{1e21, "1000000000000000000000"},
		{float32(0.1), "0.1"},
		{nil, ""},
		{map[string]any{"canary": 1}, ""},
		{[]string{"canary"}, ""},
		{errors.New("canary"), ""},
		{bytes.NewBufferString("canary"), ""},
	} {
		got, err := shellQuote(c.v)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%T: %q, %v", c.v, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error tells the value: %v", err)
		}
	}
}

// The models below are of readers that are no Go library. They were held to
// the programs themselves (Python 3.11, HAProxy 2.6, nginx 1.22, MariaDB 10.11)
// when they were written; those of systemd, docker and Java to what their
// manuals say.

// configparserModel is Python's ConfigParser with its default interpolation.
func configparserModel(written string) (string, error) {
	for _, r := range written {
		if r == '\n' || r == '\r' {
			return "", errors.New("another line")
		}
	}
	space := func(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }
	var b strings.Builder
	for rest := strings.TrimFunc(written, space); rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		if !strings.HasPrefix(after, "%") {
			return "", errors.New("'%' must be followed by '%' or '('")
		}
		b.WriteByte('%')
		rest = after[1:]
	}
	return b.String(), nil
}

// javaModel is a value as java.util.Properties loads it.
func javaModel(written string) (string, error) {
	var units []uint16
	s := strings.TrimLeft(written, " \t\f=:")
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] >= 0x7f || s[i] == '\n' || s[i] == '\r':
			return "", errors.New("not printable ASCII")
		case s[i] != '\\':
			units = append(units, uint16(s[i]))
			continue
		}
		if i++; i == len(s) {
			return "", errors.New("the next line is lost")
		}
		if s[i] == 'u' && i+4 < len(s) {
			u, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", err
			}
			units = append(units, uint16(u))
			i += 4
			continue
		}
		if at := strings.IndexByte("tnrf", s[i]); at >= 0 {
			units = append(units, uint16("\t\n\r\f"[at]))
			continue
		}
		units = append(units, uint16(s[i]))
	}
	return string(utf16.Decode(units)), nil
}

// mycnfModel is libmysqlclient's reader of option files.
func mycnfModel(written string) (string, error) {
	if strings.Contains(written, "\n") {
		return "", errors.New("another line")
	}
	var quote byte
	for i, escaped := 0, false; i < len(written); i++ { // what is behind # is a comment
		c := written[i]
		switch {
		case quote == 0 && c == '#':
			written = written[:i]
		case !escaped && (c == '"' || c == '\''):
			if quote == 0 {
				quote = c
			} else if quote == c {
				quote = 0
			}
		}
		escaped = quote != 0 && c == '\\' && !escaped
	}
	s := strings.Trim(written, " \t\n\v\f\r")
	if n := len(s); n > 1 && (s[0] == '"' || s[0] == '\'') && s[0] == s[n-1] {
		s = s[1 : n-1]
	}
	var b strings.Builder
	known := map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 's': " ", '"': `"`, '\'': "'", '\\': `\`}
	for i := 0; i < len(s); i++ {
		if out, ok := "", false; s[i] == '\\' && i+1 < len(s) {
			i++
			if out, ok = known[s[i]]; !ok {
				out = s[i-1 : i+1]
			}
			b.WriteString(out)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String(), nil
}

// systemdModel is EnvironmentFile=.
func systemdModel(written string) (string, error) {
	if !utf8.ValidString(written) {
		return "", errors.New("not UTF-8")
	}
	var b strings.Builder
	for rest := written; rest != ""; {
		c := rest[0]
		rest = rest[1:]
		if c != '"' && c != '\'' {
			if strings.IndexByte(" \t\r\n\\", c) >= 0 {
				return "", fmt.Errorf("%q outside quotes", c)
			}
			b.WriteByte(c)
			continue
		}
		for {
			if rest == "" {
				return "", errors.New("the quotes do not end")
			}
			if rest[0] == c {
				rest = rest[1:]
				break
			}
			if c == '"' && rest[0] == '\\' && len(rest) > 1 && strings.IndexByte("\"\\`$\n", rest[1]) >= 0 {
				rest = rest[1:]
				if rest[0] == '\n' {
					rest = rest[1:]
					continue
				}
			}
			b.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	if hasControl(b.String(), "\t\n") {
		return "", errors.New("ignoring invalid environment assignment")
	}
	return b.String(), nil
}

// dockerModel is `docker run --env-file`.
func dockerModel(written string) (string, error) {
	lines := strings.Split("K="+written+"\nLAST=end", "\n")
	if len(lines) != 2 || !utf8.ValidString(lines[0]) || len(lines[0]) >= 64<<10 {
		return "", errors.New("the next line is lost")
	}
	_, v, _ := strings.Cut(strings.TrimLeftFunc(strings.TrimSuffix(lines[0], "\r"), unicode.IsSpace), "=")
	return v, nil
}

// haproxyModel is one argument of a line.
func haproxyModel(written string) (string, error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(written); i++ {
		c := written[i]
		switch {
		case c == '\n':
			return "", errors.New("another line")
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == '\'':
			b.WriteByte(c)
		case quote == '"' && c == '$':
			return "", errors.New("a variable")
		case quote == 0 && strings.IndexByte(" \t#", c) >= 0:
			return "", errors.New("the argument ends")
		case c == '\\' && i+1 < len(written):
			i++
			switch e := written[i]; e {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case '\\', '"', '$', '\'', '#', ' ':
				b.WriteByte(e)
			default:
				return "", fmt.Errorf("escape %q", e)
			}
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", errors.New("unmatched quote")
	}
	return b.String(), nil
}

// nginxModel is one parameter in double quotes, variables included.
func nginxModel(written string) (string, error) {
	if n := len(written); n < 2 || written[0] != '"' || written[n-1] != '"' {
		return "", errors.New("no quotes")
	}
	s := written[1 : len(written)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' || s[i] == '$':
			return "", errors.New("the quotes end, or a variable begins: " + strconv.Itoa(i))
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`"'\trn`, s[i+1]) >= 0:
			i++
			b.WriteString(map[byte]string{'t': "\t", 'r': "\r", 'n': "\n"}[s[i]])
			if strings.IndexByte("trn", s[i]) < 0 {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
