package state_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/state"
)

const canary = "canary-"

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6789, time.UTC) }

func life(id string) state.Life {
	return state.LifeOf(lease.Lease{ID: id, TTL: time.Hour, Renewable: true, IssuedAt: start()})
}

// full has something everywhere; every secret text begins with the canary.
func full() state.State {
	hide := func(s string) state.Hidden { return state.Hide(canary + s) }
	token := state.Token{ID: 7, Value: hide("token"), Accessor: "acc", Life: life(""), Full: time.Hour, Last: true, Ours: true}
	return state.State{
		Token:   &token,
		Retired: []state.Token{{ID: 6, Value: hide("retired"), Life: life("")}},
		Secrets: []state.Secret{{
			Method: "read", Path: "database/creds/app", Params: hide("params"), RequestID: "r",
			Data: hide(`{"n":12345678901234567890}`), Auth: hide("auth"), WrapInfo: hide("wrap"), Keys: []string{"k"},
			Warnings: []string{"w"}, Life: life(canary + "lease"), Full: time.Hour, Last: true, TokenID: 7, Own: hide("own"),
		}},
		Superseded: []state.Lease{{Life: life(canary + "old"), TokenID: 6, Own: hide("old own"), After: start(), Why: "rotated"}},
		InFlight:   []state.InFlight{{Method: "read", Path: "x", Params: hide("p"), Own: hide("child"), At: start()}},
		Files: []state.File{{
			Destination: "/run/app/db.ini", Template: "t", Digest: "sha256:00", Generation: 4, Told: true, Acked: true,
			Leases: []state.Hidden{hide("lease")}, AckedLeases: []state.Hidden{hide("acked-lease")}, Side: []string{"/run/app/side"},
		}},
		Rollouts:   []state.Rollout{{Name: "db", Journal: json.RawMessage(`{"a":1}`), RefusedAt: start(), Tries: 2}},
		Sinks:      []state.Sink{{Path: "/run/token", Stamp: json.RawMessage(`{"b":2}`)}},
		Memory:     map[string]state.Hidden{"approle": hide("memory\xff\x00")},
		Generation: 9,
	}
}

// small has as little as a state of use has.
func small() state.State {
	return state.State{Token: &state.Token{ID: 1, Value: state.Hide(canary + "token")}, Generation: 1}
}

// dir is a store's surroundings.
type dir struct {
	path string
	log  bytes.Buffer
}

func newDir(t *testing.T) *dir {
	t.Helper()
	return &dir{path: filepath.Join(t.TempDir(), "run", "state")}
}

func (d *dir) options() state.Options {
	return state.Options{Path: d.path, Binding: "this", Log: slog.New(slog.NewTextHandler(&d.log, nil))}
}

// open fails the test when the state file can't be had at all.
func (d *dir) open(t *testing.T) (*state.Store, *state.State) {
	t.Helper()
	s, st, err := state.Open(d.options())
	if err != nil {
		t.Fatal(err)
	}
	return s, st
}

// again opens, closes, and gives what was read.
func (d *dir) again(t *testing.T) *state.State {
	t.Helper()
	s, st := d.open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return st
}

// saved leaves st in the file.
func (d *dir) saved(t *testing.T, st state.State) []byte {
	t.Helper()
	s, _ := d.open(t)
	save(t, s, st)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return d.read(t)
}

func (d *dir) read(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func save(t *testing.T, s *state.Store, st state.State) {
	t.Helper()
	if err := s.Save(st); err != nil {
		t.Fatal(err)
	}
}

func difference(want, got any) string { return cmp.Diff(want, got, cmpopts.EquateEmpty()) }

// TestNothingShows: no way of printing, logging or marshalling shows a secret.
func TestNothingShows(t *testing.T) {
	st := full()
	everything := []any{
		st, &st, *st.Token, st.Secrets, st.Secrets[0], st.Superseded[0], st.InFlight[0], st.Files[0],
		st.Memory, st.Secrets[0].Life, st.Token.Value, st.Secrets[0].Data,
	}
	for _, v := range everything {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%!", "%T", "%p"} {
			mustHide(t, fmt.Sprintf("%T %s", v, verb), fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		mustHide(t, "json", string(b))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		mustHide(t, "slog", log.String())
	}
	if got := st.Token.Value.Reveal(); got != canary+"token" {
		t.Errorf("reveals %q", got)
	}
}

func mustHide(t *testing.T, what, text string) {
	t.Helper()
	hex := fmt.Sprintf("%x", canary)
	if strings.Contains(text, canary) || strings.Contains(strings.ToLower(text), hex) {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}

func TestHidden(t *testing.T) {
	var zero state.Hidden
	if !zero.Empty() || zero.Reveal() != "" || !zero.Equal(state.Hide("")) || !state.Hide("").Empty() {
		t.Error("the zero value is not an empty text")
	}
	if a := state.Hide("a"); a.Empty() || !a.Equal(state.Hide("a")) || a.Equal(state.Hide("b")) || a.Equal(zero) {
		t.Error("equality")
	}
}

func TestLife(t *testing.T) {
	want := lease.Lease{ID: "x/y", TTL: time.Minute, Renewable: true, IssuedAt: start()}
	if got := state.LifeOf(want).Lease(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
