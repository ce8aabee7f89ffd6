// Package dropin runs the same configurations through the real Vault Agent and
// through vault-renderer, on one real Vault, and compares what both did: exit
// code, files with their bytes, modes and owners, tokens in the sinks. It has
// no code of its own, only the test and its cases.
//
// A case is one file in testdata/cases: directives, one a line, and then the
// files of a directory, as a txtar archive. case_test.go lists the directives.
// One case is run by
//
//	go test ./testbed/dropin -run 'TestDropIn/NAME'
//
// testdata/differences.txt holds the differences that are meant to be,
// testdata/surface.txt every key, flag and variable of Vault Agent, and
// testdata/not-compared.txt those of them that no case uses, with the reason.
package dropin
