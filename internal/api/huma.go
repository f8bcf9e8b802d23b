package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/problem"
)

const (
	tagLogs       = "Learning logs"
	tagSummaries  = "Summaries"
	tagRebuilds   = "Rebuilds"
	tagLearners   = "Learners"
	tagKeys       = "Keys"
	tagOperations = "Operations"
)

// securityBearer is how the document names keys and tokens.
const securityBearer = "bearer"

func (s *server) newHumaConfig() huma.Config {
	config := huma.DefaultConfig("learninglog", cmp.Or(s.Version, "unreleased"))
	config.Info.Description = s.guide()
	config.Info.Contact = &huma.Contact{Name: "The operator of the service"}
	config.Servers = []*huma.Server{{URL: "/", Description: "The service that this document is from"}}
	config.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	config.Tags = []*huma.Tag{
		{Name: tagLogs, Description: "Post learning logs, one or many, as often as the network makes you."},
		{Name: tagSummaries, Description: "Totals and averages per day, week, month and year, by the learner's own clock."},
		{Name: tagRebuilds, Description: "Verify and repair the rollups while everybody goes on writing."},
		{Name: tagLearners, Description: "What learners have set. Take along everything of a learner, or have it forgotten."},
		{Name: tagKeys, Description: "Who may do what."},
		{Name: tagOperations, Description: "Is it alive, is it ready?"},
	}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{securityBearer: {
		Type: "http", Scheme: "bearer", Description: "A key (learninglog key create), or a token of the OpenID provider. Needed where the service runs with --auth.",
	}}
	config.Components.Responses = make(map[string]*huma.Response)
	config.Components.Examples = make(map[string]*huma.Example)
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.OpenAPIPath = "" // huma encodes the document during the first requests, without synchronization
	config.DocsPath = ""    // huma's page loads from a CDN
	config.SchemasPath = ""
	config.CreateHooks = nil // without $schema in every answer
	config.RejectUnknownQueryParameters = true
	config.AllowAdditionalPropertiesByDefault = true // answers may get more fields later
	config.Transformers = []huma.Transformer{s.asProblem}
	return config
}

// schemaName returns the name of a type in the document.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[problem.Field]() {
		return "FieldProblem"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// schemaOf adds the schema of a type to the document, once, and returns a reference
// to it.
func schemaOf[T any](s *server) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// problemSchema returns the schema of problems, including the log that some of them
// have.
func (s *server) problemSchema() *huma.Schema {
	reference := schemaOf[problem.Problem](s)
	properties := s.api.OpenAPI().Components.Schemas.SchemaFromRef(reference.Ref).Properties
	properties["learning_log"] = &huma.Schema{
		Ref:         schemaOf[LearningLog](s).Ref,
		Description: properties["learning_log"].Description,
	}
	return reference
}

// A problem is an error that huma can answer with.
var (
	_ huma.StatusError       = (*problem.Problem)(nil)
	_ huma.HeadersError      = (*problem.Problem)(nil)
	_ huma.ContentTypeFilter = (*problem.Problem)(nil)
)

const unknownParameter = "is no parameter of this path: see /docs"

// asProblem converts huma's own errors to problems. They concern the parameters of a
// request; any other of them is a bug of the service.
func (s *server) asProblem(ctx huma.Context, _ string, body any) (any, error) {
	theirs, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	if theirs.Status >= http.StatusInternalServerError {
		s.Logger.ErrorContext(ctx.Context(), "a request failed", slog.Any("error", theirs), problem.LogID(ctx.Context()))
		return problem.Internal.New(""), nil
	}
	ours := problem.Invalid.New("")
	ours.Status = theirs.Status // which is the one that is sent
	for _, detail := range theirs.Errors {
		ours.Errors = append(ours.Errors, asField(detail))
	}
	return ours, nil
}

func asField(detail *huma.ErrorDetail) problem.Field {
	better := map[string]string{
		"invalid integer":                     "must be a whole number",
		"invalid boolean":                     "must be true or false",
		"unknown query parameter":             unknownParameter,
		"expected string to be RFC 4122 uuid": "must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22",
	}
	field := problem.Field{
		Location: detail.Location,
		Message:  cmp.Or(better[strings.SplitN(detail.Message, ":", 2)[0]], detail.Message),
		Value:    detail.Value,
	}
	if text, ok := field.Value.(string); ok {
		field.Value = short(text)
	}
	if field.Message == unknownParameter {
		field.Value = nil // huma doesn't give the value
	}
	return field
}

// showPathExamples gives parameters in paths the examples of their schemas, which Swagger UI
// would not fill in.
func showPathExamples(document *huma.OpenAPI) {
	for _, item := range document.Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if operation == nil {
				continue
			}
			for _, p := range operation.Parameters {
				if p.In == "path" && len(p.Schema.Examples) > 0 {
					p.Example = p.Schema.Examples[0]
				}
			}
		}
	}
}

// writeOpenAPI writes the document after all routes have been added.
func (s *server) writeOpenAPI() (err error) {
	document := s.api.OpenAPI()
	// huma registers its own error model, which asProblem replaces.
	delete(document.Components.Schemas.Map(), "ErrorModel")
	delete(document.Components.Schemas.Map(), "ErrorDetail")
	showPathExamples(document)
	if s.openAPIYAML, err = document.YAML(); err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	if s.openAPIJSON, err = json.Marshal(document); err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	return nil
}
