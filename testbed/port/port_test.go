package port_test

import (
	"net"
	"testing"

	"vault-renderer/testbed/port"
)

func TestAddress(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		a, err := port.Address()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatalf("%s is not free: %v", a, err)
		}
		defer l.Close()
		if seen[a] {
			t.Errorf("%s was taken", a)
		}
		seen[a] = true
	}
}
