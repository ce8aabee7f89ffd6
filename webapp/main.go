// Command webapp is a small notes application that shows how a program
// lives with database credentials that change: it reads them from a rendered
// file, follows that file without a restart and without a failed request, and
// reports which version of it is in use.
//
// It does not talk to Vault; the file is all it knows. This package is wiring
// only: flags, signals and the exit code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
	"vault-renderer/webapp/internal/refresh"
	"vault-renderer/webapp/internal/web"
)

const (
	dialTimeout     = 3 * time.Second
	checkTimeout    = 10 * time.Second
	shutdownTimeout = 10 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default is back: a second one ends us at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	config, listen, logFormat string
	ack                       string // "" = only /-/generation tells
	refresh                   string // "" = nobody is told of refused credentials
	showSecrets, check        bool
}

// run is main without the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // said already
	case o.check:
		err = check(ctx, o.config, stdout)
	default:
		err = serve(ctx, o, logger(o.logFormat, stderr))
	}
	if err != nil {
		fmt.Fprintf(stderr, "webapp: error: %s\n", strings.Join(strings.Fields(err.Error()), " ")) // one line
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("webapp", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.config, "config", "config.ini", "`file` with the database credentials; it may come later and change")
	fs.StringVar(&o.listen, "listen", "127.0.0.1:5000", "`address` to serve on")
	fs.BoolVar(&o.showSecrets, "show-secrets", false, "show the configuration page with passwords (for learning only)")
	fs.StringVar(&o.logFormat, "log-format", "text", "text or json")
	fs.StringVar(&o.refresh, "refresh", os.Getenv("WEBAPP_REFRESH"), "the renderer's status `address` (unix:///path/of/socket or http://host:port), told when the database refuses the credentials; WEBAPP_REFRESH")
	fs.StringVar(&o.ack, "ack", os.Getenv("WEBAPP_ACK"), "`file` that gets the digest of the configuration in use, once nothing older is; WEBAPP_ACK")
	fs.BoolVar(&o.check, "check", false, "try the credentials in the file, say on one line whether they work, and exit: 0 yes, 1 no, 2 wrong options; 10s at most")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	var err error
	if fs.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	} else if o.logFormat != "text" && o.logFormat != "json" {
		err = fmt.Errorf("-log-format must be text or json, not %q", o.logFormat)
	}
	if err != nil {
		fmt.Fprintf(stderr, "webapp: error: %v\n", err)
	}
	return o, err
}

func logger(format string, w io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// check tries the file's credentials once, in a bounded time.
func check(ctx context.Context, path string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	creds, err := credfile.Load(path)
	if err != nil {
		return err
	}
	pool, err := dbpool.Open(dbpool.Options{DialTimeout: dialTimeout})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := pool.Use(ctx, web.ConfigOf(creds)); err != nil {
		return err
	}
	fmt.Fprintf(out, "ok: user %q can use database %q at %s:%d\n", creds.User, creds.Database, creds.Host, creds.Port)
	return nil
}

// serve runs the application until ctx ends.
func serve(ctx context.Context, o options, log *slog.Logger) error {
	refused, tell, err := reporter(o.refresh, log)
	if err != nil {
		return err
	}
	pool, err := dbpool.Open(dbpool.Options{DialTimeout: dialTimeout})
	if err != nil {
		return err
	}
	defer pool.Close()
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	watcher := credfile.New(o.config, credfile.Options{Logger: log})
	app := web.New(web.Options{
		Pool: pool, ConfigPath: o.config, ShowSecrets: o.showSecrets, Log: log, Reread: watcher.Reread, Refused: refused, AckPath: o.ack,
	})
	log.Info("listening", "address", listener.Addr().String())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return watcher.Run(ctx, app.Offer) })
	group.Go(func() error { return app.Run(ctx) })
	group.Go(func() error { return tell(ctx) })
	group.Go(func() error { return serveHTTP(ctx, listener, app.Handler(), log) })
	err = group.Wait()
	log.Info("stopped")
	return err
}

// reporter tells the renderer of refused credentials, if it is known.
func reporter(address string, log *slog.Logger) (refused func(string), run func(context.Context) error, err error) {
	if address == "" {
		return nil, func(context.Context) error { return nil }, nil
	}
	r, err := refresh.New(address, log)
	if err != nil {
		return nil, nil, fmt.Errorf("-refresh: %w", err)
	}
	return r.Report, r.Run, nil
}

// serveHTTP answers until ctx ends, then lets running requests finish for a
// bounded time.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		log.Info("stopping", "at most", shutdownTimeout)
		// Its own context: ctx has ended already.
		bound, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		stopped <- errors.Join(srv.Shutdown(bound), srv.Close())
	})()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
