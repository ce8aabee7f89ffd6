package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/rollout"
	"vault-renderer/renderer/internal/vault"
	"vault-renderer/renderer/internal/watch"
)

// value is a secret with how its lease stands.
type value struct {
	secret  *vault.Secret
	full    time.Duration
	last    bool           // no renewal prolongs the lease
	session *vault.Session // that it hangs on
	own     bool           // whose token is the lease's own
}

// entry is one distinct secret: its last good value and its watcher.
type entry struct {
	value
	since   time.Time // when the value came
	reason  string    // why it was fetched
	watcher *watch.Watcher

	err    error // of the last try; the value above stays good
	tries  int   // that failed in a row
	logged string
	users  map[*unit]struct{}
	stop   context.CancelFunc
}

// store shows the entries to templates.
type store map[vault.Request]*entry

// Secret implements tmpl.View.
func (s store) Secret(r vault.Request) (*vault.Secret, bool, error) {
	e := s[r]
	switch {
	case e == nil:
		return nil, false, nil
	case e.secret != nil:
		return e.secret, true, nil
	}
	return nil, false, e.err
}

// loop owns the state: it takes what the others send, and after each batch
// brings files and hooks up to date.
func (a *Agent) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, u := range a.plan.units {
		a.expect(u)
		a.touch(u)
	}
	for {
		a.refresh()
		a.forget()
		a.settle()
		a.save()
		if err := a.finished(); err != nil {
			return err
		}
		timer.Reset(a.untilRetry())
		if err := a.take(ctx, timer.C); err != nil {
			return err
		}
	}
}

