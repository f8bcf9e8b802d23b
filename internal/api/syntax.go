package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"learninglog/internal/problem"
)

// jsonDecoders are unused decoders, kept because every log needs one.
//
//nolint:gochecknoglobals // a cache without meaning of its own
var jsonDecoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// jsonDecoder returns a decoder of text. Put it back into jsonDecoders afterwards.
func jsonDecoder(text []byte, options ...jsontext.Options) *jsontext.Decoder {
	decoder, _ := jsonDecoders.Get().(*jsontext.Decoder)
	decoder.Reset(bytes.NewBuffer(text), options...)
	return decoder
}

// readValue reads the next value, or the name of a field, and returns it as a slice
// of text. The decoder's own result is overwritten by the next value.
func readValue(decoder *jsontext.Decoder, text []byte) ([]byte, error) {
	value, err := decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	end := decoder.InputOffset()
	return text[end-int64(len(value)) : end], nil
}

// readRest reads a value and checks that nothing follows it.
func readRest(decoder *jsontext.Decoder, text []byte) error {
	if _, err := decoder.ReadValue(); err != nil {
		return problem.Unreadable.New(explainSyntax(text, err))
	}
	return readEnd(decoder, text)
}

func readEnd(decoder *jsontext.Decoder, text []byte) error {
	switch _, err := decoder.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return problem.Unreadable.New(explainSyntax(text, err))
	default:
		return problem.Unreadable.New("The JSON is broken: there is more after its end.")
	}
}

func explainSyntax(text []byte, err error) string {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "The body is empty: it must be JSON."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "The JSON is broken: it breaks off."
	case ok:
		return fmt.Sprintf("The JSON is broken at byte %d: %s.", syntax.ByteOffset, syntax.Err)
	default:
		return "The JSON is broken."
	}
}
