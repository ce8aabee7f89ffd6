package telemetry

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

const (
	unixScheme = "unix://"
	queued     = 4096                   // lines that wait at most; more are dropped
	gather     = 100 * time.Millisecond // between the first line and sending
	patience   = 2 * time.Second        // for a connection, and for a write
	redial     = 5 * time.Second        // after a failure
	packet     = 1400                   // bytes of a datagram
)

// pusher sends lines to a server of the statsd family.
type pusher struct {
	network, address string
	format           func(k kind, key []string, v float64, labels []metrics.Label) string
	newline          bool // after the last line too
	queue            chan string
	log              *slog.Logger

	// Of the goroutine that runs only.
	conn    net.Conn
	buf     []byte
	dialAt  time.Time // not before
	failing bool
}

func newStatsite(address string, log *slog.Logger) *pusher {
	p := newStatsd(address, log)
	p.network = "tcp"
	return p
}

func newStatsd(address string, log *slog.Logger) *pusher {
	return &pusher{
		network: "udp", address: address, format: statsdLine, newline: true,
		queue: make(chan string, queued), log: log,
	}
}

func newDogStatsD(address, hostname string, tags []string, log *slog.Logger) *pusher {
	p := newStatsd(address, log)
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		p.network, p.address = "unixgram", path
	}
	p.newline = false
	p.format = func(k kind, key []string, v float64, labels []metrics.Label) string {
		return dogStatsDLine(k, without(key, hostname), v, tags, labels)
	}
	return p
}

// statsdLine has the labels' values at the end of the name.
func statsdLine(k kind, key []string, v float64, labels []metrics.Label) string {
	name := dotted(key)
	for _, l := range labels {
		name += "." + harmless(l.Value)
	}
	return fmt.Sprintf("%s:%f|%s\n", name, v, unit(k))
}

func dogStatsDLine(k kind, key []string, v float64, tags []string, labels []metrics.Label) string {
	number := strconv.FormatFloat(v, 'f', -1, 64)
	if k == sample {
		number = fmt.Sprintf("%f", v)
	}
	line := dotted(key) + ":" + number + "|" + unit(k)
	all := append([]string{}, tags...)
	for _, l := range labels {
		all = append(all, harmless(l.Name)+":"+harmless(l.Value))
	}
	if len(all) > 0 {
		line += "|#" + strings.Join(all, ",")
	}
	return line + "\n"
}

func unit(k kind) string {
	switch k {
	case gauge:
		return "g"
	case counter:
		return "c"
	}
	return "ms"
}

// record never waits: metrics must not hold up what they count.
func (p *pusher) record(k kind, key []string, v float64, labels []metrics.Label) {
	select {
	case p.queue <- p.format(k, key, v, labels):
	default:
	}
}

// run sends until stop is closed, and then what is left.
func (p *pusher) run(stop <-chan struct{}) {
	var due <-chan time.Time
	for {
		select {
		case line := <-p.queue:
			p.add(line)
			if due == nil {
				due = time.After(gather)
			}
		case <-due:
			p.send()
			due = nil
		case <-stop:
			p.finish()
			return
		}
	}
}

func (p *pusher) finish() {
	for len(p.queue) > 0 {
		p.add(<-p.queue)
	}
	p.send()
	if p.conn != nil {
		_ = p.conn.Close()
	}
}

func (p *pusher) add(line string) {
	if len(p.buf)+len(line) > packet {
		p.send()
	}
	p.buf = append(p.buf, line...)
}

// send drops what it can't send: old metrics are worth nothing later.
func (p *pusher) send() {
	data := p.buf
	p.buf = p.buf[:0]
	if len(data) == 0 || p.conn == nil && time.Now().Before(p.dialAt) {
		return
	}
	if !p.newline {
		data = data[:len(data)-1]
	}
	err := p.write(data)
	if err != nil && !p.failing {
		p.log.Warn("metrics cannot be sent, and are dropped until they can", "address", p.address, "error", err)
	}
	if err == nil && p.failing {
		p.log.Info("metrics are sent again", "address", p.address)
	}
	p.failing = err != nil
}

func (p *pusher) write(data []byte) error {
	if p.conn == nil {
		conn, err := net.DialTimeout(p.network, p.address, patience)
		if err != nil {
			p.dialAt = time.Now().Add(redial)
			return err
		}
		p.conn = conn
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := p.conn.Write(data)
	if err != nil {
		_ = p.conn.Close()
		p.conn, p.dialAt = nil, time.Now().Add(redial)
	}
	return err
}
