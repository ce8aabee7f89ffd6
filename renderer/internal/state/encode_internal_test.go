package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func sample() State {
	return State{Token: &Token{ID: 1, Value: Hide("canary-token")}, Memory: map[string]Hidden{"m": Hide("canary-\xff")}, Generation: 3}
}

func encoded(t interface{ Fatal(...any) }, st State) []byte {
	b, err := encode(st, "this")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refuse wants b to be refused, with a *distrust that shows no secret.
func refuse(t *testing.T, what string, b []byte) {
	t.Helper()
	st, err := decode(b, "this")
	if d := (*distrust)(nil); st != nil || !errors.As(err, &d) {
		t.Fatalf("%s: %v, %v", what, st, err)
	}
	if bytes.Contains([]byte(err.Error()), []byte("canary")) {
		t.Fatalf("%s: the error shows a secret: %v", what, err)
	}
}

func TestEveryBitCounts(t *testing.T) {
	b := encoded(t, sample())
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			refuse(t, fmt.Sprintf("bit %d of byte %d", bit, i), b)
			b[i] ^= 1 << bit
		}
	}
	if st, err := decode(b, "this"); err != nil || st == nil {
		t.Fatalf("and unchanged: %v", err)
	}
}

func TestEveryTruncation(t *testing.T) {
	b := encoded(t, sample())
	for n := range b {
		refuse(t, fmt.Sprintf("%d of %d bytes", n, len(b)), b[:n])
	}
}

// TestSealedNonsense: a right checksum alone makes no state.
func TestSealedNonsense(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "{}", `{"binding":1}`, `{"binding":"x"} {}`, `{"token":"canary-x"}`} {
		refuse(t, body, seal([]byte(body)))
	}
	body := fmt.Sprintf(`{"binding":%q,"token":{"id":1,"value":"\u0000canary-no-base64!"}}`, bindingHash("this"))
	refuse(t, "bad base64", seal([]byte(body)))
}

// states generates states with any texts and bytes in them.
func states() *rapid.Generator[State] {
	return rapid.Custom(func(t *rapid.T) State {
		return State{
			Token:      rapid.Ptr(tokens(), true).Draw(t, "token"),
			Retired:    rapid.SliceOfN(tokens(), 0, 3).Draw(t, "retired"),
			Secrets:    rapid.SliceOfN(secrets(), 0, 3).Draw(t, "secrets"),
			Superseded: rapid.SliceOfN(leases(), 0, 3).Draw(t, "superseded"),
			InFlight:   rapid.SliceOfN(requests(), 0, 3).Draw(t, "in flight"),
			Files:      rapid.SliceOfN(files(), 0, 3).Draw(t, "files"),
			Rollouts:   rapid.SliceOfN(rollouts(), 0, 3).Draw(t, "rollouts"),
			Sinks:      rapid.SliceOfN(sinks(), 0, 3).Draw(t, "sinks"),
			Memory:     rapid.MapOfN(rapid.String(), hiddens(), 0, 3).Draw(t, "memory"),
			Generation: rapid.Uint64().Draw(t, "generation"),
		}
	})
}

func raw() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Just("\x00"), rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	}))
}

func hiddens() *rapid.Generator[Hidden] { return rapid.Map(raw(), Hide) }

func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(0, rapid.Int64().Draw(t, "ns"))
		return at.In(time.FixedZone("x", rapid.IntRange(-12, 12).Draw(t, "zone")*3600))
	})
}

func durations() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) })
}

func lives() *rapid.Generator[Life] {
	return rapid.Custom(func(t *rapid.T) Life {
		return Life{hiddens().Draw(t, "id"), durations().Draw(t, "ttl"), rapid.Bool().Draw(t, "renewable"), times().Draw(t, "issued")}
	})
}

func tokens() *rapid.Generator[Token] {
	return rapid.Custom(func(t *rapid.T) Token {
		return Token{
			rapid.Uint64().Draw(t, "id"), hiddens().Draw(t, "value"), rapid.String().Draw(t, "accessor"), lives().Draw(t, "life"),
			durations().Draw(t, "full"), rapid.Bool().Draw(t, "last"), rapid.Bool().Draw(t, "ours"),
		}
	})
}

func secrets() *rapid.Generator[Secret] {
	return rapid.Custom(func(t *rapid.T) Secret {
		return Secret{
			rapid.String().Draw(t, "method"), raw().Draw(t, "path"), hiddens().Draw(t, "params"), rapid.String().Draw(t, "request"),
			hiddens().Draw(t, "data"), hiddens().Draw(t, "auth"), hiddens().Draw(t, "wrap"),
			rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "keys"), rapid.SliceOfN(rapid.String(), 0, 2).Draw(t, "warnings"),
			lives().Draw(t, "life"), durations().Draw(t, "full"), rapid.Bool().Draw(t, "last"),
			rapid.Uint64().Draw(t, "token"), hiddens().Draw(t, "own"),
		}
	})
}

