package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// A state file is one line, with the version and a checksum over version and
// body, and a body of JSON.
const (
	magic   = "vault-renderer-state "
	version = "1" // another one whenever the JSON means something else
)

func seal(body []byte) []byte { return append(header(body), body...) }

func header(body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(magic + version + "\n"))
	h.Write(body)
	return fmt.Appendf(nil, "%s%s sha256:%x\n", magic, version, h.Sum(nil))
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(line)
}

func bindingHash(binding string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte("vault-renderer state binding\n"+binding)))
}

// encode makes the file's bytes; the same ones for the same state.
func encode(st State, binding string) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(toWire(st, bindingHash(binding))); err != nil {
		return nil, err // never with a value in it: of a time or a journal only
	}
	return seal(body.Bytes()), nil
}

// decode reads the file's bytes. Its errors are of type *distrust.
func decode(b []byte, binding string) (*State, error) {
	line, body, ok := bytes.Cut(b, []byte("\n"))
	switch {
	case !bytes.HasPrefix(line, []byte(magic)):
		return nil, damaged("it does not begin as a state file does")
	case !bytes.HasPrefix(line, []byte(magic+version+" ")):
		return nil, foreign("another version of vault-renderer wrote it, or it is damaged")
	case !ok || !bytes.Equal(b[:len(line)+1], header(body)):
		return nil, damaged("its checksum is wrong: it was cut off or changed")
	}
	var w wireState
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, damaged("it holds no valid JSON") // the error itself may quote a value
	}
	if w.Binding != bindingHash(binding) {
		return nil, foreign("it belongs to another configuration: another Vault server, or another way to log in")
	}
	return fromWire(w)
}
