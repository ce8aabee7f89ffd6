package tmpl

import (
	"errors"
	"fmt"
	"reflect"
)

// Numbers: whole ones stay whole (of an int and a uint comes an int), and with
// a fraction everything is one. The second operand comes first, for pipes.

var errZero = errors.New("division by zero")

type number interface{ ~int64 | ~uint64 | ~float64 }

// operands brings two numbers to one type and gives them to the function of
// that type.
func operands(b, a any, i func(a, b int64) (any, error), u func(a, b uint64) (any, error), f func(a, b float64) (any, error)) (any, error) {
	av, bv := reflect.ValueOf(a), reflect.ValueOf(b)
	for _, v := range []reflect.Value{av, bv} {
		if !v.CanInt() && !v.CanFloat() && !unsigned(v) {
			return nil, fmt.Errorf("numbers are needed, not %T and %T", a, b)
		}
	}
	switch {
	case av.CanFloat() || bv.CanFloat():
		return f(float(av), float(bv))
	case unsigned(av) && unsigned(bv):
		return u(av.Uint(), bv.Uint())
	}
	return i(whole(av), whole(bv))
}

// unsigned is CanUint less uintptr.
func unsigned(v reflect.Value) bool { return v.CanUint() && v.Kind() != reflect.Uintptr }

func whole(v reflect.Value) int64 {
	if v.CanInt() {
		return v.Int()
	}
	return int64(v.Uint()) //nolint:gosec // wraps as consul-template's does
}

func float(v reflect.Value) float64 {
	switch {
	case v.CanFloat():
		return v.Float()
	case v.CanInt():
		return float64(v.Int())
	}
	return float64(v.Uint())
}

func add(b, a any) (any, error) {
	return operands(b, a, plus[int64], plus[uint64], plus[float64])
}

func subtract(b, a any) (any, error) {
	return operands(b, a, minus[int64], minus[uint64], minus[float64])
}

func multiply(b, a any) (any, error) {
	return operands(b, a, times[int64], times[uint64], times[float64])
}

func divide(b, a any) (any, error) {
	return operands(b, a, by[int64], by[uint64], func(a, b float64) (any, error) { return a / b, nil })
}

func modulo(b, a any) (any, error) {
	return operands(b, a, rest[int64], rest[uint64], func(float64, float64) (any, error) {
		return nil, errors.New("whole numbers are needed")
	})
}

func plus[T number](a, b T) (any, error)  { return a + b, nil }
func minus[T number](a, b T) (any, error) { return a - b, nil }
func times[T number](a, b T) (any, error) { return a * b, nil }

func by[T int64 | uint64](a, b T) (any, error) {
	if b == 0 {
		return nil, errZero
	}
	return a / b, nil
}

func rest[T int64 | uint64](a, b T) (any, error) {
	if b == 0 {
		return nil, errZero
	}
	return a % b, nil
}

func minimum(b, a any) (any, error) {
	return operands(b, a,
		func(x, y int64) (any, error) { return pick(x < y, a, b), nil },
		func(x, y uint64) (any, error) { return pick(x < y, a, b), nil },
		func(x, y float64) (any, error) { return pick(x < y, a, b), nil })
}

func maximum(b, a any) (any, error) {
	return operands(b, a,
		func(x, y int64) (any, error) { return pick(x > y, a, b), nil },
		func(x, y uint64) (any, error) { return pick(x > y, a, b), nil },
		func(x, y float64) (any, error) { return pick(x > y, a, b), nil })
}

// pick gives the first value or the second, as the widest type of its kind.
func pick(first bool, a, b any) any {
	v := reflect.ValueOf(b)
	if first {
		v = reflect.ValueOf(a)
	}
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanFloat():
		return v.Float()
	}
	return v.Uint()
}
