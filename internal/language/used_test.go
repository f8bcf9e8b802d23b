package language_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// use is where a text is written: its id, and the names of the values that it gets.
type use struct {
	where, id string
	names     []string
}

func TestTextsThatAreWrittenExistAndGetTheirValues(t *testing.T) {
	t.Parallel()
	english := read(t, "en")
	for _, use := range uses(t) {
		text, exists := english.Texts[use.id]
		if !assert.True(t, exists, "%s: there is no text %q", use.where, use.id) {
			continue
		}
		want := places(t, text["other"])
		if unseen := slices.DeleteFunc(slices.Clone(use.names), func(name string) bool { return slices.Contains(want, name) }); len(text) > 1 && len(unseen) == 1 {
			want = append(want, unseen[0]) // a number that does no more than decide on the form
		}
		assert.ElementsMatch(t, want, use.names, "%s: the values of %s", use.where, use.id)
	}
}

func TestTextsThatExistAreWrittenSomewhere(t *testing.T) {
	t.Parallel()
	written := uses(t)
	for id := range read(t, "en").Texts {
		assert.True(t, slices.ContainsFunc(written, func(use use) bool { return use.id == id }), "%s is written nowhere", id)
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
		assert.Equal(t, 1, len(call.Args)%2, "%s: each value has a name", where)
		found = append(found, made)
		return true
	})
	return found
}

func literal(t *testing.T, where string, expression ast.Expr) string {
	t.Helper()
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
			assert.Zero(t, len(command.Args)%2, "%s: each value has a name", where)
			found = append(found, made)
		})
	}
	return found
}

func literalInTemplate(t *testing.T, where string, node parse.Node) string {
	t.Helper()
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

// Whoever reads German or Japanese must not find an English word on a page that is translated.
func TestTranslatedTemplatesHaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	markup := regexp.MustCompile(`(?s)<(script|style|code|pre)\b.*?</(script|style|code|pre)>|<[^>]*>`)
	spoken := regexp.MustCompile(`\b(aria-label|title|alt|placeholder|content)="([^"{]*[A-Za-z]{2}[^"{]*)"`)
	word := regexp.MustCompile(`\p{L}{2,}`)
	known := []string{"learninglog"}
	for _, name := range []string{"layout", "learner", "start", "login", "share", "problem"} {
		source, err := os.ReadFile("../dashboard/templates/" + name + ".html")
		require.NoError(t, err)
		text := regexp.MustCompile(`(?s)\{\{.*?\}\}`).ReplaceAllString(string(source), "")
		for _, found := range spoken.FindAllStringSubmatch(text, -1) {
			if found[1] != "content" { // of a meta element
				assert.Contains(t, []string{"llk_…"}, found[2], "%s: %s", name, found[0])
			}
		}
		for _, found := range word.FindAllString(markup.ReplaceAllString(text, " "), -1) {
			assert.Contains(t, known, found, "%s.html has a word that isn't in the files of languages", name)
		}
	}
}
