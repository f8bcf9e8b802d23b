package language_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// use is where a text is written: its id, and the names of the values that it gets. The id may
// be the beginning of several, up to a dot.
type use struct {
	where, id string
	names     []string
}

func (u use) writes(id string) bool {
	return id == u.id || (strings.HasSuffix(u.id, ".") && strings.HasPrefix(id, u.id))
}

func TestTextsThatAreWrittenExistAndGetTheirValues(t *testing.T) {
	t.Parallel()
	english := read(t, "en")
	for _, use := range uses(t) {
		exists := false
		for id, text := range english.Texts {
			if use.writes(id) {
				exists = true
				want, got := places(t, text["other"]), use.names
				if len(text) > 1 && len(got) == len(want)+1 { // the number alone decides on the form
					want = append(want, got[slices.IndexFunc(got, func(name string) bool { return !slices.Contains(want, name) })])
				}
				assert.ElementsMatch(t, want, got, "%s: the values of %s", use.where, id)
			}
		}
		assert.True(t, exists, "%s: there is no text %q", use.where, use.id)
	}
}

func TestTextsThatExistAreWrittenSomewhere(t *testing.T) {
	t.Parallel()
	written := uses(t)
	for id := range read(t, "en").Texts {
		assert.True(t, slices.ContainsFunc(written, func(use use) bool { return use.writes(id) }), "%s is written nowhere", id)
	}
}

// uses finds all calls of Text in the program and in the templates of its pages.
func uses(t *testing.T) []use {
	t.Helper()
	var found []use
	root := os.DirFS("../..")
	require.NoError(t, fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && strings.HasPrefix(entry.Name(), ".") && path != "." {
				return fs.SkipDir
			}
			return err
		}
		switch {
		case strings.HasSuffix(path, "_test.go"):
		case filepath.Ext(path) == ".go":
			found = append(found, usesInGo(t, root, path)...)
		case filepath.Ext(path) == ".html" && strings.Contains(path, "/templates/"):
			found = append(found, usesInTemplate(t, root, path)...)
		}
		return nil
	}))
	require.NotEmpty(t, found)
	return found
}

func usesInGo(t *testing.T, root fs.FS, path string) (found []use) {
	t.Helper()
	source, err := fs.ReadFile(root, path)
	require.NoError(t, err)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	imports := slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"learninglog/internal/language"` })
	ast.Inspect(file, func(node ast.Node) bool {
		call, isCall := node.(*ast.CallExpr)
		if !isCall {
			return true
		}
		method, isMethod := call.Fun.(*ast.SelectorExpr)
		if !isMethod || method.Sel.Name != "Text" || len(call.Args) == 0 || (!imports && !strings.HasPrefix(path, "internal/dashboard/")) {
			return true
		}
		where := files.Position(call.Pos()).String()
		made := use{where: where, id: literal(t, where, call.Args[0])}
		for i := 1; i < len(call.Args); i += 2 {
			made.names = append(made.names, literal(t, where, call.Args[i]))
		}
		assert.True(t, len(call.Args)%2 == 1, "%s: each value has a name", where)
		found = append(found, made)
		return true
	})
	return found
}

// literal returns a constant, or the one with which an expression begins, such as "by."+period.
func literal(t *testing.T, where string, expression ast.Expr) string {
	t.Helper()
	if sum, isSum := expression.(*ast.BinaryExpr); isSum {
		beginning := literal(t, where, sum.X)
		require.True(t, strings.HasSuffix(beginning, "."), "%s: %q ends in a dot", where, beginning)
		return beginning
	}
	constant, isLiteral := expression.(*ast.BasicLit)
	require.True(t, isLiteral, "%s: ids and names are written out, so that they can be looked for", where)
	text, err := strconv.Unquote(constant.Value)
	require.NoError(t, err)
	return text
}

func usesInTemplate(t *testing.T, root fs.FS, path string) (found []use) {
	t.Helper()
	source, err := fs.ReadFile(root, path)
	require.NoError(t, err)
	trees := make(map[string]*parse.Tree)
	page := parse.New(path)
	page.Mode = parse.SkipFuncCheck
	_, err = page.Parse(string(source), "", "", trees)
	require.NoError(t, err)
	for _, tree := range trees {
		walk(tree.Root, func(command *parse.CommandNode) {
			if !isText(command.Args[0]) {
				return
			}
			where, _ := tree.ErrorContext(command)
			made := use{where: where}
			for i, argument := range command.Args[1:] {
				if i > 0 && i%2 == 0 {
					continue // a value
				}
				if i == 0 {
					made.id = literalInTemplate(t, where, argument)
				} else {
					made.names = append(made.names, literalInTemplate(t, where, argument))
				}
			}
			assert.True(t, len(command.Args)%2 == 0, "%s: each value has a name", where)
			found = append(found, made)
		})
	}
	return found
}

// literalInTemplate returns a constant, or the one with which printing begins, such as
// (print "by." .Period).
func literalInTemplate(t *testing.T, where string, node parse.Node) string {
	t.Helper()
	if printed, isPrinted := node.(*parse.PipeNode); isPrinted && len(printed.Cmds) == 1 && printed.Cmds[0].Args[0].String() == "print" {
		beginning := literalInTemplate(t, where, printed.Cmds[0].Args[1])
		require.True(t, strings.HasSuffix(beginning, "."), "%s: %q ends in a dot", where, beginning)
		return beginning
	}
	constant, isLiteral := node.(*parse.StringNode)
	require.True(t, isLiteral, "%s: ids and names are written out, so that they can be looked for", where)
	return constant.Text
}

// isText says whether a command calls .Text, $.Text or the like.
func isText(function parse.Node) bool {
	switch function := function.(type) {
	case *parse.FieldNode:
		return function.Ident[len(function.Ident)-1] == "Text"
	case *parse.VariableNode:
		return function.Ident[len(function.Ident)-1] == "Text"
	default:
		return false
	}
}

// walk visits all commands below a node.
func walk(node parse.Node, visit func(*parse.CommandNode)) {
	branch := func(b *parse.BranchNode) {
		walk(b.Pipe, visit)
		walk(b.List, visit)
		if b.ElseList != nil {
			walk(b.ElseList, visit)
		}
	}
	switch node := node.(type) {
	case *parse.ListNode:
		for _, child := range node.Nodes {
			walk(child, visit)
		}
	case *parse.ActionNode:
		walk(node.Pipe, visit)
	case *parse.TemplateNode:
		if node.Pipe != nil {
			walk(node.Pipe, visit)
		}
	case *parse.IfNode:
		branch(&node.BranchNode)
	case *parse.RangeNode:
		branch(&node.BranchNode)
	case *parse.WithNode:
		branch(&node.BranchNode)
	case *parse.PipeNode:
		for _, command := range node.Cmds {
			walk(command, visit)
		}
	case *parse.CommandNode:
		visit(node)
		for _, argument := range node.Args {
			walk(argument, visit)
		}
	}
}
