package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"vault-renderer/renderer/internal/status"
)

// fakeStatus is a program that answers as an agent would, with the report that
// stands in a file: fake-status ADDRESS FILE. The file may change. FILE.up is
// there once it answers.
func fakeStatus() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := status.Serve(status.ServeOptions{Address: os.Args[1]}, status.Source{
		Report: func(context.Context) (r status.Report, err error) {
			raw, err := os.ReadFile(os.Args[2])
			if err == nil {
				err = json.Unmarshal(raw, &r)
			}
			return r, err
		},
		Refresh: func(string) {},
	})
	if err == nil {
		err = os.WriteFile(os.Args[2]+".up", nil, 0o600)
	}
	if err == nil {
		err = s.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 400 * time.Millisecond: "0s", 59 * time.Second: "59s", 60 * time.Second: "1m", 61 * time.Second: "1m1s",
		time.Hour - time.Second: "59m59s", time.Hour + 59*time.Second: "1h", 25*time.Hour + time.Minute: "1d1h", 48 * time.Hour: "2d",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	now := time.Now()
	for d, want := range map[time.Duration]string{0: "now", time.Minute: "in 1m", -time.Minute: "1m ago"} {
		at := now.Add(d)
		if got := (clock{now}).at(&at); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}
