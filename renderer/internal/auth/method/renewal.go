package method

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// renewal is secret_id_renew: every login takes the SecretID out of the
// wrapping token in the file, and then the next one is minted and put there.
// What is out of its wrapping is remembered before it is used, and a spare
// SecretID beside it, so that no crash leaves the program without one.
type renewal struct {
	m       *AppRole
	st      remembered
	unsaved said

	useless map[string]error     // by hash: contents of the file that gave nothing, and why
	seen    map[string]time.Time // by hash: wrapping tokens that Vault has known, and when they end

	unplaced *placing // minted, and not yet in the file
	lookAt   time.Time
	retryAt  time.Time
	backoff  lease.Backoff
	failing  said
	warned   bool // that the end is near
}

// renews says whether there is something to renew.
func (m *AppRole) renews() bool {
	return m.SecretIDRenew && m.SecretIDFilePath != "" && m.SecretIDRenewPath != ""
}

// renewal gives the one state of the method. Login and Renew never run at the
// same time.
func (m *AppRole) renewal() *renewal {
	if m.renewing == nil {
		m.renewing = &renewal{m: m, useless: map[string]error{}, seen: map[string]time.Time{}}
		m.renewing.load()
		destination.Sweep(m.SecretIDFilePath) // what a killed process was about to put there
	}
	return m.renewing
}

// login logs in with the first SecretID that Vault takes. One that was refused
// is not thrown away: it may be the role_id that is wrong.
func (r *renewal) login(ctx context.Context, roleID string) (*vault.Auth, error) {
	var refused error
	last := ""
	for {
		id, err := r.next(ctx)
		switch {
		case refused != nil && (err != nil || id == last):
			return nil, refused
		case err != nil:
			return nil, err
		}
		a, err := r.m.Client.Login(ctx, r.m.MountPath+"/login", map[string]any{"role_id": roleID, "secret_id": id})
		switch {
		case err == nil:
			r.used()
			return a, nil
		case vault.ClassOf(err) != vault.Invalid:
			return nil, err
		}
		refused, last = fmt.Errorf("%w; if the SecretID is wrong or has ended, put a new one into %s", err, r.m.SecretIDFilePath), id
		r.st.InHand.Fresh = false
		r.save()
	}
}

// used notes that Vault took the SecretID in hand.
func (r *renewal) used() {
	h := r.st.InHand
	h.Fresh = false
	switch {
	case h.Uses == 1:
		r.st.InHand = nil
	case h.Uses > 1:
		h.Uses--
	}
	r.save()
}

// next gives the SecretID to log in with: one that was taken out before and not
// used, the one in the file, the spare, the one of the last login.
func (r *renewal) next(ctx context.Context) (string, error) {
	if h := r.st.InHand; h != nil && h.Fresh {
		return h.Value, nil
	}
	why, err := r.take(ctx)
	if err != nil {
		return "", err
	}
	if s := r.st.Spare; why != nil && s != nil {
		r.m.Log.Warn("the spare SecretID is used", "because", why)
		r.st.InHand, r.st.Spare = s, nil
		r.save()
	}
	if r.st.InHand == nil {
		return "", why
	}
	return r.st.InHand.Value, nil
}

// take takes the SecretID out of the file into the hand. why says that there is
// none to be had; an error, that it can't be known now.
func (r *renewal) take(ctx context.Context) (why, err error) {
	content, why := r.m.file().read()
	if why != nil {
		return why, nil
	}
	hash := hashOf(content)
	switch {
	case r.st.isSpent(hash):
		return fmt.Errorf("what is in %s was used already: put a new SecretID there, or a token that wraps one", r.m.SecretIDFilePath), nil
	case r.useless[hash] != nil:
		return r.useless[hash], nil
	}
	t := vault.NewToken(content)
	w, err := r.m.Client.LookupWrapping(ctx, t)
	switch {
	case isUnknown(err):
		return r.unknown(content, hash, err), nil
	case err != nil:
		return nil, err
	case w.Path != r.m.SecretIDRenewPath && (!r.m.wrapped() || w.Path != r.m.SecretIDResponseWrappingPath):
		return r.foreign(hash, w.Path), nil
	}
	return r.unwrap(ctx, t, hash, w)
}

