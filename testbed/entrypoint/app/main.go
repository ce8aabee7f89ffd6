// Command app is an application for tests of the supervisor: it knows nothing
// of Vault, has its credentials from its environment, and writes what happens to
// it, with the time, as lines into the file APP_LOG.
//
// The variables that it reads: VALUE is what it answers requests with, at the
// socket that it was passed or else at APP_LISTEN. Before that it sleeps for
// APP_STARTUP. With APP_MYSQL (host:port/database) every answer is a look into
// that database as USER with PASSWORD. APP_DRAIN is how long it still works
// after SIGTERM. APP_MODE is "signals" (it writes every signal, and ends at
// SIGTERM) or "regroup" (it leaves its process group).
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sys/unix"
)

func main() {
	say("start")
	err := map[string]func() error{"": serve, "signals": signals, "regroup": regroup}[os.Getenv("APP_MODE")]()
	if err != nil {
		say("error " + err.Error())
		fmt.Fprintln(os.Stderr, "app: error:", err)
		os.Exit(1)
	}
	say("end")
}

// say writes a line: the time, the process, what happened, and to whom.
func say(what string) {
	f, err := os.OpenFile(os.Getenv("APP_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = fmt.Fprintf(f, "%d %d %s %s\n", time.Now().UnixNano(), os.Getpid(), what, os.Getenv("VALUE"))
}

// signals writes every signal that comes, SIGTERM being the last.
func signals() error {
	got := make(chan os.Signal, 128)
	signal.Notify(got)
	say("ready")
	for s := range got {
		number := s.(syscall.Signal)
		if name := unix.SignalName(number); number != syscall.SIGURG && number != syscall.SIGCHLD { // Go's own
			if name == "" {
				name = strconv.Itoa(int(number))
			}
			say("got " + name)
		}
		if number == syscall.SIGTERM {
			return nil
		}
	}
	return nil
}

// regroup moves into the process group of a program that it starts.
func regroup() error {
	other := exec.Command("sleep", "1000")
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := other.Start(); err != nil {
		return err
	}
	if err := syscall.Setpgid(0, other.Process.Pid); err != nil {
		return err
	}
	say("ready")
	return other.Wait()
}

// serve answers until SIGTERM, and then what it accepted before.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pause(ctx, duration("APP_STARTUP"))
	if ctx.Err() != nil {
		return nil
	}
	answer, err := answers(ctx)
	if err != nil {
		return err
	}
	l, err := listen()
	if err != nil {
		return err
	}
	var open, served sync.WaitGroup
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: answer, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Done()
		}
	}}
	s.SetKeepAlivesEnabled(false)
	served.Go(func() { _ = s.Serve(l) })
	say("ready")
	if err := notify("READY=1"); err != nil {
		return err
	}
	<-ctx.Done()
	// Not Shutdown: it hangs up on a request that is read just then.
	_ = l.Close()
	served.Wait()
	open.Wait()
	pause(context.Background(), duration("APP_DRAIN"))
	if p, ok := answer.(*database); ok {
		return p.lastLook()
	}
	return nil
}

// listen gives the socket that was passed, or opens one.
func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") == "" {
		return net.Listen("tcp", os.Getenv("APP_LISTEN"))
	}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, errors.New("the socket is for somebody else")
	}
	return net.FileListener(os.NewFile(3, "listen"))
}

// notify tells who waits for it, as systemd would be told.
func notify(state string) error {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", address)
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, state)
	return errors.Join(err, conn.Close())
}

func answers(ctx context.Context) (http.Handler, error) {
	if os.Getenv("APP_MYSQL") == "" {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, os.Getenv("VALUE")) }), nil
	}
	conf, err := mysql.ParseDSN("u:p@tcp(" + strings.Replace(os.Getenv("APP_MYSQL"), "/", ")/", 1))
	if err != nil {
		return nil, err
	}
	conf.User, conf.Passwd, conf.Logger = os.Getenv("USER"), os.Getenv("PASSWORD"), &mysql.NopLogger{}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, err
	}
	d := &database{sql.OpenDB(connector)}
	return d, d.PingContext(ctx)
}

// database answers each request with the account that it is logged in as.
type database struct{ *sql.DB }

func (d *database) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var who string
	var notes int
	err := d.QueryRowContext(r.Context(), "SELECT CURRENT_USER(), COUNT(*) FROM note").Scan(&who, &notes)
	if err != nil {
		say("error " + err.Error())
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, who)
}

// lastLook logs in anew, as a program may that saves something at its end.
func (d *database) lastLook() error {
	d.SetMaxIdleConns(0)
	return d.PingContext(context.Background())
}

func duration(name string) time.Duration {
	d, err := time.ParseDuration(os.Getenv(name))
	if err != nil {
		return 0
	}
	return d
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
