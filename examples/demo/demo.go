package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vault-renderer/testbed/mariadb"
)

const (
	startTimeout = 30 * time.Second // of the programs, once the servers run
	dropGrace    = 5 * time.Second  // Vault's own time to drop an account whose lease has lapsed
)

// demo is one run.
type demo struct {
	*timeline
	o options
	w *workspace

	db    *mariadb.Server
	vault *vault
	page  string // host:port of the application

	events           *events
	accounts         *accounts
	trickle          *trickle
	renderer, webapp *child
}

// run shows everything in w until ctx ends or the wanted time is over, and
// stops what it started. An error means that there is nothing to sum up.
func run(ctx context.Context, o options, w *workspace) (s *summary, err error) {
	d := &demo{timeline: &timeline{began: time.Now(), colour: o.colour, out: o.out}, o: o, w: w}
	d.events = &events{timeline: d.timeline}
	defer func() {
		switch cerr := d.close(); {
		case s != nil:
			s.add(cerr)
		default:
			err = errors.Join(err, cerr)
		}
	}()
	d.note("The database credentials of a running web application change every few seconds,",
		"and no request fails. Below: what each part does, as it happens.")
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	d.accounts = &accounts{timeline: d.timeline, db: d.db, born: map[string]time.Time{}}
	if err := d.launch(ctx); err != nil {
		return nil, err
	}
	return d.show(ctx)
}

// prepare starts the servers and builds the programs, side by side.
func (d *demo) prepare(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.build(gctx) })
	group.Go(func() error { return d.startMariaDB(gctx) })
	group.Go(func() error { return d.startVault(gctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	return d.bootstrap(ctx)
}

// launch starts both programs, the application first: it may wait for its
// credentials, and shows so.
func (d *demo) launch(ctx context.Context) (err error) {
	if d.page, err = freePort(d.o.port); err != nil {
		return err
	}
	if d.webapp, err = startChild("webapp", d.webappCommand(), d.events.webapp, d.events.webapp); err != nil {
		return err
	}
	cmd, err := d.rendererCommand()
	if err != nil {
		return err
	}
	hook := func(line string) { d.say(fromHook, "%s", line) }
	if d.renderer, err = startChild("vault-renderer", cmd, hook, d.events.renderer); err != nil {
		return err
	}
	return nil
}

// show lets it run, then winds it down and sums up.
func (d *demo) show(ctx context.Context) (*summary, error) {
	background, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFollowing()
	var followers errgroup.Group
	followers.Go(func() error { return d.accounts.follow(background) })
	if err := d.untilReady(ctx); err != nil {
		stopFollowing()
		return nil, errors.Join(err, followers.Wait())
	}
	d.announce()
	s := &summary{vault: d.vault.name}
	d.trickle = newTrickle(d.timeline, "http://"+d.page)
	ran, err := d.watch(ctx)
	if err != nil {
		d.warn(fromDemo, "%v", err)
		s.add(err)
	}
	s.expected = err == nil && (d.o.run > 0 || ran > d.o.leaseMax+dropGrace)
	stopFollowing()
	s.add(followers.Wait())
	d.windDown(s)
	d.sumUp(s)
	return s, nil
}

// announce tells where to look, once there is something to see.
func (d *demo) announce() {
	until := "until Ctrl-C"
	if d.o.run > 0 {
		until = fmt.Sprintf("for %v", d.o.run)
	}
	d.note(
		fmt.Sprintf("The page:          http://%s/", d.page),
		fmt.Sprintf("Its credentials:   http://%s/config (reload it: the user changes)", d.page),
		fmt.Sprintf("Requests:          %d a second, %s", time.Second/requestEvery, until),
	)
}

// untilReady waits for the application's first credentials.
func (d *demo) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the application did not become ready in time"))
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if r, err := client.Get("http://" + d.page + "/-/ready"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-d.renderer.done:
			return d.renderer.ended()
		case <-d.webapp.done:
			return d.webapp.ended()
		case <-tick.C:
		}
	}
}

// watch makes requests until it is time to stop.
func (d *demo) watch(ctx context.Context) (ran time.Duration, err error) {
	if d.o.run > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.o.run)
		defer cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	began, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		d.trickle.run(ctx)
	}()
	select {
	case <-ctx.Done():
	case <-d.renderer.done:
		err = d.renderer.ended()
	case <-d.webapp.done:
		err = d.webapp.ended()
	}
	cancel()
	<-done
	return time.Since(began), err
}

// windDown stops the programs and waits for Vault to drop the last accounts:
// nobody revokes anything by hand.
func (d *demo) windDown(s *summary) {
	d.say(fromDemo, "stopping the application and the renderer")
	var running []*child
	for _, c := range []*child{d.webapp, d.renderer} {
		select {
		case <-c.done: // by itself, which was noted
		default:
			c.terminate()
			running = append(running, c)
		}
	}
	for _, c := range running {
		s.add(c.wait())
	}
	wait := d.o.leaseMax + dropGrace
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	s.add(d.accounts.poll(ctx))
	if len(d.accounts.born) > 0 {
		d.say(fromDemo, "nobody renews leases any more: waiting for Vault to drop the last accounts by itself (at most %v)", wait)
	}
	s.add(d.accounts.untilGone(ctx))
}

func (d *demo) sumUp(s *summary) {
	s.took = time.Since(d.began)
	s.rotations, s.logins = int(d.events.rotations.Load()), int(d.events.logins.Load())
	s.requests, s.failed = d.trickle.counts()
	s.failures = d.trickle.failures()
	s.made = d.accounts.made
	for user := range d.accounts.born {
		s.left = append(s.left, user)
	}
}

// add notes an error, if it is a new one.
func (s *summary) add(err error) {
	if err != nil && !slices.Contains(s.wrong, err.Error()) {
		s.wrong = append(s.wrong, err.Error())
	}
}

// close ends whatever still runs.
func (d *demo) close() error {
	for _, c := range []*child{d.webapp, d.renderer} {
		if c != nil {
			c.kill()
		}
	}
	var err error
	if d.vault != nil {
		err = d.vault.stop()
	}
	if d.db != nil {
		err = errors.Join(err, d.db.Stop())
	}
	return err
}