// isUnknown says whether Vault does not know a wrapping token.
func isUnknown(err error) bool {
	if err == nil {
		return false
	}
	c := vault.ClassOf(err)
	return c == vault.Invalid || c == vault.InvalidToken || c == vault.NotFound
}

// unwrap uses up a wrapping token that Vault knows. That it is about to is
// remembered first: nobody must be suspected after a crash in between.
func (r *renewal) unwrap(ctx context.Context, t vault.Token, hash string, w vault.Wrapping) (why, err error) {
	r.seen[hash] = w.Created.Add(w.TTL)
	r.st.Spending = hash
	r.save()
	id, err := unwrapped(ctx, r.m.Client, t)
	switch {
	case isUnknown(err):
		r.st.Spending = "" // it was there a moment ago
		return r.unknown("", hash, err), nil
	case err != nil:
		return nil, err
	case id == nil:
		r.st.spend(hash)
		r.save()
		return r.uselessly(hash, fmt.Errorf("the wrapping token in %s held no secret_id: put a new one there", r.m.SecretIDFilePath)), nil
	}
	r.st.InHand = id
	r.st.spend(hash)
	r.save()
	return nil, nil
}

// unwrapped takes a SecretID out of its wrapping; nil = there is another thing
// in it.
func unwrapped(ctx context.Context, c *vault.Client, t vault.Token) (*secretID, error) {
	asked := time.Now().Round(0)
	data, err := c.Unwrap(ctx, t)
	if err != nil {
		return nil, err
	}
	values := data.Unwrap()
	id := &secretID{Fresh: true, Created: asked, Uses: number(values["secret_id_num_uses"])}
	id.Value, _ = values["secret_id"].(string)
	id.Accessor, _ = values["secret_id_accessor"].(string)
	if id.Value == "" {
		return nil, nil
	}
	if ttl := time.Duration(number(values["secret_id_ttl"])) * time.Second; ttl > 0 {
		id.Ends = asked.Add(ttl)
	}
	return id, nil
}

func number(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// unknown judges a content of the file that is no wrapping token for Vault; nil
// = it is a SecretID itself, and in hand now.
func (r *renewal) unknown(content, hash string, err error) (why error) {
	ends, known := r.seen[hash]
	accessor := ""
	if r.st.ours(hash) {
		ends, known, accessor = r.st.Minted.Ends, true, r.st.Minted.Accessor
	}
	path := r.m.SecretIDFilePath
	switch {
	case r.st.Spending == hash:
		r.m.Log.Warn("the wrapping token in the SecretID's file was used up: either by this program, which was stopped or got no answer while it did so, or by somebody else", "file", path)
		why = fmt.Errorf("the wrapping token in %s was used up by a login that was interrupted, or by somebody else: %w", path, err)
	case known && time.Now().Before(ends):
		r.stolen(accessor, ends)
		why = fmt.Errorf("the wrapping token in %s was used by somebody else, who has the SecretID: %w", path, err)
	case known:
		why = fmt.Errorf("the wrapping token in %s has expired: put a new one there: %w", path, err)
	case !r.m.wrapped() && content != "":
		r.st.InHand = &secretID{Value: content, Fresh: true}
		r.st.spend(hash)
		r.save()
		return nil
	default:
		r.suspect()
		why = fmt.Errorf("the wrapping token in %s has expired, was used by somebody else or never was one: put a new one there: %w", path, err)
		return r.uselessly(hash, why)
	}
	r.st.spend(hash)
	r.save()
	return r.uselessly(hash, why)
}

// foreign judges a wrapping token that was not made where it should be.
func (r *renewal) foreign(hash, path string) (why error) {
	r.m.Log.Error("security: the wrapping token was made at another path than expected; it was not used",
		"file", r.m.SecretIDFilePath, "path", path, "expected", r.expected())
	r.tell("a wrapping token that was made at another path lies in the SecretID's file")
	return r.uselessly(hash, fmt.Errorf("the wrapping token in %s was made at %q, expected %q", r.m.SecretIDFilePath, path, r.expected()))
}

func (r *renewal) expected() string {
	if r.m.wrapped() {
		return r.m.SecretIDResponseWrappingPath
	}
	return r.m.SecretIDRenewPath
}

func (r *renewal) uselessly(hash string, why error) error {
	r.useless[hash] = why
	return why
}
