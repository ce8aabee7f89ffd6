package watch

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// maker makes the tokens of a lease's own.
type maker struct {
	unleased bool           // an answer had no lease: the next ones won't
	never    *vault.Session // its token may make no others
	told     bool           // that was logged
	spare    *vault.Session // a token of its own that nothing in use hangs on
	spareOf  *vault.Session // the session that it was made with
}

// try asks once: with a token of its own if the answer may be a lease and tokens
// of that kind are wanted. A token that nothing came to hang on is ended.
func (w *Watcher) try(ctx context.Context, base *vault.Session) (*vault.Secret, grant, error) {
	g, err := w.grantOf(ctx, base)
	if err != nil {
		return nil, grant{base: base}, err
	}
	secret, err := w.ask(ctx, g.used)
	switch {
	case !g.own:
	case err == nil && (secret.Lease.Leased() || secret.Auth != nil || secret.WrapInfo != nil):
		w.maker.spare = nil
	case err == nil:
		w.maker.unleased = true
		w.dropSpare(ctx)
		g = grant{base: base, used: base}
	case !lendsNothing(err):
		w.dropSpare(ctx)
	}
	return secret, g, err
}

// lendsNothing says whether an error surely is an answer of Vault that it did
// nothing, and may soon do it: the token can serve for the next try.
func lendsNothing(err error) bool {
	var e *vault.Error
	return errors.As(err, &e) && (e.Class == vault.Sealed || e.Status == http.StatusTooManyRequests)
}

// grantOf gives the session to ask with.
func (w *Watcher) grantOf(ctx context.Context, base *vault.Session) (grant, error) {
	m := &w.maker
	if m.spare != nil && m.spareOf != base {
		w.dropSpare(ctx)
		m.spare = nil // it ends with the token that it was made with
	}
	if !w.wantsOwn(ctx, base) {
		return grant{base: base, used: base}, nil
	}
	if m.spare == nil {
		var err error
		m.spareOf = base
		m.spare, err = w.o.Own(ctx, base)
		if err != nil {
			w.dropSpare(ctx) // it may have been made, and not noted
		}
		switch c := vault.ClassOf(err); {
		case err == nil && m.spare != nil:
		case err == nil:
			return grant{base: base, used: base}, nil
		case c == vault.Denied || c == vault.Invalid || c == vault.NotFound:
			w.ownDenied(base, err)
			return grant{base: base, used: base}, nil
		default:
			return grant{}, err
		}
	}
	return grant{base: base, used: m.spare, own: true}, nil
}

func (w *Watcher) ownDenied(base *vault.Session, err error) {
	w.maker.never = base
	if w.maker.told {
		return
	}
	w.maker.told = true
	w.log.Warn("the lease gets no token of its own and hangs on the shared one; the policy lacks: "+
		`path "auth/token/create" { capabilities = ["update"] }`, "error", err)
}

// wantsOwn says whether the answer may be a lease that is to have its own token.
// A token that is asked for would end with it, and what is in a cubbyhole is
// another with each token.
func (w *Watcher) wantsOwn(ctx context.Context, base *vault.Session) bool {
	r, m := w.o.Request, &w.maker
	if w.o.Own == nil || m.unleased || m.never == base || r.Method != vault.MethodRead && r.Method != vault.MethodWrite {
		return false
	}
	path, _, _ := strings.Cut(r.Path, "?")
	switch first, _, _ := strings.Cut(path, "/"); first {
	case "auth", "cubbyhole", "identity", "sys":
		return false
	}
	switch w.o.Sessions.kinds.of(ctx, base, path) {
	case "kv", "generic", "cubbyhole", "transit", "totp":
		return false
	}
	return true
}

// endTime bounds the end of a token that nothing hangs on.
const endTime = 2 * time.Second

// dropSpare ends the token that nothing hangs on, also when ctx has ended. One
// that can't be ended serves for the next try.
func (w *Watcher) dropSpare(ctx context.Context) {
	m := &w.maker
	if m.spare == nil {
		return
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	err := m.spare.RevokeSelf(bound)
	if err != nil && vault.ClassOf(err) != vault.InvalidToken {
		w.log.Debug("a token that is not needed could not be ended", "error", err)
		return
	}
	if w.o.Disown != nil {
		w.o.Disown(m.spare)
	}
	m.spare = nil
}

// giveBack ends a lease that nobody was told of any more.
func (w *Watcher) giveBack(ctx context.Context) {
	if w.held == nil {
		return
	}
	if w.own {
		w.maker.spare, w.maker.spareOf = w.used, w.base
		w.dropSpare(ctx)
		return
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := w.used.RevokeLease(bound, w.held.lease.l.ID); err != nil {
		w.log.Debug("a lease that came too late could not be ended", "error", err)
	}
}
