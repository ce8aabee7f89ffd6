package reload

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestConfirms(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	digest, other := "sha256:"+sum, "sha256:"+strings.Repeat("1b", 32)
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"plain", digest, true},
		{"plain, another", other, false},
		{"hex only", sum + "\n", true},
		{"capitals", strings.ToUpper(sum), true},
		{"in a text", "generation 7 uses " + digest + ".", true},
		{"a part of it", sum[:63], false},
		{"nothing", "", false},
		{"key", `{"digest": "` + digest + `"}`, true},
		{"key, hex only", `{"digest": "` + sum + `"}`, true},
		{"key, another", `{"digest": "` + other + `", "next": "` + digest + `"}`, false},
		{"key, empty, as webapp's", "{\n  \"digest\": \"\",\n  \"next\": \"" + digest + "\"\n}\n", false},
		{"key, null", `{"digest": null, "next": "` + digest + `"}`, false},
		{"key, a list", `{"digest": ["` + other + `", "` + digest + `"]}`, true},
		{"mark of the byte order", "\ufeff" + `{"digest": "", "next": "` + digest + `"}`, false},
		{"two objects", `{"digest": ""}` + "\n" + `{"next": "` + digest + `"}`, false},
		{"other object", `{"config": {"hash": "` + digest + `"}}`, true},
		{"other object, another", `{"hash": "` + other + `"}`, false},
		{"list", `["` + digest + `"]`, true},
		{"text", `"` + digest + `"`, true},
		{"cut object", `{"next": "` + digest + `", "dig`, false},
		{"no object", `{` + digest + `}`, false},
	} {
		if got := Confirms(c.text, digest); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for _, none := range []string{"", "sha256:"} {
		if Confirms("sha256: anything", none) {
			t.Errorf("%q is confirmed", none)
		}
	}
}

// Whatever else an object holds, its key "digest" decides; a part of an object
// never confirms.
func TestConfirmsOnlyWhatIsInUse(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.MapOf(rapid.StringMatching(`[a-z]{0,8}`), rapid.SampledFrom([]string{digest, "", "x", digest + digest})).Draw(t, "object")
		inUse := rapid.SampledFrom([]string{"", digest}).Draw(t, "in use")
		object["digest"] = inUse
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if got := Confirms(string(text), digest); got != (inUse != "") {
			t.Fatalf("%s: %v", text, got)
		}
		cut := rapid.IntRange(0, len(text)-1).Draw(t, "cut")
		if Confirms(string(text[:cut]), digest) {
			t.Fatalf("a part confirms: %s", text[:cut])
		}
	})
}

func TestExpected(t *testing.T) {
	g := generation()
	one := Generation{Digest: "sha256:all", Files: g.Files[:1]}
	for _, c := range []struct {
		g           Generation
		destination string
		want        string
	}{
		{g, "", g.Digest},
		{g, "/etc/app/y.ini", g.Files[1].Digest},
		{g, "/etc/z", ""},
		{one, "", g.Files[0].Digest},
		{one, "/etc/app/x.ini", g.Files[0].Digest},
	} {
		if got, err := c.g.expected(c.destination); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v", c.destination, got, err)
		}
	}
}
