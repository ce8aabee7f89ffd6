package rollout

// Outcome says how an Attempt ended.
type Outcome int

// How an Attempt ends.
const (
	goOn Outcome = iota // it has not

	Unchanged   // all files have these contents already; nobody was told
	Acked       // the application uses the new generation; without acks: its hooks succeeded
	CheckFailed // a check refused the staged files; nothing changed
	NotPlaced   // a file could not be staged, kept or renamed; what stood before stands
	Refused     // a hook or an ack failed: the files before are back and the application was told
	Kept        // likewise, but there is no way back: the new files stay
	Stopped     // the context ended; Result.Journal says where
)

// String names o for logs.
func (o Outcome) String() string {
	switch o {
	case Unchanged:
		return "unchanged"
	case Acked:
		return "acknowledged"
	case CheckFailed:
		return "check failed"
	case NotPlaced:
		return "not placed"
	case Refused:
		return "refused"
	case Kept:
		return "kept without acknowledgement"
	case Stopped:
		return "stopped"
	}
	return "under way"
}

// Result is how an Attempt ended, and what it left.
type Result struct {
	Outcome Outcome
	// Changed says, by Outputs, which destinations got other contents; with
	// Refused they have the earlier ones again.
	Changed []bool
	// Err is why: nil with Unchanged and Acked, unless something could not be
	// recorded or tidied up.
	Err error
	// Journal is what stands now without an ack, to Resume or to put newer
	// contents Over; the zero Journal when everything that stands is settled.
	// That may be what Over was.
	Journal Journal
}
