// Package port finds ports for programs that are started later.
package port

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The kernel takes the local ports of outgoing connections from 32768 on: one of
// those, free now, may belong to a client when the program wants it.
const first, last = 15000, 32000

// Free gives a port of 127.0.0.1 that nobody listens at.
func Free() (int, error) {
	for range 100 {
		n := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n)))
		if err != nil {
			continue
		}
		return n, l.Close()
	}
	return 0, errors.New("no port of 127.0.0.1 is free between " + strconv.Itoa(first) + " and " + strconv.Itoa(last))
}

// Address is a free port with its host: 127.0.0.1:port.
func Address() (string, error) {
	n, err := Free()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n)), err
}
