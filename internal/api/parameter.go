package api

import (
	"github.com/google/uuid"

	"learninglog/internal/problem"
	"learninglog/internal/timerange"
)

func pathUUID(name, text string) (uuid.UUID, error) {
	id, err := parseUUID([]byte(text))
	if err != nil {
		return uuid.Nil, problem.Invalid.New("", problem.Field{
			Location: "path." + name,
			Message:  "must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22",
			Value:    short(text),
		})
	}
	return id, nil
}

// queryBound reads an end of a range from the query; it returns nil if it is absent.
func (s *server) queryBound(name, text string) (*timerange.Bound, error) {
	if text == "" {
		return nil, nil
	}
	parsed, err := timerange.Parse(text, s.Zone)
	if err != nil {
		return nil, problem.Invalid.New("", problem.Field{Location: "query." + name, Message: err.Error(), Value: short(text)})
	}
	return &parsed, nil
}
