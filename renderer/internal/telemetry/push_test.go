package telemetry

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// packets listens for datagrams; received gives what came until the sender was
// closed.
func packets(t *testing.T, network, address string) (addr string, received func() []string) {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String(), func() (all []string) {
		buf := make([]byte, 65536)
		for {
			// All was sent before: it is in the socket's buffer.
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return all
			}
			if n > packet {
				t.Errorf("a packet of %d bytes", n)
			}
			all = append(all, string(buf[:n]))
		}
	}
}

func withoutRuntime(s string) string {
	return regexp.MustCompile(`(?m)^.*runtime\..*\n?`).ReplaceAllString(s, "")
}

func TestStatsd(t *testing.T) {
	addr, received := packets(t, "udp", "127.0.0.1:0")
	m := start(t, Options{FilterDefault: true, StatsdAddress: addr, EnableHostnameLabel: true, Hostname: "h:1"})
	m.AuthSuccess()
	m.Authenticated(true)
	m.m.AddSample([]string{"a b", "c"}, 1.5)
	m.Close()
	want := "vault.agent.auth.success.h_1:1.000000|c\nvault.agent.authenticated.h_1:1.000000|g\nvault.a_b.c.h_1:1.500000|ms\n"
	if got := withoutRuntime(strings.Join(received(), "")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDogStatsD(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "dog")
	for _, c := range []struct {
		network, listen, scheme string
		o                       Options
		tags                    string
	}{
		{"udp", "127.0.0.1:0", "", Options{}, ""},
		{"udp", "127.0.0.1:0", "", Options{DogStatsDTags: []string{"a:b", "c"}}, "|#a:b,c"},
		{"unixgram", socket, unixScheme, Options{EnableHostnameLabel: true, DogStatsDTags: []string{"a:b"}}, "|#a:b,host:h"},
	} {
		addr, received := packets(t, c.network, c.listen)
		// Two places: so the host would be in the gauge's name.
		c.o.FilterDefault, c.o.DogStatsDAddress, c.o.Hostname, c.o.PrometheusRetentionTime = true, c.scheme+addr, "h", 1
		m := start(t, c.o)
		m.AuthSuccess()
		m.Authenticated(true)
		m.m.AddSample([]string{"s"}, 1.5)
		m.Close()
		got := received()
		want := "vault.agent.auth.success:1|c" + c.tags + "\nvault.agent.authenticated:1|g" + c.tags + "\nvault.s:1.500000|ms" + c.tags
		if len(got) == 0 || strings.HasSuffix(got[len(got)-1], "\n") || strings.TrimSuffix(withoutRuntime(strings.Join(got, "\n")), "\n") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestStatsite(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	m := start(t, Options{FilterDefault: true, StatsiteAddress: l.Addr().String()})
	for range 1000 {
		m.SecretFetched()
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	go func() {
		b, _ := io.ReadAll(conn)
		done <- string(b)
	}()
	m.Close()
	got := <-done
	if n := strings.Count(got, "vault.agent.secret.success:1.000000|c\n"); n != 1000 {
		t.Errorf("%d lines came", n)
	}
}

// locked is a buffer for a logger of another goroutine.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestUnreachable has nobody listen at first. The failure is said once.
func TestUnreachable(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "dog")
	log := &locked{}
	p := newDogStatsD(unixScheme+socket, "h", nil, slog.New(slog.NewTextHandler(log, nil)))
	say := func() {
		p.record(counter, []string{"x"}, 1, nil)
		p.add(<-p.queue)
		p.dialAt = time.Time{}
		p.send()
	}
	say()
	say()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, socket) {
		t.Errorf("log: %s", got)
	}
	_, received := packets(t, "unixgram", socket)
	say()
	if got := received(); len(got) != 1 || got[0] != "x:1|c" {
		t.Errorf("got %q", got)
	}
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "sent again") {
		t.Errorf("log: %s", got)
	}
	p.finish()
}

// TestNobodyWaits fills the queue: counting goes on, lines are dropped.
func TestNobodyWaits(t *testing.T) {
	p := newStatsd("127.0.0.1:1", slog.New(slog.DiscardHandler))
	for range 2 * queued {
		p.record(gauge, []string{"a|b\nc"}, 1, []metrics.Label{{Name: "n", Value: "x:y"}})
	}
	if len(p.queue) != queued {
		t.Errorf("%d lines wait", len(p.queue))
	}
	if got, want := <-p.queue, "a_b_c.x_y:1.000000|g\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
