package main

import "testing"

func TestFleetFigures(t *testing.T) {
	out := []byte(`=== RUN   TestFleet/restarted
    fleet_test.go:1: restarted: peak 334.0/s, mean 89.7/s, ratio 3.72, 200601 requests at the start, 100000 credentials made anew
    fleet_test.go:1: restarted and resumed: peak 329.0/s, mean 92.2/s, ratio 3.57, 201182 requests at the start, 0 credentials made anew
    fleet_test.go:1: idle: peak 0.0/s, mean 0.0/s, ratio 1.00, 0 requests at the start, 0 credentials made anew
`)
	for name, want := range map[string]fleetResult{
		"restarted":             {334, 89.7, 100000},
		"restarted and resumed": {329, 92.2, 0},
	} {
		if got, err := fleetFigures(out, name); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"with jitter", "idle"} {
		if _, err := fleetFigures(out, name); err == nil {
			t.Errorf("%s: figures out of nothing", name)
		}
	}
}
