package method

// Memory keeps some bytes for a method over a restart. They hold secrets: they
// belong where a token may lie, on tmpfs and readable for nobody else.
type Memory interface {
	// Load gives what was saved last; nil when there is nothing.
	Load() []byte
	// Save has replaced what was saved before when it returns nil.
	Save(b []byte) error
}

// renewal is the state of secret_id_renew.
type renewal struct{}
