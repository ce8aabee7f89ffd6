// Package kdc is a Kerberos key distribution centre of one realm, in memory,
// on a loopback port (TCP only). It demands pre-authentication and checks what
// a real one checks: keys, times, the authenticator and its checksum. It knows
// no referrals, no renewals and no FAST armour.
package kdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
)

// KDC is a running centre.
type KDC struct {
	realm string
	l     net.Listener
	done  sync.WaitGroup

	mu    sync.Mutex
	keys  *keytab.Keytab // of all principals
	asked []Request
}

// Request is one request that was granted or refused.
type Request struct {
	Kind    string // AS, TGS
	Client  string
	Service string
	PreAuth bool   // AS: the request carried an encrypted time
	FAST    bool   // AS: the client offered to negotiate FAST
	Refused string // "" = granted
}

// Start starts a centre for realm. Close ends it.
func Start(realm string) (*KDC, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("kdc: %w", err)
	}
	k := &KDC{realm: realm, l: l, keys: keytab.New()}
	if err := k.Add("krbtgt/"+realm, "of this realm only", AES256); err != nil {
		l.Close()
		return nil, err
	}
	k.done.Go(k.serve)
	return k, nil
}

// The types of keys.
const (
	AES128 = 17 // aes128-cts-hmac-sha1-96
	AES256 = 18 // aes256-cts-hmac-sha1-96
)

// Add makes a principal with keys of the given types, derived from password.
func (k *KDC) Add(principal, password string, types ...int32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return add(k.keys, principal, k.realm, password, types)
}

func add(kt *keytab.Keytab, principal, realm, password string, types []int32) error {
	for _, t := range types {
		if err := kt.AddEntry(principal, realm, password, time.Now(), 1, t); err != nil {
			return fmt.Errorf("kdc: key of %s: %w", principal, err)
		}
	}
	return nil
}

// Keytab gives a keytab file for a principal as Add made it.
func (k *KDC) Keytab(principal, password string, types ...int32) ([]byte, error) {
	kt := keytab.New()
	if err := add(kt, principal, k.realm, password, types); err != nil {
		return nil, err
	}
	return kt.Marshal()
}

// Conf gives a krb5.conf with which clients find this centre.
func (k *KDC) Conf() string {
	return fmt.Sprintf(`[libdefaults]
  default_realm = %[1]s
  dns_lookup_kdc = false
  dns_lookup_realm = false
  udp_preference_limit = 1
[realms]
  %[1]s = {
    kdc = %[2]s
  }
`, k.realm, k.l.Addr())
}

// Asked gives all requests so far.
func (k *KDC) Asked() []Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Request(nil), k.asked...)
}

// Close ends the centre and waits for its goroutines.
func (k *KDC) Close() {
	_ = k.l.Close()
	k.done.Wait()
}

func (k *KDC) serve() {
	for {
		c, err := k.l.Accept()
		if err != nil {
			return
		}
		k.done.Go(func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_ = k.exchange(c)
		})
	}
}

// exchange answers one request: length and message, both ways.
func (k *KDC) exchange(c net.Conn) error {
	var n uint32
	if err := binary.Read(c, binary.BigEndian, &n); err != nil {
		return err
	}
	if n > 1<<20 {
		return errors.New("request too long")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	answer, err := k.answer(b)
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...))
	return err
}

func (k *KDC) note(r Request) {
	k.asked = append(k.asked, r)
}

func principal(names []string) string { return strings.Join(names, "/") }
