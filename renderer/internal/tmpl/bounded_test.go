package tmpl

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// No template runs for ever, eats the host, or ends the program.
func TestBounded(t *testing.T) {
	list := `{{ $l := sprig_until 1000000 }}`
	for _, c := range []struct{ name, text, want string }{
		{"output", `{{ range loop 1000000 }}0123456789{{ end }}`, "larger than allowed"},
		{"doubling print", `{{ $x := "0123456789" }}{{ range loop 1000 }}{{ $x = print $x $x }}{{ end }}`, "larger than allowed"},
		{"doubling printf", `{{ $x := "0123456789" }}{{ range loop 1000 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`, "larger than allowed"},
		{"doubling join", `{{ $x := "0123456789" }}{{ range loop 1000 }}{{ $x = join $x (split "," "a,b,c") }}{{ end }}`, "larger than allowed"},
		{"doubling sprig", `{{ $x := "0123456789" }}{{ range loop 1000 }}{{ $x = sprig_cat $x $x }}{{ end }}`, "larger than allowed"},
		{"doubling list", `{{ $x := sprig_list 1 2 }}{{ range loop 1000 }}{{ $x = sprig_concat $x $x }}{{ end }}`, "than"},
		{"replace", `{{ $x := "aaaaaaaaaa" }}{{ range loop 1000 }}{{ $x = replaceAll "a" "aaaaaaaaaa" $x }}{{ end }}`, "larger than allowed"},
		{"regex", `{{ $x := "aaaaaaaaaa" }}{{ range loop 1000 }}{{ $x = regexReplaceAll "a" "aa" $x }}{{ end }}`, "larger than allowed"},
		{"indent", `{{ indent 1000000000 "x" }}`, "larger than allowed"},
		{"repeat", `{{ sprig_repeat 1000000000000 "x" }}`, "larger than allowed"},
		{"nindent", `{{ sprig_nindent 1000000000 "x" }}`, "larger than allowed"},
		{"until", `{{ sprig_until -1000000000 }}`, "more than 1048576 elements"},
		{"untilStep", `{{ sprig_untilStep 0 1000000000 1 }}`, "more than 1048576 elements"},
		{"seq", `{{ sprig_seq 1 2 1000000000 }}`, "more than 1048576 elements"},
		{"loop", `{{ range loop 1000000000 }}{{ end }}`, "more than 1048576 elements"},
		{"widest loop", `{{ range loop -9223372036854775808 9223372036854775807 }}{{ end }}`, "more than 1048576 elements"},
		{"side file", `{{ range loop 1000 }}{{ sprig_repeat 5000 "x" | writeToFile "f" "" "" "0600" }}{{ end }}`, "larger than allowed"},
		{"silent loops", list + `{{ range $l }}{{ range $l }}{{ end }}{{ end }}`, "ran longer than allowed"},
		{"silent number", `{{ range 1000000000000 }}{{ end }}`, "ran longer than allowed"},
		{"silent assignment", `{{ $x := 0 }}{{ range 1000000000000 }}{{ $x = 1 }}{{ end }}`, "ran longer than allowed"},
		{"silent continue", `{{ range 1000000000000 }}{{ if true }}{{ continue }}{{ end }}x{{ end }}`, "ran longer than allowed"},
		{"empty prints", `{{ range 1000000000000 }}{{ "" }}{{ end }}`, "ran longer than allowed"},
		{"calls without end", `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`, "deep"},
		{"in a circle", `{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ if true }}{{ template "a" }}{{ end }}{{ end }}{{ template "a" }}`, "deep"},
		{"by the root", `x{{ template "" }}`, "deep"},
		{"executeTemplate", `{{ define "a" }}{{ executeTemplate "a" }}{{ end }}{{ executeTemplate "a" }}`, "deep"},
		{"both", `{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ executeTemplate "a" }}{{ end }}{{ template "a" }}`, "deep"},
		{"doubling calls", doublingCalls(60), "ran longer than allowed"},
		{"doubling executions", `{{ define "a" }}{{ if lt . 60 }}{{ $x := executeTemplate "a" (add 1 .) }}{{ $x = executeTemplate "a" (add 1 .) }}{{ end }}{{ end }}{{ executeTemplate "a" 0 }}`, "ran longer than allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := Spec{Name: "t", Text: c.text, MaxOutput: 1 << 20, MaxDuration: time.Minute}
			if strings.Contains(c.want, "longer") {
				spec.MaxDuration = 300 * time.Millisecond
			}
			tm, err := Parse(spec)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = tm.Execute(view{})
			var te *Error
			if !errors.As(err, &te) || !strings.Contains(te.Detail, c.want) {
				t.Errorf("%v (%#v), want %q", err, te, c.want)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// doublingCalls is a chain of n templates, each of which calls the next twice:
// nothing is printed, nothing calls itself, and it would take for ever.
func doublingCalls(n int) string {
	var b strings.Builder
	name := func(i int) string { return "t" + strings.Repeat("x", i) }
	for i := range n {
		call := `{{ template "` + name(i+1) + `" }}`
		b.WriteString(`{{ define "` + name(i) + `" }}` + call + call + `{{ end }}`)
	}
	return b.String() + `{{ define "` + name(n) + `" }}{{ end }}{{ template "t" }}`
}

// A runaway recursion costs little memory, and one that ends is none.
func TestRecursionIsCheap(t *testing.T) {
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tm, err := Parse(Spec{Name: "t", Text: `{{ define "a" }}{{ if . }}{{ with . }}{{ template "a" . }}{{ end }}{{ end }}{{ end }}{{ template "a" 1 }}`})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Execute(view{}); err == nil {
		t.Error("no error")
	}
	runtime.ReadMemStats(&after)
	if grown := after.Sys - before.Sys; after.Sys > before.Sys && grown > 128<<20 {
		t.Errorf("%d MiB", grown>>20)
	}
	deep := `{{ define "a" }}{{ if gt . 0 }}{{ template "a" (subtract 1 .) }}{{ else }}bottom{{ end }}{{ end }}{{ template "a" 9000 }}`
	if tm, err = Parse(Spec{Name: "t", Text: deep}); err != nil {
		t.Fatal(err)
	}
	if res, err := tm.Execute(view{}); err != nil || string(res.Content) != "bottom" {
		t.Errorf("%q, %v", res.Content, err)
	}
}

// The guards don't show.
func TestGuardsPrintNothing(t *testing.T) {
	text := `{{ define "a" }}{{ range . }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ $x := . }}{{ $x }},{{ end }}{{ template "b" }}{{ end }}{{ define "b" }}B{{ end }}{{ template "a" (sprig_list 1 2 3) }}`
	tm, err := Parse(Spec{Name: "t", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if res, err := tm.Execute(view{}); err != nil || string(res.Content) != "1,3,B" {
			t.Errorf("%q, %v", res.Content, err)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abc", true},
		{"a*b*c", "axbxc", true},
		{"a*b", "axbx", false},
		{"*b*", "abc", true},
		{"abc", "abcd", false},
		{"a**c", "ac", true},
		{"aa*aa", "aaa", false},
		{"?", "a", false},
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("%q %q: %v", c.pattern, c.s, got)
		}
	}
}
