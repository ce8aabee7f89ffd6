package child

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCleanEnv(t *testing.T) {
	got := CleanEnv([]string{"PATH=/bin", "SECRET=x", "LC_ALL=C", "TZ=UTC", "HOMER=x"})
	if want := []string{"PATH=/bin", "LC_ALL=C", "TZ=UTC"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestFilterEnv(t *testing.T) {
	env := []string{"APP_A=1", "APP_KEY=2", "PATH=/bin"}
	for _, c := range []struct{ allow, deny, want []string }{
		{nil, nil, env},
		{[]string{"APP_*"}, []string{"*_KEY"}, []string{"APP_A=1"}},
		{nil, []string{"APP_?"}, []string{"APP_KEY=2", "PATH=/bin"}},
		{[]string{"NONE"}, nil, []string{}},
	} {
		if got, err := FilterEnv(env, c.allow, c.deny); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("allow %v deny %v: %v, %v", c.allow, c.deny, got, err)
		}
	}
	if _, err := FilterEnv(env, []string{"["}, nil); err == nil {
		t.Error("no error of a bad pattern")
	}
}

// TestMerge: names are unique afterwards, and what is laid over wins.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOf(rapid.StringMatching(`[A-C]=[a-z]{0,3}`))
		base, over := pairs.Draw(t, "base"), pairs.Draw(t, "over")
		got := merge(canonical(base), over)
		for _, name := range []string{"A", "B", "C"} {
			want := lookupEnv(base, name)
			if slices.ContainsFunc(over, func(kv string) bool { return nameOf(kv) == name }) {
				want = lookupEnv(over, name)
			}
			if lookupEnv(got, name) != want {
				t.Errorf("%s is %q, want %q", name, lookupEnv(got, name), want)
			}
			n := 0
			for _, kv := range got {
				if strings.HasPrefix(kv, name+"=") {
					n++
				}
			}
			if n > 1 {
				t.Errorf("%s is there %d times", name, n)
			}
		}
	})
}

func FuzzCheckEnv(f *testing.F) {
	f.Add("A=b")
	f.Add("=")
	f.Add("a b=" + canary)
	f.Fuzz(func(t *testing.T, kv string) {
		name, value, found := strings.Cut(kv, "=")
		err := CheckEnv([]string{kv})
		good := found && name != "" && !strings.Contains(name, "\x00") && !strings.Contains(value, "\x00") && len(kv) < 131072
		if (err == nil) != good {
			t.Errorf("%q: %v", kv, err)
		}
	})
}
