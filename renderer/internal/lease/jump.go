package lease

import "time"

// Jump notices that time did not go on evenly: the host slept, a virtual
// machine was paused, the clock was set. The zero value is ready for its first
// Tick.
type Jump struct {
	started bool
	wall    time.Time
	mono    time.Duration
}

// jumpSlack is how far clocks may be apart, and how late a tick may be, before
// it counts: a busy host is late too.
const jumpSlack = 2 * time.Second

// Tick takes what the clocks show: the time of day, and the time since some
// moment by a clock that nobody sets; expected is how long after the Tick before
// this one was due. It gives by how much time jumped, 0 = it did not: how far the
// time of day ran ahead of the other clock (below zero: behind), or when the two
// agree, how late the tick is.
func (j *Jump) Tick(wall time.Time, mono, expected time.Duration) (by time.Duration) {
	wall = wall.Round(0) // a time of day, and nothing else
	if j.started {
		passed := mono - j.mono
		by = wall.Sub(j.wall) - passed
		if by.Abs() <= jumpSlack {
			by = passed - expected
			if by <= jumpSlack {
				by = 0
			}
		}
	}
	j.started, j.wall, j.mono = true, wall, mono
	return by
}
