package method

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// placing is a wrapping token on its way into the file.
type placing struct {
	minted
	token vault.Token
}

const (
	// fileInterval is the time between looks at the file: a SecretID that is
	// delivered, or a file that is gone, waits no longer.
	fileInterval = 10 * time.Second
	// defaultWrapTTL is how long a wrapping token lives when nothing says less.
	defaultWrapTTL = 7 * 24 * time.Hour
	maxMintBackoff = 5 * time.Minute
)

// Renew implements Renewer: it keeps a SecretID in the file for the next login.
func (m *AppRole) Renew(ctx context.Context, s *vault.Session) {
	if !m.renews() {
		return
	}
	r := m.renewal()
	r.backoff = lease.Backoff{Min: time.Second, Max: maxMintBackoff, Rand: m.Rand}
	r.retryAt = time.Time{}
	for ctx.Err() == nil {
		wait := r.step(ctx, s)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// step does what is due and gives the time until the next one.
func (r *renewal) step(ctx context.Context, s *vault.Session) time.Duration {
	r.inspect(ctx)
	if wait := time.Until(r.retryAt); wait > 0 {
		return min(wait, fileInterval)
	}
	err := r.provide(ctx, s)
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		return r.failed(ctx, s, err)
	}
	r.failing, r.warned = said{}, false
	r.backoff.Reset()
	return fileInterval
}

// inspect asks Vault from time to time whether the wrapping token in the file
// is still there to be used.
func (r *renewal) inspect(ctx context.Context) {
	now := time.Now()
	if r.m.Lookup < 0 || now.Before(r.lookAt) {
		return
	}
	content, err := r.m.file().read()
	hash := hashOf(content)
	if err != nil || !r.st.ours(hash) || r.st.isSpent(hash) || !now.Before(r.st.Minted.Ends) {
		return
	}
	r.lookAt = now.Add(r.lookInterval(r.st.Minted.Ends.Sub(r.st.Minted.Created)))
	if _, err := r.m.Client.LookupWrapping(ctx, vault.NewToken(content)); isUnknown(err) {
		_ = r.unknown("", hash, err)
	}
}

func (r *renewal) lookInterval(life time.Duration) time.Duration {
	d := r.m.Lookup
	if d == 0 {
		d = min(max(life/10, 10*time.Second), 5*time.Minute)
	}
	return lease.Interval(d, r.m.Rand)
}

// provide sees to a spare SecretID, and to one in the file.
func (r *renewal) provide(ctx context.Context, s *vault.Session) error {
	// The spare first: it shows how long a SecretID lives.
	if id := r.st.Spare; id == nil || passed(id.Due) {
		if err := r.mintSpare(ctx, s); err != nil {
			return err
		}
	}
	if r.filled() {
		r.unplaced = nil
		return nil
	}
	if r.unplaced == nil || passed(r.unplaced.Due) {
		p, err := r.mint(ctx, s, r.wrapTTL())
		if vault.ClassOf(err) == vault.Invalid && err != nil { // the role allows less, now
			if err = r.mintSpare(ctx, s); err == nil {
				p, err = r.mint(ctx, s, r.wrapTTL())
			}
		}
		if err != nil {
			return err
		}
		r.unplaced = p
	}
	return r.place(ctx)
}

func passed(at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) }

// filled says whether a wrapping token of ours lies in the file that is good
// for a while.
func (r *renewal) filled() bool {
	content, err := r.m.file().read()
	hash := hashOf(content)
	return err == nil && r.st.ours(hash) && !r.st.isSpent(hash) && r.useless[hash] == nil && !passed(r.st.Minted.Due)
}

// wrapTTL is how long the next wrapping token is to live, and the SecretID in
// it: what is never used must not pile up.
func (r *renewal) wrapTTL() time.Duration {
	ttl := r.m.SecretIDRenewWrapTTL
	if ttl <= 0 {
		ttl = defaultWrapTTL
	}
	if r.st.Life > 0 {
		ttl = min(ttl, r.st.Life)
	}
	return ttl
}

// mint makes a SecretID that lives for ttl, 0 = as long as the role says, and a
// wrapping token that lives as long.
func (r *renewal) mint(ctx context.Context, s *vault.Session, ttl time.Duration) (*placing, error) {
	wrap := ttl
	if wrap == 0 {
		wrap = time.Minute // it is unwrapped at once
	}
	now := time.Now().Round(0)
	info, err := s.MintSecretID(ctx, r.m.SecretIDRenewPath, wrap, ttl)
	if err != nil {
		return nil, err
	}
	return &placing{token: info.Token, minted: minted{
		Hash: hashOf(info.Token.Reveal()), Accessor: info.WrappedAccessor, Created: now, Ends: now.Add(wrap), Due: r.due(now, wrap),
	}}, nil
}