func leases() *rapid.Generator[Lease] {
	return rapid.Custom(func(t *rapid.T) Lease {
		return Lease{
			lives().Draw(t, "life"), rapid.Uint64().Draw(t, "token"), hiddens().Draw(t, "own"), times().Draw(t, "after"),
			rapid.String().Draw(t, "why"),
		}
	})
}

func requests() *rapid.Generator[InFlight] {
	return rapid.Custom(func(t *rapid.T) InFlight {
		return InFlight{
			rapid.String().Draw(t, "method"), raw().Draw(t, "path"), hiddens().Draw(t, "params"), hiddens().Draw(t, "own"),
			times().Draw(t, "at"),
		}
	})
}

func files() *rapid.Generator[File] {
	return rapid.Custom(func(t *rapid.T) File {
		return File{
			raw().Draw(t, "destination"), rapid.String().Draw(t, "template"), rapid.String().Draw(t, "digest"),
			rapid.Uint64().Draw(t, "generation"), rapid.Bool().Draw(t, "told"), rapid.Bool().Draw(t, "acked"),
			rapid.SliceOfN(hiddens(), 0, 2).Draw(t, "leases"), rapid.SliceOfN(hiddens(), 0, 2).Draw(t, "acked leases"), rapid.SliceOfN(raw(), 0, 2).Draw(t, "side"),
		}
	})
}

func rollouts() *rapid.Generator[Rollout] {
	return rapid.Custom(func(t *rapid.T) Rollout {
		return Rollout{
			Name: rapid.String().Draw(t, "name"), Acked: rapid.Uint64().Draw(t, "acked"), Journal: journal(t),
			RefusedAt: times().Draw(t, "refused"), Tries: rapid.Int().Draw(t, "tries"),
		}
	})
}

func sinks() *rapid.Generator[Sink] {
	return rapid.Custom(func(t *rapid.T) Sink { return Sink{rapid.String().Draw(t, "path"), journal(t)} })
}

func journal(t *rapid.T) json.RawMessage {
	b, err := json.Marshal(map[string]any{"text": rapid.String().Draw(t, "text"), "n": rapid.Int().Draw(t, "n")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameJSON compares journals by what they say.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
}

// TestRoundTrip: what goes in comes out, and goes in again as the same bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := states().Draw(t, "state")
		b := encoded(t, want)
		got, err := decode(b, "this")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty(), cmp.Comparer(sameJSON)); diff != "" {
			t.Fatal(diff)
		}
		if again := encoded(t, *got); !bytes.Equal(b, again) {
			t.Fatalf("other bytes:\n%s\n%s", b, again)
		}
		if _, err := decode(b, "that"); err == nil {
			t.Fatal("taken up under another binding")
		}
	})
}

// FuzzDecode: no bytes make it panic, and what it takes can be saved again.
func FuzzDecode(f *testing.F) {
	whole := encoded(f, sample())
	f.Add(whole, false)
	_, body, _ := bytes.Cut(whole, []byte("\n"))
	f.Add(body, true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed {
			b = seal(b)
		}
		st, err := decode(b, "this")
		if err != nil {
			if d := (*distrust)(nil); !errors.As(err, &d) || st != nil {
				t.Fatalf("%v, %v", st, err)
			}
			return
		}
		if again, err := decode(encoded(t, *st), "this"); err != nil || !cmp.Equal(st, again, cmpopts.EquateEmpty(), cmp.Comparer(sameJSON)) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func BenchmarkSave(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("secrets=%d/changed", n), func(b *testing.B) { benchmarkSave(b, n, 1) })
		b.Run(fmt.Sprintf("secrets=%d/unchanged", n), func(b *testing.B) { benchmarkSave(b, n, 0) })
	}
}

func benchmarkSave(b *testing.B, n int, step uint64) {
	s, _, err := Open(Options{Path: filepath.Join(b.TempDir(), "state"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	st := sample()
	for i := range n {
		id := fmt.Sprintf("database/creds/role-%d/%024d", i, i)
		st.Secrets = append(st.Secrets, Secret{
			Method: "read", Path: fmt.Sprintf("database/creds/role-%d", i), Data: Hide(`{"username":"v-token-app-xxxxxxxxxxxx","password":"canary-xxxxxxxxxxxxxxxx"}`),
			Life: Life{Hide(id), time.Hour, true, time.Now()}, Full: time.Hour, TokenID: 1, Own: Hide(id),
		})
		st.Files = append(st.Files, File{Destination: fmt.Sprintf("/run/app/%d.ini", i), Digest: fmt.Sprintf("sha256:%064d", i), Leases: []Hidden{Hide(id)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		st.Generation += step
		if err := s.Save(st); err != nil {
			b.Fatal(err)
		}
	}
}
