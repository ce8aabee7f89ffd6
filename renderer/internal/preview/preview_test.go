package preview

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	for _, c := range []struct{ name, before, after, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"new file", "", "a\n", "--- x\n+++ y\n@@ -0,0 +1 @@\n+a\n"},
		{"emptied", "a\nb\n", "", "--- x\n+++ y\n@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- x\n+++ y\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"line break at the end", "a", "a\n", "--- x\n+++ y\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{
			"two places", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "one\n2\n3\n4\n5\n6\n7\n8\n9\nten\n",
			"--- x\n+++ y\n@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n@@ -7,4 +7,4 @@\n 7\n 8\n 9\n-10\n+ten\n",
		},
	} {
		if got := Unified("x", "y", c.before, c.after); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// A diff says what the texts are, whatever they are.
func TestDiffHoldsBothTexts(t *testing.T) {
	text := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", ""}), 0, 40)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		var before, after []string
		for _, e := range edits(a, b) {
			if e.op != '+' {
				before = append(before, e.text)
			}
			if e.op != '-' {
				after = append(after, e.text)
			}
		}
		if fmt.Sprint(before) != fmt.Sprint(a) || fmt.Sprint(after) != fmt.Sprint(b) {
			t.Fatalf("%q and %q gave %q and %q", a, b, before, after)
		}
	})
}

// The program patch makes one text of the other with it.
func TestPatchAppliesIt(t *testing.T) {
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Log("there is no patch on this host: the property above stands alone")
		return
	}
	before, after := strings.Repeat("same\n", 20)+"old\n"+strings.Repeat("more\n", 20), strings.Repeat("same\n", 18)+"new\n"+strings.Repeat("more\n", 20)+"end"
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), patch, "-s", file)
	cmd.Stdin = strings.NewReader(Unified("x", "x", before, after))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, _ := os.ReadFile(file); string(got) != after {
		t.Errorf("got %q", got)
	}
}

// Texts that have little in common are taken as replaced.
func TestManyChanges(t *testing.T) {
	var before, after strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&before, "a%d\n", i)
		fmt.Fprintf(&after, "b%d\n", i)
	}
	if got := Unified("x", "y", before.String(), after.String()); !strings.Contains(got, "@@ -1,3000 +1,3000 @@") {
		t.Errorf("%.200s", got)
	}
}

const secretText = "canary-Pass/w%rd+\"1' \\ \n&<ü>"

// No encoding that is in use shows a value.
func TestHideEncodings(t *testing.T) {
	m := NewMask("password = user")
	m.Add(map[string]any{"data": map[string]any{"list": []any{secretText}}})
	asJSON, _ := json.Marshal(secretText)
	for name, text := range map[string]string{
		"plain":     secretText,
		"trimmed":   strings.TrimSpace(secretText),
		"json":      string(asJSON),
		"quoted":    fmt.Sprintf("%q", secretText),
		"base64":    base64.StdEncoding.EncodeToString([]byte(secretText)),
		"base64URL": base64.RawURLEncoding.EncodeToString([]byte(secretText)),
		"query":     url.QueryEscape(secretText),
		"path":      url.PathEscape(secretText),
		"upper":     strings.ToUpper(secretText),
		"cut":       secretText[:8],
		"joined":    "user:" + secretText,
		"signs":     base64.StdEncoding.EncodeToString([]byte("a?>" + secretText)),
		"basic":     base64.StdEncoding.EncodeToString([]byte("user:" + secretText)),
		"indented":  strings.ReplaceAll(secretText, "\n", "\n    "),
	} {
		got := m.Hide("password = " + text)
		for _, part := range []string{"canary", "CANARY", "w%rd", "Y2FuYXJ5", "Pass"} {
			if strings.Contains(got, part) {
				t.Errorf("%s: %q", name, got)
			}
		}
		if !strings.HasPrefix(got, "password = ") || !strings.Contains(got, marker) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What a value holds inside is hidden as well.
func TestHideWhatIsInside(t *testing.T) {
	m := NewMask()
	m.Add(`{"user": "app-user", "pin": "canary-inner"}`)
	m.Add(base64.StdEncoding.EncodeToString([]byte("canary-decoded")))
	m.Add(json.Number("4711"))
	m.Add("x")
	if got := m.Hide("a canary-inner canary-decoded 4711 x xy 815"); got != "a •••1 •••2 •••3 •••4 xy 815" {
		t.Errorf("%q", got)
	}
}

// Of a file with older values only words are shown that are no secret.
func TestHideOld(t *testing.T) {
	m := NewMask(`[db]` + "\n" + `url = mysql://{{ .user }}@db/notes # the notes`)
	m.Add("canary-new")
	now := "url = mysql://app:canary-new@db/notes port 3306\n"
	for text, want := range map[string]string{
		"url = mysql://app:canary-old@db/notes port 3306\n": "url = mysql://app:•••2@db/notes port 3306\n",
		"url = mysql://app:canary-new@db/notes port 3306\n": "url = mysql://app:•••1@db/notes port 3306\n",
		"$$canary#old!!\n": "•••3\n",
		"canary old\n":     "•••4 •••5\n",
	} {
		got := m.HideOld(text, now)
		if markers().ReplaceAllString(got, marker) != markers().ReplaceAllString(want, marker) { // maps have no order
			t.Errorf("%q: %q", text, got)
		}
	}
	if m.HideOld(now, now) != m.Hide(now) {
		t.Errorf("the same text differs: %q %q", m.HideOld(now, now), m.Hide(now))
	}
}

// The marker of a value stays, and another value has another.
func TestMarkersAreStable(t *testing.T) {
	m := NewMask()
	m.Add([]any{"canary-one", "canary-two"})
	if got := m.Hide("canary-two canary-one canary-two"); got != "•••1 •••2 •••1" {
		t.Errorf("%q", got)
	}
	if got := m.Hide("canary-one"); got != "•••2" {
		t.Errorf("%q", got)
	}
}

// A value too large to be looked for hides everything.
func TestHugeValue(t *testing.T) {
	m := NewMask("public")
	m.Add(strings.Repeat("canary-", maxLen))
	if got := m.Hide("public text"); got != "•••1\n" {
		t.Errorf("%q", got)
	}
}

func TestPrintable(t *testing.T) {
	if got := Printable("a\tb\r\n\x1b[2Jü"); got != "a\tb<0d>\n<1b>[2Jü" {
		t.Errorf("%q", got)
	}
}

// Whatever stood in the file, no part of it is shown that is not public.
func TestHideOldNeverShowsAValue(t *testing.T) {
	const text = "[db]\nuser = app\npassword = {{ .password }}\nurl = mysql://app@db/x?p=\n"
	rapid.Check(t, func(t *rapid.T) {
		old := rapid.StringMatching(`[A-Za-z0-9#%$!/+=@:;,.\\"' _-]{8,40}`).Draw(t, "old")
		m := NewMask(text)
		m.Add("canary-new")
		now := "[db]\nuser = app\npassword = canary-new\nurl = mysql://app@db/x?p=canary-new\n"
		got := m.HideOld(strings.ReplaceAll(now, "canary-new", old), now)
		for _, w := range wordRuns().FindAllString(old, -1) {
			if len(w) > 1 && !m.public[w] && strings.Contains(markers().ReplaceAllString(got, ""), w) && !strings.Contains(text, w) {
				t.Fatalf("%q of %q is shown: %q", w, old, got)
			}
		}
	})
}
