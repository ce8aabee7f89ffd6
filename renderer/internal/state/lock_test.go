package state_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/state"
)

const holdEnv = "STATE_TEST_HOLD"

// TestMain lets the test binary be the other process.
func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

// hold saves a state, says so, and waits to be killed.
func hold(path string) {
	s, _, err := state.Open(state.Options{Path: path, Binding: "this", Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = s.Save(small())
	}
	fmt.Println("held:", err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test is
	os.Exit(1)
}

// TestOneProcess: the file is one process's, until that ends, however it ends.
func TestOneProcess(t *testing.T) {
	d := newDir(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+d.path)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held: <nil>\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _, err = state.Open(d.options())
	if !errors.Is(err, state.ErrInUse) {
		t.Errorf("not refused: %v", err)
	} else if text := err.Error(); !strings.Contains(text, d.path) || !strings.Contains(text, strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("the error names neither file nor process: %s", text)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	want := small()
	if diff := difference(&want, d.again(t)); diff != "" {
		t.Error(diff)
	}
}

func TestOneStore(t *testing.T) {
	d := newDir(t)
	s, _ := d.open(t)
	if _, _, err := state.Open(d.options()); !errors.Is(err, state.ErrInUse) {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.again(t)
}

// TestLockComesAndGoes: owners that remove the lock behind them never let two
// others have it at once.
func TestLockComesAndGoes(t *testing.T) {
	d := newDir(t)
	holders := make(chan int, 1)
	errs := make(chan error)
	const workers, rounds = 4, 50
	for range workers {
		go func() { errs <- contend(d.path, holders, rounds) }()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func contend(path string, holders chan int, rounds int) error {
	for n := 0; n < rounds; {
		s, _, err := state.Open(state.Options{Path: path, Binding: "this", Log: slog.New(slog.DiscardHandler)})
		if errors.Is(err, state.ErrInUse) {
			continue
		}
		if err != nil {
			return err
		}
		select {
		case holders <- n:
		default:
			return errors.New("two stores at once")
		}
		<-holders
		if err := errors.Join(s.Remove(), s.Close()); err != nil {
			return err
		}
		n++
	}
	return nil
}

// TestLockIsNoLink: nobody makes us lock, or write into, a file of theirs.
func TestLockIsNoLink(t *testing.T) {
	d := newDir(t)
	d.saved(t, small())
	victim := d.path + ".victim"
	if err := errors.Join(os.WriteFile(victim, []byte("whole"), 0o600), os.Remove(d.path+".lock"), os.Symlink(victim, d.path+".lock")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := state.Open(d.options()); err == nil {
		t.Error("a link was followed")
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "whole" {
		t.Errorf("%q, %v", b, err)
	}
}
