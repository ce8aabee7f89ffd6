package method

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// Memory keeps some bytes for a method over a restart. They hold secrets: they
// belong where a token may lie, on tmpfs and readable for nobody else.
type Memory interface {
	// Load gives what was saved last; nil when there is nothing.
	Load() []byte
	// Save has replaced what was saved before when it returns nil.
	Save(b []byte) error
}

// remembered is what a Memory keeps for secret_id_renew. Times are wall clock.
type remembered struct {
	Path     string        `json:"path"`               // where the SecretIDs are minted: others are of no use
	InHand   *secretID     `json:"in_hand,omitempty"`  // the one of the last login, or of the next
	Spare    *secretID     `json:"spare,omitempty"`    // in case that what is in the file gets lost
	Minted   *minted       `json:"minted,omitempty"`   // the wrapping token that was put into the file last
	Spending string        `json:"spending,omitempty"` // hash of a wrapping token whose unwrapping has begun
	Spent    []string      `json:"spent,omitempty"`    // hashes of what was in the file and is used up, newest last
	Life     time.Duration `json:"life,omitempty"`     // of a SecretID at most, by its role; 0 = not known to be limited
}

// secretID is one that is out of its wrapping.
type secretID struct {
	Value    string    `json:"secret_id"`
	Accessor string    `json:"accessor,omitempty"`
	Fresh    bool      `json:"fresh,omitempty"`  // no login was answered with it
	Uses     int       `json:"uses,omitempty"`   // logins that are left; 0 = not known to be limited
	Created  time.Time `json:"created,omitzero"` // zero = not known
	Ends     time.Time `json:"ends,omitzero"`    // zero = never, or not known
	Due      time.Time `json:"due,omitzero"`     // when a spare is replaced; zero = never
}

// minted is a wrapping token of ours: what is known of it without having it.
type minted struct {
	Hash     string    `json:"hash"`
	Accessor string    `json:"accessor,omitempty"` // of the SecretID in it
	Created  time.Time `json:"created"`
	Ends     time.Time `json:"ends"`
	Due      time.Time `json:"due"` // when the next one takes its place
}

// maxSpent is how many hashes are kept: those of a file's last contents count.
const maxSpent = 16

func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func (st *remembered) spend(hash string) {
	if st.Spending == hash {
		st.Spending = ""
	}
	if slices.Contains(st.Spent, hash) {
		return
	}
	st.Spent = append(st.Spent, hash)
	if n := len(st.Spent) - maxSpent; n > 0 {
		st.Spent = slices.Delete(st.Spent, 0, n)
	}
}

func (st *remembered) isSpent(hash string) bool { return slices.Contains(st.Spent, hash) }

// ours says whether hash is that of the wrapping token that was put into the
// file last.
func (st *remembered) ours(hash string) bool { return st.Minted != nil && st.Minted.Hash == hash }

// load takes over what was remembered, when it is about the same role.
func (r *renewal) load() {
	r.st = remembered{Path: r.m.SecretIDRenewPath}
	if r.m.Memory == nil {
		return
	}
	raw := r.m.Memory.Load()
	if len(raw) == 0 {
		return
	}
	var st remembered
	switch err := json.Unmarshal(raw, &st); {
	case err != nil: // the parser's words may quote the bytes: they are left out
		r.m.Log.Warn("what was remembered of SecretIDs can't be read; only what is in the file counts", "file", r.m.SecretIDFilePath)
	case st.Path == r.st.Path:
		r.st = st
	}
}

// save has everything remembered. A failure does not stop the work: it makes a
// crash dangerous, no more.
func (r *renewal) save() {
	if r.m.Memory == nil {
		return
	}
	raw, err := json.Marshal(r.st)
	if err == nil {
		err = r.m.Memory.Save(raw)
	}
	r.unsaved.log(err, func() {
		r.m.Log.Warn("the SecretID in hand can't be remembered: a restart now would log in with what is in the file only", "error", err)
	})
}

// said logs an error when it is another one than the one before.
type said struct{ last error }

func (s *said) log(err error, log func()) {
	if err != nil && (s.last == nil || err.Error() != s.last.Error()) {
		log()
	}
	s.last = err
}
