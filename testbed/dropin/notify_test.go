package dropin

import (
	"net"
	"strings"
	"sync"
)

// notified collects what a program tells systemd.
type notified struct {
	conn *net.UnixConn
	done chan struct{}

	mu   sync.Mutex
	said []string
}

func listenNotify(path string) (*notified, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	n := &notified{conn: conn, done: make(chan struct{})}
	go n.collect()
	return n, nil
}

func (n *notified) collect() {
	defer close(n.done)
	buf := make([]byte, 4096)
	for {
		size, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(buf[:size])) {
			// Times, process ids and texts for people are nobody's contract.
			switch line = strings.TrimSpace(line); line {
			case "READY=1", "RELOADING=1", "STOPPING=1":
				n.mu.Lock()
				n.said = append(n.said, line)
				n.mu.Unlock()
			}
		}
	}
}

// close ends the collection and tells what was said.
func (n *notified) close() string {
	n.conn.Close()
	<-n.done
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.said, "\n")
}
