// Package formats renders every file of templates/ with the program itself, and
// reads the results back with parsers that others wrote.
package formats