// take waits for the next thing to happen.
func (a *Agent) take(ctx context.Context, timer <-chan time.Time) error {
	select {
	case e := <-a.events:
		return a.onAuth(e)
	case u := <-a.updates:
		a.onUpdate(u)
		a.drain()
		a.save() // a lease is in the book before anything is made of it
	case t := <-a.told:
		a.onTold(t)
	case w := <-a.sinks.out:
		a.onWritten(w)
	case k := <-a.ledger.kept:
		a.onKept(k)
	case k := <-a.keptTokens:
		a.onKeptToken(k)
	case e := <-a.childEvents():
		a.onChild(e)
	case call := <-a.calls:
		call()
	case reason := <-a.pokes:
		a.onPoke(reason)
	case <-timer:
		a.retries()
	case <-a.reloads:
		a.reconfigure()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// do has the loop run f, and returns when it has. Its error says that ctx ended
// before.
func (a *Agent) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case a.calls <- func() { f(); close(done) }:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain takes all updates that are there already: what changed together is
// rendered together.
func (a *Agent) drain() {
	for {
		select {
		case u := <-a.updates:
			a.onUpdate(u)
		default:
			return
		}
	}
}

// expect starts watching what a template reads for certain, before it runs for
// the first time.
func (a *Agent) expect(u *unit) {
	for _, r := range u.t.Constant() {
		a.watch(r, u)
	}
}

// watch makes sure that r has a watcher and that u is among its users.
func (a *Agent) watch(r vault.Request, u *unit) {
	if !slices.Contains(u.watched, r) {
		u.watched = append(u.watched, r)
	}
	if e := a.entries[r]; e != nil {
		e.users[u] = struct{}{}
		return
	}
	ctx, cancel := context.WithCancel(a.ctx)
	m := methodOf(a.plan.cfg)
	o := watch.Options{
		Request: r, Sessions: &a.sessions, Policy: a.policy,
		StaticInterval: a.plan.cfg.TemplateConfig.StaticSecretRenderInterval,
		MaxBackoff:     min(m.MaxBackoff, 30*time.Second),
		TokenRefused:   func() { a.keeper.Load().Check() }, Log: a.log("template.server"),
		Lookup: a.plan.cfg.Leases.LookupInterval,
	}
	if a.plan.cfg.Leases.OwnToken {
		o.Own, o.Disown = a.ownToken(r), a.disown
	}
	if v, there := a.resumable[r]; there {
		o.Resume = &watch.Resume{Secret: v.secret, Full: v.full, Last: v.last, Session: v.session, Own: v.own}
	}
	w := watch.New(o)
	a.entries[r] = &entry{users: map[*unit]struct{}{u: {}}, stop: cancel, watcher: w}
	a.spawn(ctx, func(ctx context.Context) error { return w.Run(ctx, a.updates) })
}

// unwatch ends the watchers that only u used, but for those in keep.
func (a *Agent) unwatch(u *unit, keep []vault.Request) {
	for _, r := range u.watched {
		e := a.entries[r]
		if e == nil || slices.Contains(keep, r) {
			continue
		}
		delete(e.users, u)
		if len(e.users) == 0 {
			e.stop()
			delete(a.entries, r)
			a.ledger.dirty = true
		}
	}
	u.watched = slices.Clone(keep)
}

func (a *Agent) onAuth(e authEvent) error {
	if e.Err != nil {
		a.onLoginError(e)
		if a.plan.cfg.ExitAfterAuth && a.loginTries > a.retryLimit() {
			return fmt.Errorf("%w: %w", ErrIncomplete, e.Err)
		}
		return nil
	}
	switch {
	case e.Alarm != "":
		a.o.Metrics.Alarm()
		return nil
	case e.Life != nil && e.Session == nil && e.Token.Empty():
		a.onLife(*e.Life)
		return nil
	}
	a.loginTries = 0
	a.o.Metrics.AuthSuccess()
	a.o.Metrics.Authenticated(true)
	a.back()
	if e.Token.Empty() {
		return nil // the token that is in use already
	}
	if !e.Resumed {
		a.log("auth.handler").Info("logged in", "method", methodOf(a.plan.cfg).Type, "session", e.number(), "reason", e.Reason)
	}
	for id, stop := range a.stopKeepers {
		if id < e.keeper {
			stop()
			delete(a.stopKeepers, id)
		}
	}
	first := a.token.Empty()
	a.token = e.Token
	a.writeSinks(e.Resumed)
	if first {
		a.touchReady()
	}
	if e.Session != nil {
		a.hold(e)
		a.save() // the token is in the book before anything is leased with it
		a.sessions.Set(e.Session)
	}
	return nil
}

func (a *Agent) onLoginError(e authEvent) {
	a.o.Metrics.AuthFailure()
	a.o.Metrics.Authenticated(false)
	switch c := vault.ClassOf(e.Err); {
	case fromVault(e.Err) && (c == vault.Transient || c == vault.Sealed):
		a.loginTries = 0
		a.gone(e.Err)
	default:
		if fromVault(e.Err) {
			a.loginTries++
		}
		a.log("auth.handler").Error("login failed; trying again", "error", e.Err, "next_try_in", e.Next.Round(time.Millisecond))
	}
}

func (a *Agent) onUpdate(u watch.Update) {
	a.enter(u) // also what nobody uses any more: somebody must end it
	delete(a.asked, u.Session)
	e := a.entries[u.Request]
	if e == nil {
		a.ledger.dirty = true
		return // no longer used
	}
	e.tries = u.Tries
	if u.Err != nil {
		if !u.Local {
			a.o.Metrics.SecretFailed()
		}
		a.onFetchError(u, e)
		return
	}
	if !u.Local {
		a.o.Metrics.SecretFetched()
		a.back()
	}
	if e.err != nil && e.logged != "" {
		a.log("template.server").Info("the secret can be read again", "secret", u.Request.String())
	}
	was := e.err
	e.err, e.logged = nil, ""
	if u.Lease.Leased() {
		e.full, e.last, a.unsaved = u.Full, u.Last, true
	}
	switch {
	case u.Secret != nil:
		a.onValue(u, e)
	case e.secret == nil && was != nil:
		a.touchUsers(e)
	case e.secret != nil && u.Lease.Leased() && u.Lease.ID == e.secret.Lease.ID:
		e.renewed(u.Lease)
	}
}

// onValue takes over a new value.
func (a *Agent) onValue(u watch.Update, e *entry) {
	var old lease.Lease
	if e.secret != nil {
		old = e.secret.Lease
	}
	if l := a.ledger.lent[old.ID]; l != nil && (u.Reason == watch.ReasonRevoked || u.Reason == watch.ReasonExpired) {
		l.ends.Store(0)
	}
	e.secret, e.session, e.own = u.Secret, u.Session, u.Own
	e.since, e.reason = u.Secret.Lease.IssuedAt, u.Reason
	delete(a.resumable, u.Request)
	// Only what takes another's place can leave something that nothing needs.
	a.ledger.dirty = a.ledger.dirty || old.Leased() || u.Secret.Auth != nil
	a.changed(e, old)
	if l := u.Secret.Lease; l.Leased() && !u.Resumed {
		a.log("template.server").Info("secret leased", "secret", u.Request.String(), "ttl", l.TTL, "renewable", l.Renewable, "reason", u.Reason)
	}
}

// renewed notes a lease's new life. Templates may hold the secret: it is not
// changed, but replaced by a copy.
func (e *entry) renewed(l lease.Lease) {
	s := *e.secret
	s.Lease = l
	e.secret = &s
}

func (a *Agent) onFetchError(u watch.Update, e *entry) {
	first := e.err == nil || e.err.Error() != u.Err.Error()
	e.err = u.Err
	switch vault.ClassOf(u.Err) {
	case vault.Transient, vault.Sealed:
		a.gone(u.Err)
	default:
		if text := u.Err.Error(); e.secret != nil && text != e.logged {
			e.logged = text
			a.log("template.server").Error("the secret can't be read any more; the last good value stays in use", "secret", u.Request.String(), "error", u.Err)
		}
	}
	if e.secret == nil && first {
		a.touchUsers(e) // the execution shows the place in the template
	}
}

// touch has a template executed in the next refresh.
func (a *Agent) touch(u *unit) {
	u.dirty, u.quiet = true, quiet{}
	if !u.queued {
		u.queued = true
		a.queue = append(a.queue, u)
	}
}

func (a *Agent) touchUsers(e *entry) {
	for u := range e.users {
		a.touch(u)
	}
}

// gone says once that Vault does not answer.
func (a *Agent) gone(err error) {
	if !a.away {
		a.awaySince = time.Now()
		a.o.Log.Warn("Vault does not answer; the files stay as they are, trying again until it does", "error", err)
	}
	a.away = true
}

// back says once that Vault answers again.
func (a *Agent) back() {
	if a.away {
		a.o.Log.Info("Vault answers again")
	}
	a.away = false
}

// untilRetry is how long the loop may wait for events.
func (a *Agent) untilRetry() time.Duration {
	next := sooner(sooner(a.retryAt, a.inspectAt), a.dueAt)
	if p := a.process; p != nil && !p.set {
		next = sooner(next, p.startBy)
	}
	if next.IsZero() {
		return 24 * time.Hour
	}
	return max(time.Until(next), 0)
}

// retries tries again what failed on this host.
func (a *Agent) retries() {
	now := time.Now()
	a.revokeDue(now)
	if !a.inspectAt.IsZero() && !now.Before(a.inspectAt) {
		a.inspect(now)
	}
	if a.retryAt.IsZero() || now.Before(a.retryAt) {
		return
	}
	a.retryAt = time.Time{}
	for _, u := range a.plan.units {
		if !u.retryAt.IsZero() && !now.Before(u.retryAt) {
			u.retryAt = time.Time{}
			a.touch(u)
		}
		if !u.quiet.until.IsZero() && !now.Before(u.quiet.until) {
			a.touch(u)
		}
		a.retryAt = sooner(a.retryAt, sooner(u.retryAt, u.quiet.until))
	}
}

// sooner is the earlier of two moments; a zero one is no moment.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// retryLimit is how often a one-shot run tries again before it gives up.
func (a *Agent) retryLimit() int {
	n := a.plan.cfg.Vault.NumRetries
	if a.plan.cfg.Strict {
		n = min(n, 5)
	}
	return n
}

// finished ends a one-shot run: errDone when all is in place, ErrIncomplete
// when something never will be.
func (a *Agent) finished() error {
	cfg := a.plan.cfg
	if cfg.TemplateConfig.ExitOnRetryFailure || cfg.ExitAfterAuth {
		if err := a.hopeless(cfg.ExitAfterAuth); err != nil {
			return err
		}
	}
	if err := a.overdue(); err != nil {
		return err
	}
	if !cfg.ExitAfterAuth || a.token.Empty() || !a.sinksWritten() {
		return nil
	}
	if cfg.Exec != nil {
		return errDone // as Vault Agent: before the child is started
	}
	for _, u := range a.plan.units {
		if !u.settled() || u.flight != nil {
			return nil
		}
	}
	hookErr, idle := a.hooksIdle()
	switch {
	case !idle:
		return nil
	case hookErr != nil && cfg.Strict:
		return fmt.Errorf("%w: %w", ErrIncomplete, hookErr)
	}
	return errDone
}

// hopeless collects what can't be rendered. In a one-shot run it waits for the
// other templates, so that what can be rendered is.
func (a *Agent) hopeless(oneShot bool) error {
	var lost []error
	for _, u := range a.plan.units {
		switch {
		case u.err != nil && (a.exhausted(u) || a.final(u, oneShot)):
			lost = append(lost, u.err)
		case oneShot && !u.settled():
			return nil
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrIncomplete, errors.Join(lost...))
}

// final says whether a failure that is not Vault's ends the run. A program that
// has not been started would wait for it for ever; one that runs has what it
// needs, and so has the reader of a file.
func (a *Agent) final(u *unit, oneShot bool) bool {
	waiting := a.process != nil && !a.process.set && u.cfg.ErrorFatal
	return (oneShot || waiting) && !fromVault(u.err) && u.failed > 0
}

func (a *Agent) exhausted(u *unit) bool {
	for _, r := range u.uses {
		if e := a.entries[r]; e != nil && e.secret == nil && e.tries > a.retryLimit() {
			return true
		}
	}
	return false
}

// notifier is a hook with what the loop knows of it.
type notifier struct {
	*rollout.Notifier
	stop     context.CancelFunc
	want     bool   // a file changed, the hook is not told yet
	notified uint64 // the last change that it was given
	told     uint64 // the last change that it was tried for
	err      error  // of that try
	logged   string
}

func (a *Agent) onTold(t rollout.Told) {
	if t.Key == a.telling {
		a.telling = ""
	}
	n := a.notifiers[t.Key]
	if n == nil {
		return
	}
	n.told, n.err = t.Change, t.Err
	a.unsaved = true
	if t.Err == nil {
		a.confirmed(t.Key)
		a.o.Metrics.HookSucceeded()
		a.log("template.server").Info("application told", "hook", n.Hook().String())
		n.logged = ""
		return
	}
	a.o.Metrics.HookFailed()
	level := slog.LevelDebug
	if text := t.Err.Error(); text != n.logged {
		n.logged, level = text, slog.LevelError
	}
	a.log("template.server").Log(context.Background(), level, "hook failed; the new files stay, trying again", "error", t.Err, "next_try_in", t.Next.Round(time.Millisecond))
}

// hooksIdle says whether nothing is left to be told, and the first failure.
func (a *Agent) hooksIdle() (failure error, idle bool) {
	for _, n := range a.notifiers {
		if n.want || n.told < n.notified {
			return nil, false
		}
		if n.err != nil && failure == nil {
			failure = n.err
		}
	}
	return failure, true
}
