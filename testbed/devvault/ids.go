package devvault

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
)

// Identifiers are made under mu (or in New), so Rand needs no lock of its own.

func (s *Server) bytes(n int) []byte {
	b := make([]byte, n)
	r := s.o.Rand
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, b); err != nil {
		panic("devvault: Options.Rand: " + err.Error())
	}
	return b
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// randomString is slightly biased, which is fine for a fake.
func (s *Server) randomString(n int) string {
	b := s.bytes(n)
	for i := range b {
		b[i] = base62[int(b[i])%len(base62)]
	}
	return string(b)
}

func (s *Server) tokenID() string { return "hvs." + s.randomString(24) }

func (s *Server) uuid() string {
	b := s.bytes(16)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Server) base64ID(n int) string { return base64.StdEncoding.EncodeToString(s.bytes(n)) }
