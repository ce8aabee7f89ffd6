package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdStatus: status N program args... runs a program and checks its exit code.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if xe := (*exec.ExitError)(nil); errors.As(err, &xe) {
		got = xe.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdCount: count file N regexp checks how many lines of a file match.
func cmdCount(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: count file N regexp")
	}
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if regexp.MustCompile(args[2]).MatchString(line) {
			n++
		}
	}
	if strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d lines match", n)
	}
}

// cmdNotified: notified FILE is systemd's side: a socket at FILE, whose
// messages go to FILE.log.
func cmdNotified(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: notified file")
	}
	path := ts.MkAbs(args[0])
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	log, err := os.Create(path + ".log")
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, _ = log.Write(append(buf[:n:n], 10))
		}
	}()
	ts.Defer(func() {
		_ = conn.Close()
		<-done
		_ = log.Close()
	})
}

// cmdGet: get unix:SOCKET PATH asks over a socket; the answer is stdout.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get unix:socket path")
	}
	socket := ts.MkAbs(strings.TrimPrefix(args[0], "unix:"))
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://socket" + args[1])
	ts.Check(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s", resp.Status, raw)
	}
	_, err = ts.Stdout().Write(raw)
	ts.Check(err)
}

// cmdRootToken: root-token FILE writes the Vault's root token into a file.
func cmdRootToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: root-token file")
	}
	b, _ := ts.Value(backendKey{}).(*backend)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.vault.RootToken()), 0o600))
}

// cmdUsers: users N checks how many accounts the database has, when what Vault
// does behind its answers is done.
func cmdUsers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: users number")
	}
	b, _ := ts.Value(backendKey{}).(*backend)
	n := 0
	if !within(patience/4, func() bool { n = len(b.db.Users()); return strconv.Itoa(n) == args[0] }) {
		ts.Fatalf("%d users", n)
	}
}
