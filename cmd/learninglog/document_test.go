package main_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// written is the OpenAPI document, to compare with what a service does.
type written struct {
	root any
	// operations are by method; those whose paths have fewer parameters come first.
	operations map[string][]writtenOperation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by their places
}

type writtenOperation struct {
	path      string // as it is written
	pattern   *regexp.Regexp
	responses map[string]any // by status
	at        string         // the place of the responses
}

// readDocument returns the document of the program. What it leaves out of an answer is
// wrong, although clients must expect more fields: they may come with a later version.
func readDocument(program string) (*written, error) {
	text, err := exec.Command(program, "openapi").Output()
	if err != nil {
		return nil, fmt.Errorf("printing the OpenAPI document: %w", err)
	}
	var inYAML any
	if err := yaml.Unmarshal(text, &inYAML); err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	inJSON, err := json.Marshal(inYAML)
	if err != nil {
		return nil, err
	}
	inJSON = bytes.ReplaceAll(inJSON, []byte(`"additionalProperties":true`), []byte(`"additionalProperties":false`))
	w := &written{compiler: jsonschema.NewCompiler(), schemas: make(map[string]*jsonschema.Schema), operations: make(map[string][]writtenOperation)}
	if w.root, err = jsonschema.UnmarshalJSON(bytes.NewReader(inJSON)); err != nil {
		return nil, err
	}
	w.compiler.DefaultDraft(jsonschema.Draft2020)
	w.compiler.AssertFormat()
	if err := w.compiler.AddResource(documentURL, w.root); err != nil {
		return nil, err
	}
	for path, item := range w.find("/paths").(map[string]any) { //nolint:forcetypeassert // of a document; a panic says that it is none
		for method := range item.(map[string]any) { //nolint:forcetypeassert // the same
			w.addOperation(strings.ToUpper(method), path, pointer("", "paths", path, method, "responses"))
		}
	}
	for _, operations := range w.operations {
		slices.SortFunc(operations, func(a, b writtenOperation) int {
			return cmp.Or(strings.Count(a.path, "{")-strings.Count(b.path, "{"), strings.Compare(a.path, b.path))
		})
	}
	return w, nil
}

const documentURL = "https://learninglog.example/openapi.json"

func (w *written) addOperation(method, path, at string) {
	parameter := regexp.MustCompile(`\\\{[^/]+\\\}`)
	pattern := regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$")
	responses, _ := w.find(at).(map[string]any)
	w.operations[method] = append(w.operations[method], writtenOperation{path, pattern, responses, at})
}

// pointer returns the place of something below another one.
func pointer(at string, names ...string) string {
	for _, name := range names {
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return at
}

// find returns what is at a place, or nil.
func (w *written) find(at string) any {
	found := w.root
	if at == "" {
		return found
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(at, "/"), "/") {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		switch in := found.(type) {
		case map[string]any:
			found = in[name]
		case []any:
			i, _ := strconv.Atoi(name)
			found = in[i]
		default:
			return nil
		}
	}
	return found
}

// follow returns the place where something is, which may be a reference to elsewhere.
func (w *written) follow(at string) string {
	if found, ok := w.find(at).(map[string]any); ok {
		if reference, ok := found["$ref"].(string); ok {
			return strings.TrimPrefix(reference, "#")
		}
	}
	return at
}

// validate returns what is wrong with a value by the schema at a place.
func (w *written) validate(at string, value any) error {
	schema, err := w.schema(at)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (w *written) schema(at string) (*jsonschema.Schema, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if schema := w.schemas[at]; schema != nil {
		return schema, nil
	}
	schema, err := w.compiler.Compile(documentURL + "#" + strings.ReplaceAll(at, "%", "%25"))
	if err != nil {
		return nil, fmt.Errorf("the schema at %s: %w", at, err)
	}
	w.schemas[at] = schema
	return schema, nil
}

// validateText returns what is wrong with the text of a body by the media type at a place.
func (w *written) validateText(at string, text []byte) error {
	if w.find(pointer(at, "x-itemSchema")) != nil {
		for line := range bytes.Lines(text) {
			if err := w.validateJSON(pointer(at, "x-itemSchema"), line); err != nil {
				return err
			}
		}
		return nil
	}
	if strings.HasSuffix(at, "json") {
		return w.validateJSON(pointer(at, "schema"), text)
	}
	return nil // text for people, or of another format
}

func (w *written) validateJSON(at string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	return w.validate(at, value)
}

// problemMedia is where problems are documented that no operation answers.
const problemSchema, problemMedia = "/components/schemas/Problem", "application/problem+json"

// compare returns how an answer differs from the document. Pages aren't documented, except
// for their problems.
func (w *written) compare(request *http.Request, answer *http.Response, body []byte) error {
	mediaType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	method := request.Method
	hasBody := method != http.MethodHead && len(body) > 0
	if method == http.MethodHead {
		method = http.MethodGet
	}
	kind := ""
	if mediaType == problemMedia && hasBody {
		if err := w.validateJSON(problemSchema, body); err != nil {
			return err
		}
		var is struct{ Type string }
		_ = json.Unmarshal(body, &is) // it is a problem
		kind = strings.TrimPrefix(is.Type, "/problems/")
	}
	path := request.URL.Path
	i := slices.IndexFunc(w.operations[method], func(o writtenOperation) bool { return o.pattern.MatchString(path) })
	if i < 0 || slices.Contains([]string{"malformed-request", "method-not-allowed"}, kind) {
		return nil
	}
	status := strconv.Itoa(answer.StatusCode)
	operation := w.operations[method][i]
	if operation.responses[status] == nil {
		return fmt.Errorf("the document doesn't have the status")
	}
	response := w.follow(pointer(operation.at, status))
	if !hasBody {
		return nil
	}
	media := pointer(response, "content", mediaType)
	if w.find(media) == nil {
		return fmt.Errorf("the document doesn't have the media type %q", mediaType)
	}
	if kind != "" && w.find(pointer(media, "examples", kind)) == nil {
		return fmt.Errorf("the document has no example of the problem %q", kind)
	}
	return w.validateText(media, body)
}