// due is when something that ends is replaced: two thirds into its life, the
// first time earlier by chance, so that programs which began together part.
func (r *renewal) due(created time.Time, life time.Duration) time.Time {
	return lease.Policy{Rand: r.m.Rand}.RenewAt(lease.Lease{TTL: life, IssuedAt: created, Renewed: r.st.Minted != nil})
}

// mintSpare makes the spare SecretID, which is remembered out of its wrapping.
// When the role refuses the life that is asked for, it is left to the role, and
// the answer shows it.
func (r *renewal) mintSpare(ctx context.Context, s *vault.Session) error {
	asked := r.wrapTTL()
	p, err := r.mint(ctx, s, asked)
	if vault.ClassOf(err) == vault.Invalid && err != nil {
		asked = 0
		p, err = r.mint(ctx, s, 0)
	}
	if err != nil {
		return err
	}
	id, err := unwrapped(ctx, r.m.Client, p.token)
	switch {
	case err != nil:
		return err
	case id == nil:
		return &vault.Error{Op: "mint a SecretID at", Path: r.m.SecretIDRenewPath, Class: vault.Invalid, Detail: "the answer holds no SecretID"}
	}
	if !id.Ends.IsZero() {
		life := id.Ends.Sub(id.Created)
		id.Due = r.due(id.Created, life)
		if asked == 0 || life < asked {
			r.st.Life = life
		}
	}
	r.st.Spare = id
	r.save()
	return nil
}

// errPlace wraps why the file can't be written.
var errPlace = errors.New("the next SecretID can't be put into its file")

// place puts what was minted into the file, in one step. What somebody has
// delivered there in the meantime is taken out first.
func (r *renewal) place(ctx context.Context) error {
	if content, err := r.m.file().read(); err == nil && !r.st.ours(hashOf(content)) {
		if _, err := r.take(ctx); err != nil {
			return err
		}
	}
	f := destination.File{Path: r.m.SecretIDFilePath, Perms: 0o600, ExactPerms: true}
	staged, err := destination.Stage(f, []byte(r.unplaced.token.Reveal()+"\n"))
	if err != nil {
		return fmt.Errorf("%w: %w", errPlace, err)
	}
	before := r.st.Minted
	r.st.Minted = &r.unplaced.minted
	r.save() // first: it must not look like a delivery after a crash
	if _, err := staged.Commit(); err != nil {
		r.st.Minted = before
		r.save()
		return fmt.Errorf("%w: %w", errPlace, err)
	}
	r.lookAt = time.Now().Add(r.lookInterval(r.unplaced.Ends.Sub(r.unplaced.Created)))
	r.unplaced = nil
	r.m.Log.Info("the next SecretID is ready", "file", r.m.SecretIDFilePath, "ends", r.st.Minted.Ends.UTC().Format(time.RFC3339))
	return nil
}

// failed logs why there is no next SecretID, and gives the time until the next
// try.
func (r *renewal) failed(ctx context.Context, s *vault.Session, err error) time.Duration {
	c := vault.ClassOf(err)
	refused := c == vault.Denied || c == vault.NotFound || c == vault.Invalid
	r.failing.log(err, func() {
		switch {
		case errors.Is(err, errPlace):
			r.m.Log.Error("the SecretID is not renewed; trying again", "error", err, "what_to_do", "make the directory writable, or set secret_id_renew = false")
		case c == vault.InvalidToken: // the token is looked up elsewhere
		case refused:
			r.m.Log.Error("the SecretID is not renewed: Vault refuses to mint the next one", "error", err, "policy", r.policy())
		default:
			r.m.Log.Warn("the next SecretID can't be minted now; trying again", "error", err)
		}
	})
	if c == vault.Denied {
		r.learnEnd(ctx, s)
	}
	r.nearEnd(refused)
	wait := max(r.backoff.Next(), vault.RetryAfter(err))
	r.retryAt = time.Now().Add(wait)
	return min(wait, fileInterval)
}

// learnEnd asks when the SecretID in hand ends, in case that the policy allows
// to ask.
func (r *renewal) learnEnd(ctx context.Context, s *vault.Session) {
	id := r.st.InHand
	if id == nil || !id.Ends.IsZero() || !id.Created.IsZero() {
		return
	}
	end, ok, err := s.SecretIDEnd(ctx, r.m.SecretIDRenewPath, vault.NewToken(id.Value))
	if err == nil && ok {
		id.Created, id.Ends = time.Now().Round(0), end.Round(0)
		r.save()
	}
}
